"""What others send, in a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxycache.policy.loglines import MAX_SHOWN, AccessLine, End, escaped, loggable, redacted, taken

from .casefile import Case, cases

HIDDEN = frozenset({b"token", b"sig nature"})


@cases("log-escapes", "value", "shown")
def test_escapes(case: Case) -> None:
    assert escaped(case.octets("value"), 20) == case["shown"]


@cases("redaction", "target", "shown")
def test_redaction(case: Case) -> None:
    assert redacted(case.octets("target"), HIDDEN) == case.octets("shown")


@given(st.binary(max_size=3000))
def test_whatever_it_is_it_stays_within_its_quotes(value: bytes) -> None:
    shown = escaped(value)
    assert len(shown) <= MAX_SHOWN
    assert shown.isascii()
    assert shown.isprintable()
    assert '"' not in shown


@given(st.lists(st.sampled_from(["a", "token", "=", "&", ";", "?", "%74", "SECRET", "+", "/"]), max_size=20))
def test_no_value_of_a_hidden_parameter_is_told(pieces: list[str]) -> None:
    target = ("/f?" + "".join(pieces) + "&token=SECRET").replace("SECRET", "SECRET", 1).encode()
    assert not loggable(target, HIDDEN).endswith("SECRET")
    assert loggable(target, HIDDEN).endswith("&token=***")


def test_a_line_of_the_access_log() -> None:
    line = AccessLine(
        client="2001:db8::7",
        time=1795838460.9,
        method=b"GET",
        target=b"/film.mp4?token=s3cr3t",
        protocol=b"HTTP/1.1",
        status=206,
        sent=1000,
        by_source={"fill": 200, "cache": 800},
        seconds=0.1694,
        end=End.LEFT,
        cache_status=b'proxycache; hit; key="films:film.mp4"',
        referer=b"http://page.example/?token=s3cr3t",
    )
    assert line.render(HIDDEN) == (
        '2001:db8::7 - - [28/Nov/2026:04:01:00 +0000] "GET /film.mp4?token=*** HTTP/1.1" 206 1000'
        ' "http://page.example/?token=***" "-" cache=800 fill=200 passthrough=0 seconds=0.169 end=left'
        r' "proxycache; hit; key=\x22films:film.mp4\x22"'
    )


SOURCES = st.sampled_from(["cache", "fill", "passthrough"])


@given(st.dictionaries(SOURCES, st.integers(0, 100)), SOURCES, st.integers(0, 400))
def test_what_was_not_taken_was_written_last(by_source: dict[str, int], last: str, unsent: int) -> None:
    left = taken(by_source, last, unsent)
    assert sum(left.values()) == max(0, sum(by_source.values()) - unsent)
    assert all(0 <= count <= by_source.get(source, 0) for source, count in left.items())
    assert left.get(last, 0) == max(0, by_source.get(last, 0) - unsent)
