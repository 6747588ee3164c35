"""Cookies that a redirect sets, brought to where it leads: the client, in whose place we go there, might bring them."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request

from attrs import frozen

from proxycache.policy.fields import Fields


@frozen
class _Answer:
    """What L{CookieJar} reads of an answer."""

    message: Message

    def info(self) -> Message:
        return self.message


class HopCookies:
    """Those of the redirects that one request has followed; for which URLs each is says RFC 6265."""

    def __init__(self) -> None:
        self._jar = CookieJar()

    def set_by(self, url: bytes, answer: Fields) -> None:
        """A redirect came from C{url}."""
        lines = answer.all(b"set-cookie")
        if not lines:
            return
        message = Message()
        for line in lines:
            message["Set-Cookie"] = line.decode("latin-1")
        self._jar.extract_cookies(cast(Any, _Answer(message)), Request(url.decode("latin-1")))

    def brought_to(self, url: bytes, request: Fields) -> Fields:
        """The fields of a request to C{url}, with those cookies in place of the client's own of the same names."""
        if not len(self._jar):
            return request
        asked = Request(url.decode("latin-1"))
        self._jar.add_cookie_header(asked)
        header = asked.get_header("Cookie")
        if header is None:
            return request
        ours = header.encode("latin-1")
        names = {_name(pair) for pair in ours.split(b";")}
        clients = [
            pair.strip() for line in request.all(b"cookie") for pair in line.split(b";") if _name(pair) not in names
        ]
        return request.without({b"cookie"}).adding((b"Cookie", b"; ".join([*filter(None, clients), ours])))


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip()
