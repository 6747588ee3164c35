"""The same requests through proxycache and straight to the nginx behind it.

Sequence 137 alone: `pytest "tests/conformance/test_differential.py::test_answers_agree[137]"`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.differential.agreement import assert_agree, assert_true
from tests.conformance.differential.deviations import EQUIVALENTS, Pair, understandings
from tests.conformance.differential.sequences import NUMBER, SEED, Sequence, Step, sequence
from tests.conformance.differential.wire import Request
from tests.servers.fetch import Answer, fetch
from tests.servers.nginx import Nginx
from tests.servers.proxycache import Proxycache


class Comparison:
    """One sequence, asked of both."""

    def __init__(self, nginx: Nginx, proxy: Proxycache, root: Path, sequence: Sequence) -> None:
        self._nginx = nginx
        self._proxy = proxy
        self._file = root / sequence.path
        self._sequence = sequence
        self._told = [f"seed {SEED}, sequence {sequence.number}, {sequence.path}"]

    def run(self) -> None:
        """Ask everything; AssertionError telling all of it if two answers disagree or one is not true."""
        version, proxied = None, Answer()
        try:
            for step in self._sequence.steps:
                if step.version != version:
                    version = step.version
                    version.put(self._file)
                    self._told.append(str(version))
                proxied = self._ask(step)
            assert self._sequence.location.cache_status in proxied.cache_status, "Cache-Status at last"
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self._told])) from None

    def _ask(self, step: Step) -> Answer:
        proxied = self._answer(self._proxy.url, step.request)
        self._tell("asked", step.request)
        self._tell("proxycache", proxied)
        assert_true(self._sequence, step.version, step.request, proxied)
        understood, *other = understandings(step.request, proxied)
        try:
            self._assert_agree(step, understood, proxied)
        except AssertionError:
            if not other:
                raise
            self._assert_agree(step, other[0], proxied)
        return proxied

    def _assert_agree(self, step: Step, request: Request, proxied: Answer) -> None:
        direct = self._answer(self._nginx.url, request)
        if request != step.request:
            self._tell("or", request)
        self._tell("nginx", direct)
        assert_true(self._sequence, step.version, request, direct)
        assert_agree(Pair(request, step.version, direct, proxied))

    def _answer(self, url: str, request: Request) -> Answer:
        return fetch(url + self._sequence.path, headers=request.fields, method=request.method)

    def _tell(self, who: str, what: Request | Answer) -> None:
        line = f"{what.status}, {len(what.body)} bytes, {what.fields}" if isinstance(what, Answer) else str(what)
        self._told.append(f"{who:>12}: {line}")


@pytest.mark.parametrize("number", range(NUMBER))
def test_answers_agree(nginx: Nginx, proxy: Proxycache, root: Path, number: int) -> None:
    Comparison(nginx, proxy, root, sequence(number)).run()


@pytest.mark.parametrize("rule", EQUIVALENTS)
def test_every_rule_is_needed(rule: Callable[[Request], Request]) -> None:
    requests = [step.request for number in range(NUMBER) for step in sequence(number).steps]
    assert any(rule(request) != request for request in requests)
