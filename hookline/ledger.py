"""The audit's books: what became of each delivery of one raw partition.

Pure and flat: seven bytes a raw offset, whatever the log says.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.envelopes import DEAD_SLOT, DUPLICATE_SLOT

_APPENDED, _REPLAY = 1, 2
_CANONICAL, _DUPLICATE, _DEAD = 1, 2, 4
_BIT_OF_VERDICT = {DUPLICATE_SLOT: (_DUPLICATE, 14), DEAD_SLOT: (_DEAD, 15)}
_PLAIN_SLOTS = 14
"""Slots with a bit of their own; those behind them stand in a set (large fulfilments)."""
_PLAIN_BITS = (1 << _PLAIN_SLOTS) - 1
MISSING_NAMED = 20
"""Raw offsets of missing deliveries that are named for each partition."""


@dataclass(slots=True)
class Count:
    """Deliveries of one shop, or of all; replays are no deliveries and stand apart."""

    accepted: int = 0
    canonical: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    in_flight: int = 0
    missing: int = 0
    conflicting: int = 0  # in two classes at once
    replays: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))

    @property
    def is_balanced(self) -> bool:
        """True when each accepted delivery is in exactly one class, or still in flight."""
        classes = self.canonical + self.duplicates + self.dead_letters + self.in_flight
        return self.accepted == classes and not self.missing and not self.conflicting


@dataclass(slots=True)
class Verdicts:
    """What the books of one partition say. ``shops``: ``source/shop`` -> its count."""

    shops: dict[str, Count] = field(default_factory=dict)
    late_copies: int = 0
    strangers: int = 0  # offsets with outcomes at which no raw record stands
    missing_at: tuple[int, ...] = ()


class PartitionBooks:
    """Books of the raw offsets ``[begin, barrier)`` of one partition.

    ``committed`` is where the processors stood when the audit began: a delivery without all its
    outcomes is in flight at or above it, and missing below it.
    """

    def __init__(self, begin: int, barrier: int, committed: int) -> None:
        size = max(barrier - begin, 0)
        self._begin, self._committed = begin, committed
        self._kind = np.zeros(size, np.uint8)
        self._verdict = np.zeros(size, np.uint8)
        self._seen = np.zeros(size, np.uint16)
        self._expected = np.zeros(size, np.uint8)
        self._shop = np.zeros(size, np.uint16)
        self._beyond: set[tuple[int, str]] = set()
        self._numbers: dict[str, int] = {}
        self._late = 0

    def raw(self, offset: int, shop: str, *, is_replay: bool) -> None:
        """A raw record of ``shop`` (``source/shop``) stands at ``offset``."""
        index = offset - self._begin
        if 0 <= index < len(self._kind):
            self._kind[index] = _REPLAY if is_replay else _APPENDED
            self._shop[index] = self._numbers.setdefault(shop, len(self._numbers))

    def outcome(self, raw_offset: int, slot: str, slots: tuple[str, ...]) -> None:
        """An outcome record of the raw record at ``raw_offset`` stands in the log.

        Distinct by (raw offset, slot): a further copy is late and changes nothing. Raises
        ValueError for a slot that its own record does not name among ``slots``.
        """
        index = raw_offset - self._begin
        if not 0 <= index < len(self._kind):
            return
        verdict, position = _BIT_OF_VERDICT.get(slot, (_CANONICAL, -1))
        if position < 0:
            position = slots.index(slot)
            self._expected[index] = min(len(slots), 255)
            if position >= _PLAIN_SLOTS:
                self._late += (index, slot) in self._beyond
                self._beyond.add((index, slot))
                self._verdict[index] |= verdict
                return
        bit = 1 << position
        if int(self._seen[index]) & bit:
            self._late += 1
            return
        self._seen[index] |= bit
        self._verdict[index] |= verdict

    def close(self) -> Verdicts:
        """The books' verdicts, per shop."""
        seen = _bits(self._seen & np.uint16(_PLAIN_BITS))
        for index, _ in self._beyond:
            seen[index] += 1
        whole = np.where(self._verdict == _CANONICAL, seen >= self._expected, self._verdict != 0)
        accepted = self._kind == _APPENDED
        offsets = np.arange(len(self._kind), dtype=np.int64) + self._begin
        unfinished = accepted & ~whole
        flying = unfinished & (offsets >= self._committed)
        missing = unfinished & (offsets < self._committed)
        single = whole & accepted
        classes = {
            "accepted": accepted,
            "canonical": single & (self._verdict == _CANONICAL),
            "duplicates": single & (self._verdict == _DUPLICATE),
            "dead_letters": single & (self._verdict == _DEAD),
            "in_flight": flying,
            "missing": missing,
            "conflicting": accepted & (_bits(self._verdict.astype(np.uint16)) > 1),
            "replays": self._kind == _REPLAY,
        }
        per_class = {
            name: np.bincount(self._shop[chosen], minlength=len(self._numbers))
            for name, chosen in classes.items()
        }
        return Verdicts(
            shops={
                shop: Count(**{name: int(counts[n]) for name, counts in per_class.items()})
                for shop, n in self._numbers.items()
            },
            late_copies=int(self._late),
            strangers=int(np.count_nonzero((self._kind == 0) & (self._verdict != 0))),
            missing_at=tuple(int(o) for o in offsets[missing][:MISSING_NAMED]),
        )


def _bits(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """How many bits are set in each value."""
    as_bytes = values.view(np.uint8).reshape(-1, 2)
    counts: npt.NDArray[np.uint8] = np.unpackbits(as_bytes, axis=1).sum(axis=1, dtype=np.uint8)
    return counts
