"""The product itself, run by the real twistd as a user would run it."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.deadline import PATIENCE_SECONDS, until
from tests.servers.ports import HOST, free_port
from tests.servers.tomltext import toml_text

Config = Mapping[str, object]
ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 60.0
TAIL = 4000
"""Characters of the log that go into a failure's message."""


class Proxycache:
    """`twistd -n proxycache --config FILE` in front of one origin called "films" at the prefix "/".

    `config` has the shape of the TOML file. Its tables are laid over the rig's, key by key; its `origin`, if
    it is a table, is laid over the one origin, and if it is a list, stands in its place. With `by_options`
    there is no file, and everything is said by options. `umask` is that of the tests, unless another is given, and
    so is `open_files`, the most descriptors it may have.
    """

    def __init__(
        self,
        directory: Path,
        origin_url: str,
        *,
        config: Config | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        by_options: bool = False,
        umask: int = -1,
        open_files: int | None = None,
    ) -> None:
        self.directory = directory
        self.cache_dir = directory / "cache"
        self.database = self.cache_dir / "index.sqlite"
        self.log_file = directory / "proxycache.log"
        self.port = free_port()
        self.admin_port = free_port()
        self.url = f"http://{HOST}:{self.port}/"
        self.admin_url = f"http://{HOST}:{self.admin_port}/"
        self.env: dict[str, str] = dict(env or {})
        """Environment variables beside those of the tests."""
        self.args: list[str] = list(args)
        self.config: dict[str, object] = _laid_over(self._default_config(origin_url), config or {})
        self.config_file: Path | None = None if by_options else directory / "proxycache.toml"
        self._origin_url = origin_url
        self._umask = umask
        self._open_files = open_files
        self._process: subprocess.Popen[bytes] | None = None

    def _default_config(self, origin_url: str) -> dict[str, object]:
        return {
            "server": {"listen": [self._endpoint(self.port)], "admin": self._endpoint(self.admin_port)},
            "cache": {"directory": str(self.cache_dir), "database": f"sqlite:///{self.database}"},
            "origin": [{"name": "films", "prefix": "/", "url": origin_url}],
        }

    @staticmethod
    def _endpoint(port: int) -> str:
        return f"tcp:{port}:interface={HOST}"

    def command(self) -> list[str]:
        """What start() runs."""
        if self._open_files is not None:
            return ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(self._open_files), *self._twistd()]
        return self._twistd()

    def _twistd(self) -> list[str]:
        twistd = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "proxycache"]
        if self.config_file is not None:
            return [*twistd, "--config", str(self.config_file), *self.args]
        options = {
            "--origin": self._origin_url,
            "--listen": self._endpoint(self.port),
            "--admin": self._endpoint(self.admin_port),
            "--cache-dir": str(self.cache_dir),
            "--database": f"sqlite:///{self.database}",
        }
        return [*twistd, *(word for pair in options.items() for word in pair), *self.args]

    def environment(self) -> dict[str, str]:
        """What it runs in: the checkout comes first on the path of imports."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "PYTHONPATH": path, **self.env}

    def launch(self) -> subprocess.Popen[bytes]:
        """Write the configuration and run the command, without waiting for anything."""
        assert self._process is None, "already started"
        if self.config_file is not None:
            self.config_file.write_text(toml_text(self.config))
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=self._umask,
            )
        return self._process

    def start(self) -> None:
        """Run it and wait until the admin listener says that it is well."""
        process = self.launch()
        try:
            until(
                lambda: process.poll() is not None or self._healthy(),
                "proxycache to answer /healthz",
            )
            assert process.poll() is None, f"proxycache ended with {process.returncode}"
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}; its log ends:\n{self.log()[-TAIL:]}") from None

    def stop(self) -> int:
        """End it by SIGTERM; its exit code. Nothing is done if it is not running."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end {STOP_SECONDS} s after SIGTERM:\n{self.log()[-TAIL:]}") from None
        self._process = None
        return code

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def __enter__(self) -> "Proxycache":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def rss(self) -> int:
        """Resident memory in bytes, with that of its children."""
        process = psutil.Process(self.pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))

    def log(self) -> str:
        """All it has written, in all its runs."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def assert_clean_log(self) -> None:
        """Fail if an exception got away."""
        log = self.log()
        for word in ("Traceback", "Unhandled"):
            at = log.find(word)
            assert at < 0, f"in the log:\n{log[max(0, at - 500) : at + TAIL]}"

    def metrics(self) -> dict[str, float]:
        """All samples of /metrics, keyed as written: `name` or `name{label="value",...}`, labels sorted."""
        with urllib.request.urlopen(self.admin_url + "metrics", timeout=PATIENCE_SECONDS) as answer:
            text = answer.read().decode()
        samples: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return samples

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self.admin_url + "healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _laid_over(base: dict[str, object], config: Config) -> dict[str, object]:
    merged = dict(base)
    for key, value in config.items():
        below = base.get(key)
        if isinstance(below, list) and isinstance(value, Mapping):
            merged[key] = [{**below[0], **value}]
        elif isinstance(below, dict) and isinstance(value, Mapping):
            merged[key] = {**below, **value}
        else:
            merged[key] = value
    return merged
