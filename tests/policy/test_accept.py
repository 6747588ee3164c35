"""Which stored response a request selects by the types that it accepts."""

from attrs import evolve

from proxycache.policy.accept import (
    MAX_SENT_FOR,
    asked_alike,
    excludes,
    renewed_variant,
    selects,
    sent_for,
    unwanted,
    variant_beside,
)
from proxycache.policy.fields import Fields

from .casefile import Case, cases
from .samples import stored

LIST, MANIFEST = b"application/vnd.list+json", b"application/vnd.manifest+json"
A_LIST = stored((b"Content-Type", LIST))
A_MANIFEST = Fields([(b"Content-Type", MANIFEST)])


def accepting(value: bytes) -> Fields:
    return Fields([(b"Accept", value)])


@cases("accept", "accept", "type", "excludes")
def test_excludes(case: Case) -> None:
    kind = case.octets_or_none("type")
    response = Fields([] if kind is None else [(b"Content-Type", kind)])
    assert excludes(case.fields("accept"), response) is case["excludes"]


def test_what_is_excluded_is_not_selected() -> None:
    assert selects(A_LIST, accepting(LIST))
    assert selects(A_LIST, Fields())
    assert not selects(A_LIST, accepting(MANIFEST))


def test_errors_have_the_type_that_they_have() -> None:
    assert selects(evolve(A_LIST, status=404), accepting(MANIFEST))


def test_what_has_another_type_is_kept_beside_what_is_stored_for_this_accept_alone() -> None:
    request = accepting(MANIFEST)
    variant = variant_beside(A_MANIFEST, request, [A_LIST])
    assert variant == ((b"accept", MANIFEST),)
    kept = evolve(stored(*A_MANIFEST, vary=variant))
    assert selects(kept, request)
    assert not selects(kept, Fields())
    assert renewed_variant(kept, A_MANIFEST, request) == variant
    assert not unwanted(evolve(kept, fields=A_LIST.fields), request)


def test_what_has_the_same_type_all_the_same_takes_its_place() -> None:
    assert variant_beside(A_LIST.fields, accepting(MANIFEST), [A_LIST]) == ()


def test_so_does_what_is_not_excluded() -> None:
    assert variant_beside(A_MANIFEST, accepting(b"*/*"), [A_LIST]) == ()


def test_beside_what_vary_says() -> None:
    response = A_MANIFEST.adding((b"Vary", b"X-Device"))
    request = accepting(MANIFEST).adding((b"X-Device", b"1"))
    other = evolve(A_LIST, vary=((b"x-device", b"2"),))
    assert variant_beside(response, request, [other]) == ((b"x-device", b"1"),)
    other = evolve(A_LIST, vary=((b"x-device", b"1"),))
    assert variant_beside(response, request, [other]) == ((b"accept", MANIFEST), (b"x-device", b"1"))


def test_what_was_sent_for_it_all_the_same_is_selected_by_it() -> None:
    request = accepting(MANIFEST)
    seen = evolve(A_LIST, sent_for=sent_for(A_LIST.fields, request))
    assert selects(seen, request)
    assert not selects(seen, accepting(b"text/*"))
    assert sent_for(A_LIST.fields, accepting(LIST), (b"x",)) == (b"x",)
    assert sent_for(A_LIST.fields, Fields()) == ()
    many = sent_for(A_LIST.fields, request, [b"%d" % number for number in range(20)])
    assert (len(many), many[-1]) == (MAX_SENT_FOR, MANIFEST)


def test_who_is_asked_for_by_others() -> None:
    one, other = accepting(LIST), accepting(MANIFEST)
    assert asked_alike([], one, other)
    assert not asked_alike([A_LIST], one, other)
    assert asked_alike([A_LIST], one, Fields())
