"""Which stored response a request selects: by Vary, and by the media types that it accepts.

Registries and indexes of packages answer by Accept, and do not say so in Vary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from .entry import Representation
from .fields import Fields, media_type, split_list
from .storing import Variant, selected_alike, variant_matches, variant_of


def selects(representation: Representation, request: Fields) -> bool:
    """Whether a stored response is one for C{request} (RFC 9111, section 4.1), and of a type that it accepts."""
    return variant_matches(representation.vary, request) and not unwanted(representation, request)


def unwanted(representation: Representation, request: Fields) -> bool:
    """Whether a stored response is of a type that C{request} excludes, though the origin may have another one.

    Not where this one was stored for that very Accept, or sent for it all the same.
    """
    if representation.status != 200 or any(name == b"accept" for name, _ in representation.vary):
        return False
    return excludes(request, representation.fields) and request.joined(b"accept") not in representation.sent_for


def variant_beside(response: Fields, request: Fields, others: Iterable[Representation]) -> Variant:
    """The variant of the response to C{request}, kept apart from what is stored of a type that the request excludes.

    It is then one for this value of Accept alone: what the origin has for others is not known.
    """
    variant, kind = variant_of(response, request), response.first(b"content-type")
    beside = any(
        variant_matches(other.vary, request)
        and unwanted(other, request)
        and other.fields.first(b"content-type") != kind
        for other in others
    )
    return _pinned(variant, request) if beside else variant


MAX_SENT_FOR = 8
"""Values of Accept that are remembered of one response."""


def sent_for(response: Fields, request: Fields, before: Sequence[bytes] = ()) -> tuple[bytes, ...]:
    """See L{Representation.sent_for}; those of C{before} stay, the last few.

    Many origins send what they have, whatever is accepted: who asks so again is not to ask them again.
    """
    accept = request.joined(b"accept")
    if accept is None or not excludes(request, response):
        return tuple(before)
    return (*(each for each in before if each != accept), accept)[-MAX_SENT_FOR:]


def renewed_variant(known: Representation, response: Fields, request: Fields) -> Variant:
    """The variant of a stored response after C{response} has renewed its fields."""
    variant = variant_of(response, request)
    return _pinned(variant, request) if any(name == b"accept" for name, _ in known.vary) else variant


def _pinned(variant: Variant, request: Fields) -> Variant:
    accept = variant_of(Fields([(b"Vary", b"Accept")]), request)
    return tuple(sorted({*variant, *accept}))


def asked_alike(known: Iterable[Representation], one: Fields, other: Fields) -> bool:
    """Whether two requests are likely to select the same response, as far as what is C{known} of the object tells."""
    names: set[bytes] = set()
    for each in known:
        names.update(name for name, _ in each.vary)
        if unwanted(each, one) or unwanted(each, other):
            names.add(b"accept")
    return selected_alike(names, one, other)


def excludes(request: Fields, response: Fields) -> bool:
    """Whether a request's Accept leaves no room for the type of a response (RFC 9110, section 12.5.1).

    Parameters are not compared, and a weight that is none is not zero: only what is certain excludes.
    """
    accept, content_type = request.joined(b"accept"), response.first(b"content-type")
    return accept is not None and content_type is not None and _excludes(accept, content_type)


@lru_cache(maxsize=1024)
def _excludes(accept: bytes, content_type: bytes) -> bool:
    kind = media_type(content_type)
    accepted: dict[bytes, bool] = {}
    for member in split_list(accept):
        name, *parameters = (each.strip(b" \t").lower() for each in member.split(b";"))
        if name == b"*":
            name = b"*/*"
        weights = [each for each in parameters if each.startswith(b"q=")]
        refused = bool(weights) and weights[0][2:].strip(b"0.") == b"" and weights[0][2:] != b""
        if b"/" in name and not (refused and len(parameters) > 1):
            accepted[name] = accepted.get(name, False) or not refused
    for pattern in (kind, kind.partition(b"/")[0] + b"/*", b"*/*"):
        if pattern in accepted:
            return not accepted[pattern]
    return bool(accepted) and b"/" in kind
