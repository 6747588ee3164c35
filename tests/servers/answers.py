"""What a right origin answers: preconditions, ranges and fields by RFC 9110."""

import re
from dataclasses import dataclass, replace
from email.utils import formatdate, parsedate_to_datetime

from tests.servers.faults import Fault
from tests.servers.pattern import Body, Literal
from tests.servers.wire import Request

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Thing:
    """One registered object."""

    body: Body
    etag: str | None
    last_modified: str | None
    content_type: str | None
    cache_control: str | None
    accept_ranges: bool
    headers: Headers


@dataclass(frozen=True)
class Answer:
    """A head, and the half-open part of a body that goes with it."""

    status: int
    headers: Headers
    body: Body
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes of the body that are sent."""
        return self.stop - self.start


def with_headers(headers: Headers, new: Headers, without: tuple[str, ...] = ()) -> Headers:
    """The headers, with the new ones in place of those of the same name."""
    gone = {name.lower() for name, _ in new} | {name.lower() for name in without}
    return tuple(each for each in headers if each[0].lower() not in gone) + new


def plain(status: int, text: bytes = b"", headers: Headers = ()) -> Answer:
    """An answer that is about no object."""
    base: Headers = (("Date", formatdate(usegmt=True)), ("Content-Type", "text/plain"))
    return Answer(status, with_headers(base, headers), Literal(text), 0, len(text))


def right_answer(thing: Thing | None, request: Request, ignore_range: bool = False) -> Answer:
    """What RFC 9110 asks of an origin that has this object, or none."""
    if request.method == "OPTIONS":
        return plain(204, headers=(("Allow", "GET, HEAD, OPTIONS"),))
    if request.method not in ("GET", "HEAD"):
        return plain(200, b"done\n")
    if thing is None:
        return plain(404, b"not found\n")
    headers = _headers(thing)
    whole = Answer(200, headers, thing.body, 0, thing.body.length)
    if not _matches(thing, request):
        return replace(plain(412), headers=headers)
    if _not_modified(thing, request):
        return Answer(304, with_headers(headers, (), without=("Content-Type",)), thing.body, 0, 0)
    wanted = request.field("Range")
    if any(name.lower() == "x-ms-version" for name, _ in thing.headers):
        # Azure's own goes first.
        wanted = request.field("x-ms-range") or wanted
    usable = thing.accept_ranges and request.method == "GET" and not ignore_range
    if wanted is None or not usable or not _if_range(thing, request):
        return whole
    span = _span(wanted, thing.body.length)
    if span is None:
        return whole
    start, stop = span
    if start >= stop:
        refusal = with_headers(headers, (("Content-Range", f"bytes */{thing.body.length}"),))
        return Answer(416, refusal, thing.body, 0, 0)
    content_range = f"bytes {start}-{stop - 1}/{thing.body.length}"
    return Answer(206, with_headers(headers, (("Content-Range", content_range),)), thing.body, start, stop)


def faulty_answer(thing: Thing | None, request: Request, fault: Fault) -> Answer:
    """The right answer, bent as the fault says; framing and breaks are not seen here."""
    if fault.tags_of_parts:
        fields = [line for line in request.fields if line[0].lower() != b"if-range"]
        request = replace(request, fields=fields)
    answer = right_answer(thing, request, fault.ignore_range)
    if fault.body_range is not None and thing is not None:
        answer = replace(answer, body=thing.body, start=fault.body_range[0], stop=fault.body_range[1])
    status = fault.status
    if fault.redirect is not None:
        status = status or 302
        answer = plain(status, headers=(("Location", fault.redirect),))
    elif status is not None and not 200 <= status < 300:
        answer = plain(status)
    if fault.body is not None:
        answer = replace(answer, body=Literal(fault.body), start=0, stop=len(fault.body))
    added: Headers = ()
    if fault.content_encoding is not None:
        added += (("Content-Encoding", fault.content_encoding),)
    if fault.content_range is not None:
        added += (("Content-Range", fault.content_range),)
    if fault.tags_of_parts and answer.status == 206:
        added += (("ETag", f'"{answer.start}-{answer.stop}"'),)
    headers = with_headers(answer.headers, added)
    return replace(
        answer,
        status=answer.status if status is None else status,
        headers=with_headers(headers, fault.headers, fault.without),
    )


def _headers(thing: Thing) -> Headers:
    base = [("Date", formatdate(usegmt=True))]
    if thing.accept_ranges:
        base.append(("Accept-Ranges", "bytes"))
    for name, value in (
        ("ETag", thing.etag),
        ("Last-Modified", thing.last_modified),
        ("Cache-Control", thing.cache_control),
        ("Content-Type", thing.content_type),
    ):
        if value is not None:
            base.append((name, value))
    return with_headers(tuple(base), thing.headers)


def _tags(value: str) -> list[str]:
    return re.findall(r'(?:W/)?"[^"]*"|\*', value)


def _matches(thing: Thing, request: Request) -> bool:
    """If-Match (§13.1.1), or else If-Unmodified-Since (§13.1.4)."""
    value = request.field("If-Match")
    if value is not None:
        strong = [tag for tag in _tags(value) if not tag.startswith("W/")]
        return "*" in strong or thing.etag in strong
    since = request.field("If-Unmodified-Since")
    return since is None or thing.last_modified is None or not _later(thing.last_modified, since)


def _not_modified(thing: Thing, request: Request) -> bool:
    """If-None-Match (§13.1.2), or else If-Modified-Since (§13.1.3)."""
    value = request.field("If-None-Match")
    if value is not None:
        tags = [tag.removeprefix("W/") for tag in _tags(value)]
        return "*" in tags or (thing.etag is not None and thing.etag.removeprefix("W/") in tags)
    since = request.field("If-Modified-Since")
    return since is not None and thing.last_modified is not None and not _later(thing.last_modified, since)


def _later(one: str, other: str) -> bool:
    try:
        return parsedate_to_datetime(one) > parsedate_to_datetime(other)
    except ValueError:
        return True


def _if_range(thing: Thing, request: Request) -> bool:
    """Whether Range applies: without If-Range, or if that names this version strongly (§13.1.5)."""
    value = request.field("If-Range")
    if value is None:
        return True
    if value.startswith(('"', "W/")):
        return value == thing.etag and not value.startswith("W/")
    return value == thing.last_modified


def _span(value: str, length: int) -> tuple[int, int] | None:
    """The one range asked for; an empty one cannot be satisfied; None is a Range to be ignored."""
    found = re.fullmatch(r"bytes=\s*(\d*)-(\d*)\s*", value)
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        return max(0, length - int(found[2])), length
    start = int(found[1])
    if found[2] == "":
        return start, length
    if int(found[2]) < start:
        return None
    return start, min(length, int(found[2]) + 1)
