"""Changes that wait until they are written, in their order, and what they hide from readers until then.

While the database is away they may become too many. A record that is dropped costs its bytes another fetch; an
invalidation that is dropped would bring back what was made out of date, so none ever is: at the worst more is
invalidated than had to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import frozen

MAX_PENDING = 200_000
"""What the changes that are kept while the database is away may count for."""

UNIT = 1024
"""Bytes of text in a change that make it count for one more."""

REMOVE = "DELETE FROM entry WHERE id = ?"
REMOVE_KEY = "DELETE FROM entry WHERE key = ?"
REMOVE_ALL = "DELETE FROM entry"
FORGET_CHUNK = "DELETE FROM chunk WHERE entry_id = ? AND idx = ?"
"""Its first value is the id of the generation."""


@frozen
class Change:
    """A statement with its values.

    @ivar forgets: it invalidates: it must be carried out, sooner or later.
    """

    sql: str
    values: tuple[object, ...] = ()
    forgets: bool = False

    @property
    def weight(self) -> int:
        """What it counts for."""
        return 1 + sum(len(value) for value in self.values if isinstance(value, str | bytes)) // UNIT

    def __str__(self) -> str:
        """For the log: what it does, and to whom, without header fields."""
        ends = [f"{value!r:.80}" for value in (*self.values[:1], *self.values[1:][-1:])]
        return f"{' '.join(self.sql.split()[:3])} ({', '.join(ends)})"


_HIDING = (REMOVE, REMOVE_KEY, REMOVE_ALL)


class Hidden:
    """What was hidden at any time since this was made by L{Pending.hidden}."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._gone: set[Change] = set()

    def written(self, change: Change) -> None:
        """A change hides nothing any more, for its rows are gone. They may have been read before."""
        self._gone.add(change)

    def __contains__(self, row: tuple[str, bytes]) -> bool:
        """Whether the row of a generation is out of date, by its id and key."""
        id, key = row
        by = (Change(REMOVE, (id,), True), Change(REMOVE_KEY, (key,), True), Change(REMOVE_ALL, (), True))
        return any(change in self._gone or self._pending.waits(change) for change in by)

    def close(self) -> None:
        """It is not asked any more."""
        self._pending.closed(self)


class Pending:
    """@param most: what the changes that are kept may count for; a change without much text counts for one."""

    def __init__(self, most: int = MAX_PENDING) -> None:
        self._most = most
        self._changes: list[Change] = []
        self._weight = 0
        self._taken: list[Change] = []
        self._hiding: Counter[Change] = Counter()
        self._views: set[Hidden] = set()

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: Change) -> int:
        """One more, after all others.

        @return: how many records were dropped for it.
        """
        self._changes.append(change)
        self._weight += change.weight
        if change.sql in _HIDING:
            self._hiding[change] += 1
        return self._make_room() if self._weight > self._most else 0

    def take(self) -> Sequence[Change]:
        """All of them, to be written. What they hide stays hidden until L{written}."""
        assert not self._taken, "one batch at a time"
        self._taken, self._changes, self._weight = self._changes, [], 0
        return self._taken

    def written(self, but: Sequence[Change] = ()) -> None:
        """What was taken is written, except for some, which will be tried again before all others."""
        kept = Counter(but)
        for change in self._taken:
            if kept[change]:
                kept[change] -= 1
            elif change.sql in _HIDING:
                self._hiding[change] -= 1
                if not self._hiding[change]:
                    del self._hiding[change]
                for view in self._views:
                    view.written(change)
        self._taken = []
        self._changes[:0] = but
        self._weight += sum(change.weight for change in but)

    def waits(self, change: Change) -> bool:
        """Whether a change that hides waits to be written."""
        return change in self._hiding

    def hidden(self) -> Hidden:
        """A look at what is hidden from now on, for a query that is about to be made; to be closed."""
        view = Hidden(self)
        self._views.add(view)
        return view

    def closed(self, view: Hidden) -> None:
        """See L{Hidden.close}."""
        self._views.discard(view)

    def _make_room(self) -> int:
        """Drop the oldest records; where there are none, invalidate whole generations, and at last everything."""
        before, enough = len(self._changes), self._most * 9 // 10
        excess, kept = self._weight - enough, []
        for change in self._changes:
            if excess > 0 and not change.forgets:
                excess -= change.weight
            else:
                kept.append(change)
        dropped = before - len(kept)
        if excess > 0:
            kept = list(dict.fromkeys(_of_generation(change) for change in kept))
            if len(kept) > enough:
                kept = [Change(REMOVE_ALL, (), True)]
            self._hiding = Counter(change for change in (*self._taken, *kept) if change.sql in _HIDING)
        self._changes, self._weight = kept, sum(change.weight for change in kept)
        return dropped


def _of_generation(change: Change) -> Change:
    """An invalidation of all that is recorded of a generation, in place of one of a chunk."""
    return Change(REMOVE, change.values[:1], True) if change.sql == FORGET_CHUNK else change
