"""What an outcome record says of itself, and what the records of one delivery come to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from processors.dedupe import DIGEST_BYTES
from schemas import envelopes

_VERDICT_SLOTS = (envelopes.DEAD_SLOT, envelopes.DUPLICATE_SLOT)
_MOST = 1 << 63


@dataclass(slots=True)
class Written:
    """What already stands of a delivery's verdict: the first copy in the log wins.

    ``slots``: all that the delivery was decided to have, the primary one first; where copies
    of a stopped process named others, all of both. ``digest`` is the one that the first copy
    claimed.
    """

    slots: tuple[str, ...]
    digest: bytes
    delivery_id: str
    found: set[str] = field(default_factory=set)

    @property
    def missing(self) -> list[str]:
        """Slots that do not stand yet, in their order."""
        return [slot for slot in self.slots if slot not in self.found]

    @property
    def is_complete(self) -> bool:
        """Every slot stands in its topic, or has a dead letter in its place."""
        return self.found.issuperset(self.slots)

    @property
    def plain_slots(self) -> tuple[str, ...]:
        """Its slots as a canonical delivery, without the verdict of a late copy."""
        return tuple(slot for slot in self.slots if slot not in _VERDICT_SLOTS)

    def join(self, outcome: "Noted") -> None:
        """Take in one more record; which came first among topics makes no difference."""
        if self.slots != outcome.slots:
            self.slots = tuple(sorted({*self.slots, *outcome.slots}))
        self.digest = min(self.digest, outcome.digest)
        self.found.add(outcome.slot)


class Noted(msgspec.Struct, frozen=True, gc=False):
    """The index headers of one outcome record.

    ``is_rejected``: a dead letter, of a whole delivery or in the place of one slot.
    """

    raw_offset: int
    raw_time: int
    slot: str
    slots: tuple[str, ...]
    entity: bytes
    digest: bytes
    delivery_id: str
    is_replay: bool = False
    is_rejected: bool = False

    @property
    def name(self) -> str:
        """What tells it from other records of its log, but for its own copies."""
        return f"{self.raw_offset} {self.slot} {self.delivery_id}"

    @property
    def is_canonical(self) -> bool:
        """Only canonical outcomes claim a digest: a dead letter is no earlier saying."""
        return not self.is_rejected and self.slot not in _VERDICT_SLOTS


def noted(headers: Iterable[tuple[str, bytes]]) -> Noted:
    """The index headers of an outcome.

    Raises KeyError, ValueError where a foreign record has none, or others than ours.
    """
    said: Mapping[str, bytes] = dict(headers)
    slot, slots = said[envelopes.SLOT], said[envelopes.SLOTS]
    outcome = Noted(
        int(said[envelopes.RAW_OFFSET]),
        int(said[envelopes.RAW_TIME]),
        slot.decode(),
        (slot.decode(),) if slot == slots else tuple(slots.decode().split(",")),
        said[envelopes.ENTITY],
        said[envelopes.DIGEST],
        said[envelopes.DELIVERY].decode(),
        envelopes.REPLAY_OF in said,
        envelopes.REASON in said,
    )
    if not (
        0 <= outcome.raw_offset < _MOST
        and 0 <= outcome.raw_time < _MOST
        and len(outcome.digest) == DIGEST_BYTES
    ):
        raise ValueError("an offset, a time or a digest that no outcome of ours has")
    return outcome
