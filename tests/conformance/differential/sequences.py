"""Sequences of requests for one object, of which new versions appear in between. All of it follows from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate

from tests.conformance.differential.locations import CONTENT_TYPES, LOCATIONS, Location
from tests.conformance.differential.versions import Version
from tests.conformance.differential.wire import RangeSpec, Request, range_field

SEED = 9110
NUMBER = 400
CHUNK = 1 << 16
"""The product's smallest chunk size, which the test configures."""
LENGTHS = (0, 1, 10, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17, 5 * CHUNK - 1)
FIRST_MODIFIED = 1_600_000_000
HOUR = 3_600
DAY = 24 * HOUR

NOT_RANGES = (
    *("bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes=0-1,5-3", "bytes=--5", "bytes=1-2-3"),
    *("bytes=0x1-5", "bytes=+1-2", "bytes=0 -1", "bytes=0-1;2-3", "bytes=1.5-2", "bytes:0-1", "bytes 0-1", "0-1"),
    *("bytes =0-1", "octets=0-1", "seconds=1-2", "none", "bytes=1-,x"),
)
"""Fields to be ignored: another unit, or not the grammar of section 14.1.1."""
NOT_DATES = ("yesterday", "2020-09-13", "0", "Sun, 40 Sep 2020 12:26:40 GMT")
OTHER_TAG = '"other"'
EGREGIOUS = 65
"""More ranges than anybody needs."""


@dataclass(frozen=True)
class Step:
    """A request, and the version that the origin has when it is asked."""

    version: Version
    request: Request


@dataclass(frozen=True)
class Sequence:
    """What is asked of one object, one after the other."""

    number: int
    location: Location
    suffix: str
    steps: tuple[Step, ...]

    @property
    def path(self) -> str:
        """Where the object is; no other sequence asks for it."""
        return f"{self.location.name}/{self.number}.{self.suffix}"

    @property
    def content_type(self) -> str:
        """The object's media type."""
        return CONTENT_TYPES[self.suffix]


def sequence(number: int) -> Sequence:
    """The sequence of that number, whichever are made before it."""
    return _Draw(random.Random(f"{SEED} {number}"), number).sequence()


class _Draw:
    """Draws one sequence."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self._chance = chance
        self._number = number
        self._location = LOCATIONS[number % len(LOCATIONS)]
        self._versions: list[Version] = []
        self._unseen = False

    def sequence(self) -> Sequence:
        """All of it; at last what is stored by then is asked for as a whole."""
        steps = [self._step() for _ in range(self._chance.randint(3, 8))]
        steps += [self._asking(Request("GET")) for _ in range(2)]
        return Sequence(self._number, self._location, self._chance.choice(list(CONTENT_TYPES)), tuple(steps))

    @property
    def _version(self) -> Version:
        return self._versions[-1]

    def _step(self) -> Step:
        if not self._versions or self._maybe(0.15):
            self._unseen = bool(self._versions) and self._location.unasked
            self._versions.append(self._new_version())
        request = Request("HEAD" if self._maybe(0.2) else "GET")
        drawing: list[tuple[float, Callable[[], tuple[str, str]]]] = [
            (0.65, self._range),
            (0.3, self._if_range),
            (0.15, self._if_match),
            (0.25, self._if_none_match),
            (0.15, self._if_modified_since),
            (0.15, self._if_unmodified_since),
            (0.1, self._cache_control),
        ]
        if self._maybe(0.1):
            drawing += [(1.0, field) for field in self._chance.choice(self._precedences())]
        for probability, field in drawing:
            if self._maybe(probability):
                request = request.with_field(*field())
        return self._asking(request)

    def _asking(self, request: Request) -> Step:
        """A step that finds the current version, though an old one be fresh.

        A 200 to a validation request may replace what is stored, but need not (RFC 9111, section 4.3.3), nor need a
        part or an error: only after a request for the whole is the old version certain to be gone. To ask for
        max-age=0 would not do, since a response may have an Age of 0.
        """
        if self._unseen:
            request = request.with_field("Cache-Control", "no-cache")
            self._unseen = request.field("Range") is not None
        return Step(self._version, request)

    def _maybe(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _new_version(self) -> Version:
        """One of another time, and mostly of another length."""
        modified = FIRST_MODIFIED + self._number * HOUR + len(self._versions) * 3 * DAY
        return Version(self._chance.choice(LENGTHS), modified)

    # Ranges

    def _range(self) -> tuple[str, str]:
        draw = self._chance.choices((self._one, self._several, self._unusual, self._not_a_range), (6, 3, 1, 1))[0]
        return "Range", draw()

    def _one(self) -> str:
        return range_field((self._spec(),))

    def _several(self) -> str:
        if self._maybe(0.3):
            return range_field(self._neighbours())
        count = EGREGIOUS if self._maybe(0.05) else self._chance.randint(2, 5)
        return range_field(tuple(self._spec() for _ in range(count)))

    def _neighbours(self) -> tuple[RangeSpec, ...]:
        """Some that overlap, touch, nearly touch, or do not, in any order."""
        specs, at = [], self._chance.randint(0, self._version.length // 2)
        for _ in range(self._chance.randint(2, 4)):
            last = at + self._chance.choice((0, 9, 99, CHUNK))
            specs.append(RangeSpec(at, last))
            at = max(0, last + self._chance.choice((-5, 1, 40, 80, 81, 82, 500, 3000)))
        self._chance.shuffle(specs)
        return tuple(specs)

    def _unusual(self) -> str:
        """Valid, though seldom seen: empty members, white space, another case, leading zeros, enormous numbers."""
        one, other = self._spec(), self._spec()
        forms = (f"bytes={one}, {other}", f"bytes={one} ,\t{other}", f"bytes=,{one},,{other},", f"BYTES={one}")
        numbers = ("bytes=000-0005", f"bytes=0-{10**25}", f"bytes=-{10**25}", f"bytes={10**25}-")
        return self._chance.choice((*forms, *numbers))

    def _not_a_range(self) -> str:
        return self._chance.choice(NOT_RANGES)

    def _spec(self) -> RangeSpec:
        kind = self._chance.choices(("first-last", "first-", "-suffix", "unsatisfiable"), (6, 2, 2, 1))[0]
        first = self._position()
        match kind:
            case "first-last":
                return RangeSpec(first, max(first, self._position()))
            case "first-":
                return RangeSpec(first, None)
            case "-suffix":
                return RangeSpec(None, self._position())
            case _:
                return RangeSpec(self._version.length, self._chance.choice((None, self._version.length + 9)))

    def _position(self) -> int:
        """Near a boundary of chunks or the end, which may be beyond the end, or anywhere."""
        length = self._version.length
        boundaries = (0, 1, CHUNK, 2 * CHUNK, length, length + CHUNK)
        near = self._chance.choice(boundaries) + self._chance.randint(-2, 2)
        return max(0, near if self._maybe(0.7) else self._chance.randint(0, length))

    # Preconditions

    def _precedences(self) -> tuple[tuple[Callable[[], tuple[str, str]], ...], ...]:
        """Fields of which one decides what becomes of the other (section 13.2.2)."""
        return (
            (self._if_match, self._if_unmodified_since),
            (self._if_none_match, self._if_modified_since),
            (self._if_match, self._if_none_match),
            (self._range, self._if_range),
        )

    def _if_range(self) -> tuple[str, str]:
        return "If-Range", self._chance.choice((self._tag, self._tag, self._date, self._old_date, self._not_a_date))()

    def _if_match(self) -> tuple[str, str]:
        return "If-Match", self._tags(current=0.7)

    def _if_none_match(self) -> tuple[str, str]:
        return "If-None-Match", self._tags(current=0.3)

    def _if_modified_since(self) -> tuple[str, str]:
        return "If-Modified-Since", self._any_date()

    def _if_unmodified_since(self) -> tuple[str, str]:
        return "If-Unmodified-Since", self._any_date()

    def _cache_control(self) -> tuple[str, str]:
        return "Cache-Control", self._chance.choice(("no-cache", "max-age=0"))

    def _tag(self) -> str:
        """That of this version, or of one before, strong or weak, or another."""
        tag = self._version.etag if self._maybe(0.6) else self._chance.choice(self._versions).etag
        return self._chance.choices((tag, "W/" + tag, OTHER_TAG), (6, 2, 1))[0]

    def _tags(self, current: float) -> str:
        if self._maybe(0.1):
            return "*"
        tags = [self._chance.choice((OTHER_TAG, 'W/"another"', '""')) for _ in range(self._chance.randint(0, 2))]
        if self._maybe(current) or not tags:
            tags.insert(self._chance.randint(0, len(tags)), self._tag())
        return self._chance.choice((", ", ",")).join(tags)

    def _any_date(self) -> str:
        return self._chance.choice((self._date, self._date, self._old_date, self._not_a_date))()

    def _date(self) -> str:
        """That of this version, or of one before, or a second or a day from there."""
        version = self._version if self._maybe(0.7) else self._chance.choice(self._versions)
        return formatdate(version.modified + self._chance.choice((0, 0, 0, -1, 1, DAY)), usegmt=True)

    def _old_date(self) -> str:
        """In a form that is obsolete but to be understood (section 5.6.7)."""
        date = datetime.fromtimestamp(self._version.modified, UTC)
        return self._chance.choice((date.strftime("%A, %d-%b-%y %H:%M:%S GMT"), date.strftime("%a %b %e %H:%M:%S %Y")))

    def _not_a_date(self) -> str:
        return self._chance.choice(NOT_DATES)
