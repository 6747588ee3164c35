"""What one client asks an origin, and what comes of it."""

from __future__ import annotations

from attrs import field, frozen

from proxycache.interfaces import IOriginResponse, OriginRequest, Priority
from proxycache.policy.byterange import RangeSpec
from proxycache.policy.collapsing import is_anonymous
from proxycache.policy.entry import Representation
from proxycache.policy.failing import Failed
from proxycache.policy.fields import Fields
from proxycache.policy.origins import ObjectTarget
from proxycache.policy.storing import is_personal

from .generation import Generation


@frozen
class Obtained:
    """A generation answers.

    @ivar status: what the origin said.
    @ivar personal: the record with the fields that came for this client alone; None where they were recorded.
    @ivar brought: the record with the fields that are for him alone who brought the answer, though the rest of it was
        recorded; None where there are none.
    @ivar collapsed: another client's request brought it.
    """

    generation: Generation
    status: int
    personal: Representation | None = None
    brought: Representation | None = None
    collapsed: bool = False

    @property
    def representation(self) -> Representation:
        """The record that the answer is made from."""
        return self.personal or self.brought or self.generation.representation

    @property
    def stored(self) -> bool:
        """Whether what came was recorded."""
        return self.personal is None and self.generation.stored


@frozen
class Relayed:
    """An answer that is not stored: its body is the caller's to deliver.

    @ivar response: None where it belongs to another client; then the caller asks for itself.
    @ivar status: the origin's.
    @ivar cause: token for Cache-Status.
    @ivar failed: whether the origin failed with a status that was tried again in vain.
    @ivar failure: how it failed, None where it did not.
    @ivar unstorable: whether the answer, as it is, may not be stored, so that the next one is likely to be no better.
    @ivar sent: the fields of the request that it answers.
    """

    response: IOriginResponse | None
    status: int
    cause: str
    failed: bool = False
    unstorable: bool = False
    sent: Fields = field(factory=Fields)
    failure: Failed | None = None


@frozen
class Told:
    """An answer to HEAD: fields alone, of what is not stored.

    @ivar representation: of these fields.
    @ivar status: what the origin said.
    @ivar alone: whether they are for this client alone.
    @ivar collapsed: another client's request brought it.
    """

    representation: Representation
    status: int
    alone: bool = False
    collapsed: bool = False


Answer = Obtained | Relayed | Told


@frozen
class Question:
    """What one client asks the origin.

    @ivar request: the request to send, without a range.
    @ivar asked: the range the client asked for, None for the whole.
    @ivar stale: the generation to revalidate, None where there is none.
    @ivar head: only the fields matter; the body is dropped. The request is a HEAD, or a GET in its place.
    @ivar stands_in: whether what is stale stands in where the origin gives no answer.
    @ivar priority: how urgent it is.
    @ivar recorded: whether it is known what is recorded for the target; if not, the answer is for those who ask
        meanwhile, and is not recorded.
    """

    target: ObjectTarget
    request: OriginRequest
    asked: RangeSpec | None
    stale: Generation | None = None
    head: bool = False
    stands_in: bool = False
    priority: Priority = Priority.CRITICAL
    recorded: bool = True

    @property
    def start(self) -> int | None:
        """The first byte it asks for; None for a suffix."""
        return 0 if self.asked is None else self.asked.first

    @property
    def personal(self) -> bool:
        """Whether the answer is for this client alone, unless it says otherwise."""
        return is_personal(self.request.fields)

    @property
    def anonymous(self) -> bool:
        """Whether nothing in it says whose it is."""
        return is_anonymous(self.request.fields)
