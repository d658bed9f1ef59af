"""Classifies every delivery in a range of one raw partition from its outcomes. Pure.

Keeps twelve bytes per raw offset and works on whole fetched batches: header values become small
integers (``HeaderIds``), and all counting is done by numpy.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.envelopes import DEAD_SLOT, DUPLICATE_SLOT

Offsets = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_APPENDED, _REPLAY = 1, 2
_CANONICAL, _DUPLICATE, _DEAD, _FOREIGN = 1, 2, 4, 8
_BITMAP_SLOTS = 30
"""Slots with a bit of their own; further ones (large fulfilments) are kept in a set."""
_MAX_SLOTS = np.iinfo(np.uint16).max
_VERDICT_BITS = {DUPLICATE_SLOT: (_DUPLICATE, 30), DEAD_SLOT: (_DEAD, 31)}
_FOREIGN_BITS = _FOREIGN, 31
_BITMAP = np.uint32((1 << _BITMAP_SLOTS) - 1)


@dataclass(slots=True)
class Count:
    """Deliveries of one shop, or of all.

    Replays, and records that no ingress appended, are no deliveries and are counted apart.
    """

    accepted: int = 0
    canonical: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    in_flight: int = 0
    missing: int = 0
    conflicting: int = 0  # in two classes at once
    replays: int = 0
    foreign: int = 0

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


@dataclass(slots=True)
class AuditResult:
    """The counts of a range. ``shops``: ``source/shop`` -> its count.

    ``missing_at`` and ``conflicting_at``: the raw offsets of these deliveries. ``strangers``:
    raw offsets that have outcomes but no raw record. ``foreign_outcomes``: records of outcome
    topics that this pipeline did not write.
    """

    shops: dict[str, Count] = field(default_factory=dict)
    late_copies: int = 0
    strangers: int = 0
    foreign_outcomes: int = 0
    missing_at: tuple[int, ...] = ()
    conflicting_at: tuple[int, ...] = ()

    @property
    def total(self) -> Count:
        """All shops together."""
        return sum(self.shops.values(), Count())


class HeaderIds:
    """Small integers for repeated header values: shops, and slots within their slot list.

    ``verdicts``, ``bits`` and ``slot_counts`` are indexed by slot id: the verdict of the slot, its
    bit in the bitmap, and how many slots its delivery has (0 unless canonical).
    """

    def __init__(self) -> None:
        self.shops: list[str] = []
        self._shop_ids: dict[tuple[bytes, bytes], int] = {}
        self._ids_by_name: dict[str, int] = {}
        self._slot_ids: dict[tuple[bytes, bytes, bool], int] = {}
        self._bits_by_name: dict[str, int] = {}
        self.verdicts: list[int] = []
        self.bits: list[int] = []
        self.slot_counts: list[int] = []

    def shop(self, source: bytes, shop: bytes) -> int:
        """The id of a shop: one for each name, in a form that PostgreSQL can store."""
        shop_id = self._shop_ids.get((source, shop))
        if shop_id is None:
            name = f"{source.decode(errors='replace')}/{shop.decode(errors='replace')}"
            name = name.replace("\0", "\ufffd")
            shop_id = self._ids_by_name.setdefault(name, len(self.shops))
            self._shop_ids[source, shop] = shop_id
            if shop_id == len(self.shops):
                self.shops.append(name)
        return shop_id

    def slot(self, slot: bytes, slots: bytes, *, is_foreign: bool = False) -> int:
        """The id of a slot among ``slots``, comma-separated.

        ``is_foreign``: it is the dead letter of a record that is no delivery. Raises ValueError
        for a slot that its own record does not list, or lists among more than can be counted.
        """
        slot_id = self._slot_ids.get((slot, slots, is_foreign))
        if slot_id is None:
            name, names = slot.decode(), slots.decode().split(",")
            if name not in names or len(names) > _MAX_SLOTS:
                raise ValueError(f"slot {name[:100]!r} is not among {len(names)} that it names")
            verdict, bit = _VERDICT_BITS.get(name, (_CANONICAL, -1))
            if is_foreign:
                verdict, bit = _FOREIGN_BITS
            if bit < 0:
                count = len(self._bits_by_name)
                # Bits 30 and 31 belong to the verdicts.
                bit = self._bits_by_name.setdefault(name, count + 2 * (count >= _BITMAP_SLOTS))
            self.verdicts.append(verdict)
            self.bits.append(bit)
            self.slot_counts.append(len(names) if verdict == _CANONICAL else 0)
            slot_id = self._slot_ids[slot, slots, is_foreign] = len(self.bits) - 1
        return slot_id


class PartitionTally:
    """The deliveries at raw offsets ``[begin, end)`` of one partition, and their outcomes.

    ``committed`` is the processors' committed offset when the audit began: a delivery without all
    its outcomes is in flight at or above it, and missing below it.
    """

    def __init__(self, begin: int, end: int, committed: int, ids: HeaderIds) -> None:
        size = max(end - begin, 0)
        self.begin, self.end = begin, begin + size
        self._committed, self._ids = committed, ids
        self._kind = np.zeros(size, np.uint8)
        self._verdict = np.zeros(size, np.uint8)
        self._slot_bits = np.zeros(size, np.uint32)
        self._slot_count = np.zeros(size, np.uint16)
        self._shop = np.zeros(size, np.uint32)
        self._further_slots: set[tuple[int, int]] = set()
        self._late = 0

    def add_raw(self, offsets: Offsets, shops: Ids, replays: Mask) -> None:
        """Enter raw records: their offsets, shop ids, and which are replays."""
        at = offsets - self.begin
        inside = (at >= 0) & (at < len(self._kind))
        self._kind[at[inside]] = np.where(replays, _REPLAY, _APPENDED)[inside]
        self._shop[at[inside]] = shops[inside]

    def add_outcomes(self, raw_offsets: Offsets, slots: Ids) -> int:
        """Enter outcomes: the raw offset and the slot id of each.

        Distinct by (raw offset, slot): a further copy is late and changes no class. Returns how
        many belong to the range; the others are ignored.
        """
        at = raw_offsets - self.begin
        inside = (at >= 0) & (at < len(self._kind))
        at, slots = at[inside], slots[inside]
        if not len(at):
            return 0
        bits = np.asarray(self._ids.bits, np.int64)[slots]
        verdicts = np.asarray(self._ids.verdicts, np.uint8)[slots]
        slot_counts = np.asarray(self._ids.slot_counts, np.uint16)[slots]
        np.bitwise_or.at(self._verdict, at, verdicts)
        np.maximum.at(self._slot_count, at, slot_counts)
        in_bitmap = bits < 32  # noqa: PLR2004 - the bits of ``_slot_bits``
        for index, bit in zip(at[~in_bitmap].tolist(), bits[~in_bitmap].tolist(), strict=True):
            self._late += (index, bit) in self._further_slots
            self._further_slots.add((index, bit))
        at, bits = at[in_bitmap], bits[in_bitmap]
        distinct, copies = np.unique((at << 5) | bits, return_counts=True)
        at, bit_mask = distinct >> 5, np.uint32(1) << (distinct & 31).astype(np.uint32)
        is_copy = (self._slot_bits[at] & bit_mask) != 0
        self._late += int((copies - 1).sum() + np.count_nonzero(is_copy))
        np.bitwise_or.at(self._slot_bits, at, bit_mask)
        return int(np.count_nonzero(inside))

    @property
    def has_missing(self) -> bool:
        """Whether a delivery lacks an outcome that it should have by now."""
        return bool(np.any(self._missing()))

    def _complete(self) -> Mask:
        slots = np.bitwise_count(self._slot_bits & _BITMAP).astype(np.uint16)
        for index, _ in self._further_slots:
            slots[index] += 1
        is_canonical = self._verdict == _CANONICAL
        complete: Mask = np.where(is_canonical, slots >= self._slot_count, self._verdict != 0)
        return complete

    def _missing(self) -> Mask:
        is_committed = np.arange(len(self._kind)) < self._committed - self.begin
        missing: Mask = (self._kind == _APPENDED) & ~self._complete() & is_committed
        return missing

    def result(self) -> AuditResult:
        """The counts per shop, and the offsets of what is wrong."""
        complete, missing = self._complete(), self._missing()
        appended = self._kind == _APPENDED
        foreign = appended & (self._verdict == _FOREIGN)
        accepted = appended & ~foreign
        conflicting = accepted & (np.bitwise_count(self._verdict) > 1)
        single = complete & accepted
        classes = {
            "accepted": accepted,
            "canonical": single & (self._verdict == _CANONICAL),
            "duplicates": single & (self._verdict == _DUPLICATE),
            "dead_letters": single & (self._verdict == _DEAD),
            "in_flight": accepted & ~complete & ~missing,
            "missing": missing,
            "conflicting": conflicting,
            "replays": self._kind == _REPLAY,
            "foreign": foreign,
        }
        shops = self._ids.shops
        per_class = {
            name: np.bincount(self._shop[members], minlength=len(shops))
            for name, members in classes.items()
        }
        counts = {
            shop: Count(**{name: int(by_shop[n]) for name, by_shop in per_class.items()})
            for n, shop in enumerate(shops)
        }
        return AuditResult(
            shops={shop: count for shop, count in counts.items() if count != Count()},
            late_copies=int(self._late),
            strangers=int(np.count_nonzero((self._kind == 0) & (self._verdict != 0))),
            missing_at=tuple((np.flatnonzero(missing) + self.begin).tolist()),
            conflicting_at=tuple((np.flatnonzero(conflicting) + self.begin).tolist()),
        )
