"""The audit's books: what became of each delivery in a range of one raw partition. Pure.

Twelve bytes a raw offset, and whole fetched batches at a time: headers are turned into small
numbers once (``Glossary``), the rest is numpy.
"""

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from schemas.envelopes import DEAD_SLOT, DUPLICATE_SLOT

Offsets = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.bool_]

_APPENDED, _REPLAY = 1, 2
_CANONICAL, _DUPLICATE, _DEAD = 1, 2, 4
_PLAIN_SLOTS = 30
"""Slots with a bit of their own; those behind them stand in a set (large fulfilments)."""
_VERDICTS = {DUPLICATE_SLOT: (_DUPLICATE, 30), DEAD_SLOT: (_DEAD, 31)}
_PLAIN_BITS = np.uint32((1 << _PLAIN_SLOTS) - 1)


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

    @property
    def is_settled(self) -> bool:
        """True when it balances and nothing is in flight: it will never count otherwise."""
        return self.is_balanced and not self.in_flight


COUNTED = tuple(item.name for item in fields(Count))


@dataclass(slots=True)
class Verdicts:
    """What the books say. ``shops``: ``source/shop`` -> its count.

    ``missing_at`` and ``conflicting_at``: the raw offsets of all of them.
    """

    shops: dict[str, Count] = field(default_factory=dict)
    late_copies: int = 0
    strangers: int = 0  # offsets with outcomes at which no raw record stands
    missing_at: tuple[int, ...] = ()
    conflicting_at: tuple[int, ...] = ()

    @property
    def total(self) -> Count:
        """All shops together."""
        return sum(self.shops.values(), Count())


class Glossary:
    """Numbers for what headers repeat: shops, and slots among all slots of their delivery."""

    def __init__(self) -> None:
        self.shops: list[str] = []
        self._shop_numbers: dict[tuple[bytes, bytes], int] = {}
        self._slot_numbers: dict[tuple[bytes, bytes], int] = {}
        self._bit_numbers: dict[str, int] = {}
        self.verdicts: list[int] = []  # by slot number, as the two below
        self.bits: list[int] = []
        self.slot_counts: list[int] = []

    def shop(self, source: bytes, shop: bytes) -> int:
        """The number of a shop."""
        number = self._shop_numbers.get((source, shop))
        if number is None:
            number = self._shop_numbers[source, shop] = len(self.shops)
            self.shops.append(f"{source.decode(errors='replace')}/{shop.decode(errors='replace')}")
        return number

    def slot(self, slot: bytes, slots: bytes) -> int:
        """The number of a slot among ``slots``, comma-separated.

        Raises ValueError for a slot that its own record does not name among them.
        """
        number = self._slot_numbers.get((slot, slots))
        if number is None:
            name, names = slot.decode(), slots.decode().split(",")
            if name not in names:
                raise ValueError(f"slot {name!r} is not among {names}")
            plain = len(self._bit_numbers)
            verdict, bit = _VERDICTS.get(name, (_CANONICAL, -1))
            if bit < 0:
                bit = self._bit_numbers.setdefault(name, plain + 2 * (plain >= _PLAIN_SLOTS))
            self.verdicts.append(verdict)
            self.bits.append(bit)
            self.slot_counts.append(len(names) if verdict == _CANONICAL else 0)
            number = self._slot_numbers[slot, slots] = len(self.bits) - 1
        return number


class PartitionBooks:
    """Books of the raw offsets ``[begin, barrier)`` of one partition.

    ``committed`` is where the processors stood when the audit began: a delivery without all its
    outcomes is in flight at or above it, and missing below it.
    """

    def __init__(self, begin: int, barrier: int, committed: int, glossary: Glossary) -> None:
        size = max(barrier - begin, 0)
        self.begin, self.barrier = begin, begin + size
        self._committed, self._glossary = committed, glossary
        self._kind = np.zeros(size, np.uint8)
        self._verdict = np.zeros(size, np.uint8)
        self._seen = np.zeros(size, np.uint32)
        self._expected = np.zeros(size, np.uint16)
        self._shop = np.zeros(size, np.uint32)
        self._beyond: set[tuple[int, int]] = set()
        self._late = 0

    def raws(self, offsets: Offsets, shops: Numbers, replays: Chosen) -> None:
        """Raw records of these shops (their numbers) stand at these offsets."""
        at = offsets - self.begin
        inside = (at >= 0) & (at < len(self._kind))
        self._kind[at[inside]] = np.where(replays, _REPLAY, _APPENDED)[inside]
        self._shop[at[inside]] = shops[inside]

    def outcomes(self, raw_offsets: Offsets, slots: Numbers) -> int:
        """Outcomes of these raw records, each in its slot (its number), stand in the log.

        Distinct by (raw offset, slot): a further copy is late and changes nothing. Returns how
        many are of raw offsets in the range; the others are passed over.
        """
        at = raw_offsets - self.begin
        inside = (at >= 0) & (at < len(self._kind))
        at, slots = at[inside], slots[inside]
        if not len(at):
            return 0
        bits = np.asarray(self._glossary.bits, np.int64)[slots]
        verdicts = np.asarray(self._glossary.verdicts, np.uint8)[slots]
        np.bitwise_or.at(self._verdict, at, verdicts)
        np.maximum.at(self._expected, at, np.asarray(self._glossary.slot_counts, np.uint16)[slots])
        is_plain = bits < 32  # noqa: PLR2004 - the bits of ``_seen``
        for index, bit in zip(at[~is_plain].tolist(), bits[~is_plain].tolist(), strict=True):
            self._late += (index, bit) in self._beyond
            self._beyond.add((index, bit))
        at, bits = at[is_plain], bits[is_plain]
        distinct, copies = np.unique((at << 5) | bits, return_counts=True)
        at, mask = distinct >> 5, np.uint32(1) << (distinct & 31).astype(np.uint32)
        known = (self._seen[at] & mask) != 0
        self._late += int((copies - 1).sum() + np.count_nonzero(known))
        np.bitwise_or.at(self._seen, at, mask)
        return int(np.count_nonzero(inside))

    @property
    def has_missing(self) -> bool:
        """Whether a delivery lacks an outcome that it should have by now."""
        return bool(np.any(self._missing()))

    def _whole(self) -> Chosen:
        seen = np.bitwise_count(self._seen & _PLAIN_BITS).astype(np.uint16)
        for index, _ in self._beyond:
            seen[index] += 1
        is_canonical = self._verdict == _CANONICAL
        whole: Chosen = np.where(is_canonical, seen >= self._expected, self._verdict != 0)
        return whole

    def _missing(self) -> Chosen:
        due = np.arange(len(self._kind)) < self._committed - self.begin
        missing: Chosen = (self._kind == _APPENDED) & ~self._whole() & due
        return missing

    def close(self) -> Verdicts:
        """The books' verdicts, per shop."""
        whole, missing, accepted = self._whole(), self._missing(), self._kind == _APPENDED
        conflicting = accepted & (np.bitwise_count(self._verdict) > 1)
        single = whole & accepted
        classes = {
            "accepted": accepted,
            "canonical": single & (self._verdict == _CANONICAL),
            "duplicates": single & (self._verdict == _DUPLICATE),
            "dead_letters": single & (self._verdict == _DEAD),
            "in_flight": accepted & ~whole & ~missing,
            "missing": missing,
            "conflicting": conflicting,
            "replays": self._kind == _REPLAY,
        }
        shops = self._glossary.shops
        per_class = {
            name: np.bincount(self._shop[chosen], minlength=len(shops))
            for name, chosen in classes.items()
        }
        counts = {
            shop: Count(**{name: int(counted[n]) for name, counted in per_class.items()})
            for n, shop in enumerate(shops)
        }
        return Verdicts(
            shops={shop: count for shop, count in counts.items() if count != Count()},
            late_copies=int(self._late),
            strangers=int(np.count_nonzero((self._kind == 0) & (self._verdict != 0))),
            missing_at=tuple((np.flatnonzero(missing) + self.begin).tolist()),
            conflicting_at=tuple((np.flatnonzero(conflicting) + self.begin).tolist()),
        )
