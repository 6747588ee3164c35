"""Where two answers may differ, by name and section of RFC 9110.

Nothing is compared more loosely for what nginx does in its own way: it is asked the request that, by the RFC,
means the same and that it understands. Only where the RFC leaves a choice do two answers differ.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.differential.versions import Version
from tests.conformance.differential.wire import RangeSpec, Request, Span, range_field, range_specs
from tests.servers.fetch import Answer

NGINX_LARGEST = (1 << 63) - 1
"""What fits into its off_t."""

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_OBSOLETE_DATE = re.compile(
    r"[A-Z][a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d .* GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d .* \d{4}"
)

# Requests that mean the same


def range_is_for_get(request: Request) -> Request:
    """Range is ignored but for GET (section 14.2), and If-Range without it (13.1.5); nginx answers HEAD with 206."""
    return request if request.method == "GET" else request.without("Range", "If-Range")


def malformed_range_is_ignored(request: Request) -> Request:
    """A Range that is not valid may be ignored or refused (section 14.2): proxycache ignores, nginx refuses."""
    if range_specs(request.field("Range")):
        return request
    return request.without("Range", "If-Range")


def range_set_is_a_list(request: Request) -> Request:
    """Empty members and white space mean nothing (sections 5.6.1.2 and 14.1.1); nginx knows neither these nor tabs."""
    specs = range_specs(request.field("Range"))
    return request.with_field("Range", range_field(specs)) if specs else request


def positions_have_no_limit(request: Request) -> Request:
    """A number beyond all integers is beyond the end (section 14.1.2); nginx refuses it."""
    specs = range_specs(request.field("Range"))
    if not any(max(spec.first or 0, spec.last or 0) > NGINX_LARGEST for spec in specs):
        return request
    return request.with_field("Range", range_field(tuple(map(_within_off_t, specs))))


def _within_off_t(spec: RangeSpec) -> RangeSpec:
    # As last-pos nginx would add one to its largest number.
    first, last = (None if each is None else min(each, NGINX_LARGEST - 1) for each in (spec.first, spec.last))
    return RangeSpec(first, last)


def if_match_precedes(request: Request) -> Request:
    """If-Unmodified-Since is ignored beside If-Match (section 13.1.4); nginx evaluates both."""
    return request if request.field("If-Match") is None else request.without("If-Unmodified-Since")


def if_none_match_precedes(request: Request) -> Request:
    """If-Modified-Since is ignored beside If-None-Match (section 13.1.3); nginx evaluates both."""
    return request if request.field("If-None-Match") is None else request.without("If-Modified-Since")


def if_unmodified_since_is_a_date(request: Request) -> Request:
    """If-Unmodified-Since that is no date is ignored (section 13.1.4); to nginx it is long ago."""
    value = request.field("If-Unmodified-Since")
    return request if value is None or is_http_date(value) else request.without("If-Unmodified-Since")


def if_range_matches_exactly(request: Request) -> Request:
    """A date in If-Range has to match exactly (section 13.1.5); nginx compares times, proxycache texts."""
    if not _OBSOLETE_DATE.fullmatch(request.field("If-Range") or ""):
        return request
    return request.with_field("If-Range", '"no match"')


EQUIVALENTS: tuple[Callable[[Request], Request], ...] = (
    range_is_for_get,
    malformed_range_is_ignored,
    range_set_is_a_list,
    positions_have_no_limit,
    if_match_precedes,
    if_none_match_precedes,
    if_unmodified_since_is_a_date,
    if_range_matches_exactly,
)


def is_http_date(value: str) -> bool:
    """Whether a field is a date in one of the three forms (section 5.6.7)."""
    fixed = _HTTP_DATE.fullmatch(value)
    return (fixed is not None and int(fixed[1]) <= 31) or _OBSOLETE_DATE.fullmatch(value) is not None


def equivalent(request: Request) -> Request:
    """What nginx is to be asked in place of a request."""
    for rule in EQUIVALENTS:
        request = rule(request)
    return request


def understandings(request: Request, proxied: Answer) -> tuple[Request, ...]:
    """What nginx is to be asked, the proxied answer agreeing with one of its answers.

    Where proxycache only relayed an answer, nginx has got the request as it stands, and understood it in its way.
    """
    understood = equivalent(request)
    relayed = re.search(r"; detail=(no-store|status|precondition|end)\b", proxied.cache_status) is not None
    return (understood, request) if relayed and understood != request else (understood,)


# Choices


@dataclass(frozen=True)
class Pair:
    """A request that nginx understands, the version asked for, and the two answers."""

    request: Request
    version: Version
    direct: Answer
    proxied: Answer

    @property
    def statuses(self) -> tuple[int, int]:
        """Both."""
        return self.direct.status, self.proxied.status

    @property
    def asked(self) -> tuple[RangeSpec, ...]:
        """The ranges asked for."""
        return range_specs(self.request.field("Range"))

    @property
    def wanted(self) -> list[Span]:
        """What they select."""
        return [span for spec in self.asked if (span := spec.span(self.version.length)) is not None]


def range_of_nothing_may_be_ignored(pair: Pair) -> bool:
    """Nothing of an empty representation can be satisfied: nginx ignores the Range, proxycache refuses (14.2)."""
    return bool(pair.asked) and pair.version.length == 0 and not pair.wanted and pair.statuses == (200, 416)


def overlapping_ranges_may_be_coalesced(pair: Pair) -> bool:
    """Ranges that overlap may become one part (section 15.3.7.2): nginx sends each by itself."""
    ordered = sorted(pair.wanted)
    overlap = any(after[0] < before[1] for before, after in itertools.pairwise(ordered))
    return pair.statuses == (206, 206) and overlap


CHOICES: tuple[Callable[[Pair], bool], ...] = (
    range_of_nothing_may_be_ignored,
    overlapping_ranges_may_be_coalesced,
)
"""Each tells whether it explains that status, Content-Range, Content-Length, Content-Type and body differ.

The answers are then only held against the file, and each against the request.
"""


def error_explains_itself(pair: Pair) -> bool:
    """An error's content, and so its type and length, are the words of whoever refuses (sections 15.5 and 15.5.17)."""
    return pair.direct.status == pair.proxied.status and pair.direct.status in (412, 416)
