"""A hub of models: names that change, which lead to files that do not."""

from __future__ import annotations

import hashlib
import json

from tests.servers.origin import Fault, Origin


class Hub:
    """A repository of one revision, on one server, whose large files lie on another.

    As on the great one: who asks for a file by the name of its branch is told its revision, tag and length by the
    fields of a redirect, and by two others that it can be had in another way than by HTTP.
    """

    def __init__(self, site: Origin, files: Origin, repository: str) -> None:
        self._site = site
        self._files = files
        self._repository = repository
        self._listed: dict[str, int] = {}
        self.revision = hashlib.sha1(repository.encode()).hexdigest()

    def put(self, name: str, body: bytes, *, large: bool) -> None:
        """Put a file into the repository."""
        digest = hashlib.sha256(body).hexdigest()
        stored = f"/repos/{self._repository}/{digest}"
        self._listed[name] = len(body)
        commit = ("X-Repo-Commit", self.revision)
        for revision in ("main", self.revision):
            path = f"/{self._repository}/resolve/{revision}/{name}"
            if not large:
                self._site.put(path, body, etag=f'"{digest[:40]}"', cache_control=None, headers=(commit,))
                continue
            self._site.put(path, b"")
            fields = (
                commit,
                ("X-Linked-Size", str(len(body))),
                ("X-Linked-ETag", f'"{digest}"'),
                ("X-Xet-Hash", digest),
                ("Link", f'<{self._site.url}api/xet-read-token>; rel="xet-auth"'),
            )
            self._site.fault(path, Fault(redirect=self._files.url + stored[1:], headers=fields), None)
        if large:
            self._files.put(stored, body, etag=f'"{digest[:32]}"', cache_control="public, max-age=31536000, immutable")
        self._tell()

    def _tell(self) -> None:
        """What the hub's interface says of the repository."""
        about = {
            "id": self._repository,
            "modelId": self._repository,
            "sha": self.revision,
            "private": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": name} for name in self._listed],
        }
        tree = [
            {"type": "file", "path": name, "size": length, "oid": hashlib.sha1(name.encode()).hexdigest()}
            for name, length in self._listed.items()
        ]
        for revision in ("main", self.revision):
            for path, told in (("revision", about), ("tree", tree)):
                body = json.dumps(told).encode()
                self._json(f"/api/models/{self._repository}/{path}/{revision}", body)
        self._json(f"/api/models/{self._repository}", json.dumps(about).encode())

    def _json(self, path: str, body: bytes) -> None:
        self._site.put(path, body, etag=None, content_type="application/json", cache_control="no-store")
