"""The index headers of outcome records, and what the records of one delivery add up to."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from processors.dedupe import DIGEST_BYTES
from schemas import envelopes

_VERDICT_SLOTS = (envelopes.DEAD_SLOT, envelopes.DUPLICATE_SLOT)
_LIMIT = 1 << 63


@dataclass(slots=True)
class LoggedOutcomes:
    """The outcomes of one delivery that are already in the logs: the first copy wins.

    ``slots``: all that the delivery was decided to have, the primary one first; the union where
    copies of a stopped process named others. ``digest`` is the one that the first copy claimed.
    ``present``: the slots that a log holds an outcome of.
    """

    slots: tuple[str, ...]
    digest: bytes
    delivery_id: str
    present: set[str] = field(default_factory=set)

    @property
    def missing(self) -> list[str]:
        """Slots without an outcome, in their order."""
        return [slot for slot in self.slots if slot not in self.present]

    @property
    def is_complete(self) -> bool:
        """Whether each slot has its event, or a dead letter instead."""
        return self.present.issuperset(self.slots)

    @property
    def canonical_slots(self) -> tuple[str, ...]:
        """The slots of a canonical delivery, without the verdict of a late copy."""
        return tuple(slot for slot in self.slots if slot not in _VERDICT_SLOTS)

    def add(self, outcome: "OutcomeHeaders") -> None:
        """Add one record. The order in which topics are read makes no difference."""
        if self.slots != outcome.slots:
            self.slots = tuple(sorted({*self.slots, *outcome.slots}))
        self.digest = min(self.digest, outcome.digest)
        self.present.add(outcome.slot)


class OutcomeHeaders(msgspec.Struct, frozen=True, gc=False):
    """The index headers of one outcome record.

    ``is_rejected``: a dead letter, of a whole delivery or of one slot.
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
    def record_id(self) -> str:
        """Identifies the record in its log; only copies of it share the id."""
        return f"{self.raw_offset} {self.slot} {self.delivery_id}"

    @property
    def is_canonical(self) -> bool:
        """Whether the outcome claims its digest: a dead letter must not make a retry a repeat."""
        return not self.is_rejected and self.slot not in _VERDICT_SLOTS


def parse_outcome_headers(headers: Iterable[tuple[str, bytes]]) -> OutcomeHeaders:
    """Read the index headers of an outcome.

    Raises KeyError, ValueError on a foreign record, whose headers are missing or out of range.
    """
    values: Mapping[str, bytes] = dict(headers)
    if None in values.values():
        raise ValueError("a header without a value, which no outcome of ours has")
    slot, slots = values[envelopes.SLOT], values[envelopes.SLOTS]
    outcome = OutcomeHeaders(
        int(values[envelopes.RAW_OFFSET]),
        int(values[envelopes.RAW_TIME]),
        slot.decode(),
        (slot.decode(),) if slot == slots else tuple(slots.decode().split(",")),
        values[envelopes.ENTITY],
        values[envelopes.DIGEST],
        values[envelopes.DELIVERY].decode(),
        envelopes.REPLAY_OF in values,
        envelopes.REASON in values,
    )
    if not (
        0 <= outcome.raw_offset < _LIMIT
        and 0 <= outcome.raw_time < _LIMIT
        and len(outcome.digest) == DIGEST_BYTES
    ):
        raise ValueError("an offset, a time or a digest that no outcome of ours has")
    return outcome


def entity_key(entity: bytes) -> int:
    """Hash an entity's name to the 64 bits by which the index finds its entries."""
    return int.from_bytes(hashlib.blake2b(entity, digest_size=8).digest(), "big")


def delivery_keys(delivery_id: str) -> tuple[int, int]:
    """Hash a delivery id to 128 bits, in halves: a replay is found by both."""
    hashed = hashlib.blake2b(delivery_id.encode(), digest_size=16).digest()
    return int.from_bytes(hashed[:8], "big"), int.from_bytes(hashed[8:], "big")
