"""Header fields: lines as they came, and the parsers of those that a cache must understand."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator

from attrs import field, frozen

Line = tuple[bytes, bytes]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that belong to one connection (RFC 9110, section 7.6.1; RFC 9111, section 3.1)."""


def _as_lines(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(lines)


@frozen
class Fields:
    """Field lines in their order, duplicates kept. Names compare without case (RFC 9110, section 5.1)."""

    lines: tuple[Line, ...] = field(default=(), converter=_as_lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def all(self, name: bytes) -> list[bytes]:
        """The value of every line called C{name}."""
        name = name.lower()
        return [value for have, value in self.lines if have.lower() == name]

    def first(self, name: bytes) -> bytes | None:
        """The value of the first line called C{name}."""
        name = name.lower()
        for have, value in self.lines:
            if have.lower() == name:
                return value
        return None

    def joined(self, name: bytes) -> bytes | None:
        """The combined value (RFC 9110, section 5.3), or None where no line has that name."""
        values = self.all(name)
        return b", ".join(values) if values else None

    def without(self, names: Iterable[bytes]) -> Fields:
        """These fields less those called any of C{names} (lower case)."""
        drop = frozenset(names)
        return Fields(line for line in self.lines if line[0].lower() not in drop)

    def adding(self, *lines: Line) -> Fields:
        """These fields with C{lines} at the end."""
        return Fields((*self.lines, *lines))

    def members(self, name: bytes) -> list[bytes]:
        """The members of a comma-separated list, quoted strings respected, empty ones dropped (section 5.6.1)."""
        return [member for value in self.all(name) for member in split_list(value)]

    def end_to_end(self) -> Fields:
        """These fields less the hop-by-hop ones and those named in Connection (RFC 9110, section 7.6.1)."""
        named = {member.lower() for member in self.members(b"connection")}
        return self.without(HOP_BY_HOP | named)

    def updated(self, newer: Fields) -> Fields:
        """These fields with every field of C{newer} in place of its namesakes (RFC 9111, section 3.2)."""
        names = {name.lower() for name, _ in newer}
        return Fields((*self.without(names), *newer))


def split_list(value: bytes) -> list[bytes]:
    """Split at commas outside quoted strings (RFC 9110, section 5.6.1); empty members dropped."""
    members: list[bytes] = []
    current = bytearray()
    quoted = escaped = False
    for byte in value:
        char = bytes((byte,))
        if quoted:
            current += char
            if escaped:
                escaped = False
            elif char == b"\\":
                escaped = True
            elif char == b'"':
                quoted = False
        elif char == b",":
            members.append(bytes(current))
            current.clear()
        else:
            quoted = char == b'"'
            current += char
    members.append(bytes(current))
    return [stripped for member in members if (stripped := member.strip(b" \t"))]


_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


def is_token(value: bytes) -> bool:
    """Whether it is a token (RFC 9110, section 5.6.2)."""
    return _TOKEN.match(value) is not None


def media_type(content_type: bytes) -> bytes:
    """The type that a Content-Type names, in lower case and without its parameters (RFC 9110, section 8.3.1)."""
    return content_type.partition(b";")[0].strip(b" \t").lower()


def unquoted(value: bytes) -> bytes:
    """The text of a quoted-string (RFC 9110, section 5.6.4); another value as it is."""
    if len(value) >= 2 and value.startswith(b'"') and value.endswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
    return value


def parse_directives(values: Iterable[bytes]) -> dict[str, bytes | None]:
    """Cache-Control and its kin (RFC 9111, section 5.2): name in lower case to argument, None without one.

    The first of two directives of one name counts (section 4.2.1). What is no token is passed over.
    """
    found: dict[str, bytes | None] = {}
    for value in values:
        for member in split_list(value):
            name, equals, argument = member.partition(b"=")
            if not _TOKEN.match(name):
                continue
            found.setdefault(name.decode("ascii").lower(), unquoted(argument) if equals else None)
    return found


MAX_DELTA_SECONDS = 2**31
"""What a larger number of seconds counts as (RFC 9111, section 1.2.2)."""


def parse_delta_seconds(value: bytes | None) -> int | None:
    """A non-negative whole number of seconds (RFC 9111, section 1.2.2), or None where C{value} is none."""
    if value is None or not value.isdigit():
        return None
    digits = value.lstrip(b"0") or b"0"
    return MAX_DELTA_SECONDS if len(digits) > 10 else min(int(digits), MAX_DELTA_SECONDS)


_LENGTH = re.compile(rb"[0-9]{1,18}\Z")


def parse_content_length(value: bytes | None) -> int | None:
    """A Content-Length (RFC 9110, section 8.6) in bytes, or None where C{value} is none, or nothing is as long."""
    return int(value) if value is not None and _LENGTH.match(value) else None


_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_DAYS = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAYS = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_TIME = rb"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)"
_DATE_FORMS = tuple(
    re.compile(form + rb"\Z", re.IGNORECASE)
    for form in (
        _DAYS + rb", (?P<day>\d\d) (?P<month>[A-Z][a-z][a-z]) (?P<year>\d{4}) " + _TIME + rb" GMT",
        _LONG_DAYS + rb", (?P<day>\d\d)-(?P<month>[A-Z][a-z][a-z])-(?P<year>\d\d) " + _TIME + rb" GMT",
        _DAYS + rb" (?P<month>[A-Z][a-z][a-z]) (?P<day>[ \d]\d) " + _TIME + rb" (?P<year>\d{4})",
    )
)


def parse_date(value: bytes | None, now: float) -> int | None:
    """An HTTP-date (RFC 9110, section 5.6.7) as seconds since the epoch, or None where it is none.

    Senders have to heed case; recipients are asked to be robust, and it does not.

    @param now: seconds since the epoch; a moment more than 50 years ahead, in a year of two digits, is past.
    """
    if value is None:
        return None
    for form in _DATE_FORMS:
        match = form.match(value.strip(b" \t"))
        if match is None:
            continue
        if match["month"].capitalize() not in _MONTHS:
            return None
        try:
            return int(_moment(match, now).timestamp())
        except ValueError:
            return None
    return None


def _moment(match: re.Match[bytes], now: float) -> datetime.datetime:
    """The moment that a match of one of the three forms names; raises C{ValueError} where there is no such one."""
    year = int(match["year"])
    two_digits = len(match["year"]) == 2
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if two_digits:
        year += today.year - today.year % 100
    second = int(match["s"])
    moment = datetime.datetime(
        year,
        _MONTHS.index(match["month"].capitalize()) + 1,
        int(match["day"]),
        int(match["h"]),
        int(match["m"]),
        # A leap second (section 5.6.7 gives the seconds as 00 to 60) has no number of its own here.
        59 if second == 60 else second,
        tzinfo=datetime.UTC,
    )
    if two_digits and (moment.year - 50, *moment.timetuple()[1:6]) > today.timetuple()[:6]:
        moment = moment.replace(year=year - 100)
    return moment
