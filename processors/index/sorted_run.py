"""A sorted run of index entries: packed columns that never change, 38 bytes a row.

Rows are found by digest and by key. Both are hashes, so their bits are evenly spread, and a Bloom
filter can take its two bit positions from the halves of the hash itself.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from processors.dedupe import PriorOutcome

FILTER_BITS = 8
"""Of a Bloom filter, for each row: about a twentieth of absent hashes are searched in vain."""
ROW_BYTES = 38
"""16 digest, 8 key, 4 row of the key, 4 raw offset, 4 append time, 2 filters."""

SCAN_ROWS = 8
"""Longer spans are bisected, shorter ones scanned."""

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Column = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]
HALF, LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
EIGHTH, SEVEN = np.uint64(3), np.uint64(7)


@dataclass(slots=True, eq=False)
class Rows:
    """Index entries in columns of equal length, in no order.

    ``high`` and ``low`` are the halves of the digest, ``key`` is the hash of the entity or the
    delivery, ``offset`` the raw offset, ``time`` the raw append time (ms).
    """

    high: U64
    low: U64
    key: U64
    offset: I64
    time: I64

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, bytes, int]]) -> Self:
        """Make columns of (key, raw offset, digest of 16 bytes, append time)."""
        keys, offsets, digests, times = zip(*rows, strict=True)
        halves = np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2).astype("u8")
        return cls(
            halves[:, 0], halves[:, 1], np.array(keys, "u8"),
            np.array(offsets, "i8"), np.array(times, "i8"),
        )  # fmt: skip

    @classmethod
    def concatenated(cls, parts: Sequence[Self]) -> Self:
        """Concatenate the columns of all parts."""
        return cls(*map(np.concatenate, zip(*(part.columns for part in parts), strict=True)))

    def take(self, wanted: Column) -> None:
        """Keep the rows of these indices, or of this mask.

        One column after the other, so that only one is held twice at a time.
        """
        self.high = self.high[wanted]
        self.low = self.low[wanted]
        self.key = self.key[wanted]
        self.offset = self.offset[wanted]
        self.time = self.time[wanted]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in the order of the fields."""
        return self.high, self.low, self.key, self.offset, self.time

    def __len__(self) -> int:
        return len(self.high)


def _order(first: U64, offset: I64, tie_breakers: Callable[[Indices], Sequence[Column]]) -> Indices:
    """The indices that sort by these columns; fast where a few sorted runs follow each other.

    ``tie_breakers`` gives further columns, for the rows that the first two leave equal. A stable
    sort by the first column alone suffices unless rows of one hash are out of offset order.
    """
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    tied = ordered[1:] == ordered[:-1]
    before, after = order[:-1][tied], order[1:][tied]
    if np.any(offset[before] >= offset[after]):
        among = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        rows = order[among]
        columns = (*reversed(tie_breakers(rows)), offset[rows], first[rows])
        order[among] = rows[np.lexsort(columns)]
    return order


def _copies(rows: Rows) -> Indices:
    """The indices of sorted rows that equal the row before."""
    repeated = np.flatnonzero(rows.high[1:] == rows.high[:-1]) + 1
    is_copy = np.ones(len(repeated), dtype=bool)
    for column in rows.columns if len(repeated) else ():
        is_copy &= column[repeated] == column[repeated - 1]
    return repeated[is_copy]


def _narrow(values: I64) -> tuple[int, Column]:
    """Split into a base and differences to it, of 32 bits where they fit."""
    base = int(values.min())
    if int(values.max()) - base < 1 << 32:
        return base, (values - base).astype("u4")
    return 0, values


class BloomFilter:
    """Rules out most hashes that a column does not hold: one bit for each half of a hash."""

    def __init__(self, column: U64) -> None:
        self._size = np.uint64(FILTER_BITS * len(column))
        bits = np.zeros(int(self._size), dtype=bool)
        for halves in (column >> HALF, column & LOWER):
            bits[(halves * self._size) >> HALF] = True
        self.bits = np.packbits(bits, bitorder="little")

    def may_hold(self, hashes: "SortedHashes") -> Indices:
        """The indices of the hashes that the column may hold."""
        maybe = np.flatnonzero(self._is_set(hashes.upper))
        return maybe[self._is_set(hashes.lower[maybe])] if len(maybe) else maybe

    def _is_set(self, halves: U64) -> npt.NDArray[np.bool_]:
        bit = (halves * self._size) >> HALF
        shifted = self.bits[bit >> EIGHTH] >> (bit & SEVEN).astype("u1")
        is_set: npt.NDArray[np.bool_] = (shifted & np.uint8(1)).astype(bool)
        return is_set


class SortedHashes:
    """Hashes to be searched for in many runs: sorted, which makes ``searchsorted`` fast.

    ``positions``: of each sorted hash, its position in the batch.
    """

    def __init__(self, hashes: U64) -> None:
        order = np.argsort(hashes)
        self.positions: list[int] = order.tolist()
        self.hashes = hashes[order]
        self.upper = self.hashes >> HALF
        self.lower = self.hashes & LOWER


Spans = Iterator[tuple[int, int, int]]
"""Position in the batch, and the first and the end (excluded) of the equal rows of a column."""


def _spans(column: U64, bloom_filter: BloomFilter, hashes: SortedHashes) -> Spans:
    maybe = bloom_filter.may_hold(hashes)
    if not len(maybe):
        return
    wanted = hashes.hashes[maybe]
    first = np.searchsorted(column, wanted)
    present = np.flatnonzero(column[np.minimum(first, len(column) - 1)] == wanted)
    end = np.searchsorted(column, wanted[present], "right")
    for index, first_row, end_row in zip(
        maybe[present].tolist(), first[present].tolist(), end.tolist(), strict=True
    ):
        yield hashes.positions[index], first_row, end_row


def _key_tie_breakers(rows: Rows, by_key: Column) -> Callable[[Indices], Sequence[Column]]:
    """The columns that order rows of one key and offset, by their indices in ``by_key``."""
    return lambda at: [column[by_key[at]] for column in (rows.high, rows.low, rows.time)]


class SortedRun:
    """Distinct rows, sorted by (upper half of the digest, offset), and by (key, offset)."""

    __slots__ = (
        "_digest_filter",
        "_first_ms",
        "_first_offset",
        "_high",
        "_key",
        "_key_filter",
        "_low",
        "_offset",
        "_row",
        "_time",
    )

    def __init__(self, rows: Rows, by_key: Column | None = None) -> None:
        """Sort rows in place: they must not be used any more, which saves a copy of a large run.

        ``by_key``: their indices in an order that is nearly sorted by key, if one is known.
        """
        order = _order(
            rows.high, rows.offset, lambda at: (rows.low[at], rows.time[at], rows.key[at])
        )
        rows.take(order)
        copies = _copies(rows)
        if len(copies):
            rows.take(np.delete(np.arange(len(rows)), copies))
            by_key = None
        if by_key is None:
            by_key = np.arange(len(rows))
        else:
            inverse = np.empty_like(order)
            inverse[order] = np.arange(len(order))
            by_key = inverse[by_key]
        by_key = by_key[
            _order(rows.key[by_key], rows.offset[by_key], _key_tie_breakers(rows, by_key))
        ]
        self._high, self._low = rows.high, rows.low
        self._key, self._row = rows.key[by_key], by_key.astype("u4")
        self._first_offset, self._offset = _narrow(rows.offset)
        self._first_ms, self._time = _narrow(rows.time)
        self._digest_filter, self._key_filter = BloomFilter(self._high), BloomFilter(self._key)

    @classmethod
    def merged(cls, runs: Sequence[Self]) -> Self:
        """Merge runs into one; the oldest comes first."""
        starts = np.cumsum([0, *map(len, runs)])
        by_key = [run._row + start for run, start in zip(runs, starts[:-1], strict=True)]  # noqa: SLF001
        return cls(Rows.concatenated([run.rows() for run in runs]), np.concatenate(by_key))

    def __len__(self) -> int:
        return len(self._high)

    def rows(self) -> Rows:
        """Unpack its rows."""
        key = np.empty_like(self._key)
        key[self._row] = self._key
        offset = self._offset.astype("i8") + self._first_offset
        return Rows(self._high, self._low, key, offset, self._time.astype("i8") + self._first_ms)

    def since(self, time_ms: int) -> "SortedRun | None":
        """Drop older rows once they are at least half of the run; None if no row is left."""
        if self._first_ms >= time_ms:
            return self
        is_young = self._time.astype("i8") + self._first_ms >= time_ms
        young = int(np.count_nonzero(is_young))
        if 2 * young > len(self):
            return self
        rows = self.rows()
        rows.take(is_young)
        return SortedRun(rows) if young else None

    def spans_of_digests(self, uppers: SortedHashes) -> Spans:
        """The spans of rows with these upper halves of digests."""
        return _spans(self._high, self._digest_filter, uppers)

    def spans_of_keys(self, keys: SortedHashes) -> Spans:
        """The spans, in key order, of rows with these keys."""
        return _spans(self._key, self._key_filter, keys)

    def same_digest(self, first: int, end: int, digest: bytes, below: int) -> PriorOutcome | None:
        """In a span of digests, the row of this digest with the greatest offset below ``below``."""
        low = int.from_bytes(digest[8:], "big")
        offset, limit = self._offset.item, below - self._first_offset
        if end - first > SCAN_ROWS:
            end = bisect_left(range(end), limit, first, key=offset)
        for row in range(end - 1, first - 1, -1):
            if offset(row) < limit and self._low.item(row) == low:
                return self._prior_outcome(row)
        return None

    def latest(self, first: int, end: int, below: int) -> PriorOutcome | None:
        """In a span of keys, the row with the greatest (offset, digest), its offset below."""
        row, offset, limit = self._row.item, self._offset.item, below - self._first_offset
        if end - first > SCAN_ROWS:
            end = bisect_left(range(end), limit, first, key=lambda rank: offset(row(rank)))
        for rank in range(end - 1, first - 1, -1):
            if offset(row(rank)) < limit:
                return self._prior_outcome(row(rank))
        return None

    def of_span(self, first: int, end: int, below: int) -> list[PriorOutcome]:
        """In a span of digests, all rows with an offset below ``below``."""
        offset, limit = self._offset.item, below - self._first_offset
        return [self._prior_outcome(row) for row in range(first, end) if offset(row) < limit]

    def of_body(self, first: int, end: int, half: int, below: int) -> list[PriorOutcome]:
        """In a span of keys, the rows whose digest begins with ``half``, their offset below."""
        row, high = self._row.item, self._high.item
        if end - first > SCAN_ROWS:
            span = self._row[first:end]
            rows = span[self._high[span] == np.uint64(half)].tolist()
        else:
            rows = [at for at in map(row, range(first, end)) if high(at) == half]
        limit = below - self._first_offset
        return [self._prior_outcome(at) for at in rows if self._offset.item(at) < limit]

    def _prior_outcome(self, row: int) -> PriorOutcome:
        digest = self._high.item(row) << 64 | self._low.item(row)
        return PriorOutcome(
            self._first_offset + self._offset.item(row),
            self._first_ms + self._time.item(row),
            digest.to_bytes(16, "big"),
        )
