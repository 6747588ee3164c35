"""An answer against the file, and two answers against each other."""

from tests.conformance.differential.deviations import CHOICES, Pair, error_explains_itself
from tests.conformance.differential.sequences import Sequence
from tests.conformance.differential.versions import Version
from tests.conformance.differential.wire import BodyPart, Request, Span, body_parts, range_specs
from tests.servers.fetch import Answer, same

OF_THE_OBJECT = ("ETag", "Last-Modified", "Cache-Control")
OF_THE_CONTENT = ("Content-Length", "Content-Range", "Content-Type")
SINGLE = (*OF_THE_OBJECT, *OF_THE_CONTENT, "Accept-Ranges")
"""Fields that are compared, none of which may come twice."""


def assert_true(sequence: Sequence, version: Version, request: Request, answer: Answer) -> None:
    """Assert that what an answer says and carries is so, by the file alone."""
    assert answer.complete, "torn"
    for name in SINGLE:
        assert sum(key.lower() == name.lower() for key, _ in answer.fields) <= 1, f"{name} twice"
    assert answer.field("ETag") in (None, version.etag if sequence.location.etag else None), "the ETag of no version"
    assert answer.field("Last-Modified") in (None, version.last_modified), "the Last-Modified of no version"
    match answer.status:
        case 200:
            _assert_whole(sequence, version, request, answer)
        case 206:
            _assert_partial(sequence, version, request, answer)
        case 304:
            assert answer.field("Content-Length") in (None, str(version.length))
        case 412:
            pass
        case 416:
            assert answer.field("Content-Range") == f"bytes */{version.length}"
        case _:
            raise AssertionError("a status that nothing in the request calls for")


def _assert_whole(sequence: Sequence, version: Version, request: Request, answer: Answer) -> None:
    assert answer.field("Content-Length") == str(version.length)
    assert answer.field("Content-Type") == sequence.content_type
    assert answer.field("Content-Range") is None
    content = b"" if request.method == "HEAD" else version.content
    assert len(answer.body) == len(content)
    same(content, 0, answer.body)


def _assert_partial(sequence: Sequence, version: Version, request: Request, answer: Answer) -> None:
    assert request.method == "GET"
    assert answer.field("Content-Length") == str(len(answer.body))
    spans = []
    for part in parts_of(answer):
        assert part.content_type == sequence.content_type
        start, stop = part.span(version.length)
        assert len(part.content) == stop - start
        same(version.content, start, part.content)
        spans.append((start, stop))
    wanted = [span for spec in range_specs(request.field("Range")) if (span := spec.span(version.length)) is not None]
    assert_selected(wanted, spans)


def assert_selected(wanted: list[Span], sent: list[Span]) -> None:
    """Assert that all that was asked for came, and nothing else, each byte once."""
    for start, stop in wanted:
        assert any(first <= start and stop <= end for first, end in sent), f"{start}-{stop - 1} is missing"
    for first, end in sent:
        within = sorted(span for span in wanted if first <= span[0] and span[1] <= end)
        assert within, f"nobody asked for {first}-{end - 1}"
        assert first == within[0][0], f"{first}-{end - 1} begins early"
        reached = within[0][1]
        for start, stop in within[1:]:
            assert start < reached, f"{reached - 1} and {start} were not asked for together"
            reached = max(reached, stop)
        assert end == reached, f"{first}-{end - 1} ends late"
    assert len(sent) <= len(wanted), "parts come twice"


def parts_of(answer: Answer) -> list[BodyPart]:
    """The parts of a 206, one or several."""
    content_type = answer.field("Content-Type") or ""
    if content_type.startswith("multipart/"):
        assert answer.field("Content-Range") is None, "Content-Range beside those of the parts (section 14.4)"
        return body_parts(content_type, answer.body)
    return [BodyPart(content_type, answer.field("Content-Range"), answer.body)]


def assert_agree(pair: Pair) -> None:
    """Assert that two answers are the same, but for a choice that the RFC leaves."""
    direct, proxied = pair.direct, pair.proxied
    if max(pair.statuses) < 400:
        # nginx says nothing of the object in an error.
        _assert_same_fields(pair, OF_THE_OBJECT)
    if pair.statuses == (200, 200):
        _assert_same_fields(pair, ("Accept-Ranges",))
    if any(choice(pair) for choice in CHOICES):
        return
    assert proxied.status == direct.status, "status"
    if error_explains_itself(pair):
        _assert_same_fields(pair, ("Content-Range",))
    elif all((answer.field("Content-Type") or "").startswith("multipart/") for answer in (direct, proxied)):
        assert parts_of(proxied) == parts_of(direct), "parts"
    else:
        _assert_same_fields(pair, OF_THE_CONTENT)
        assert proxied.body == direct.body, "body"


def _assert_same_fields(pair: Pair, names: tuple[str, ...]) -> None:
    for name in names:
        direct, proxied = pair.direct.field(name), pair.proxied.field(name)
        assert proxied == direct, f"{name}: {proxied!r} in place of {direct!r}"
