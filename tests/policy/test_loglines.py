"""What others send, in a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxycache.policy.loglines import MAX_SHOWN, escaped, loggable, redacted

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
