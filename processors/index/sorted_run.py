"""A sorted run of what was said: packed columns that never change, 38 bytes a row.

Rows are found by digest and by key. Digests and keys are hashes, so their bits are evenly
spread: a filter of eight bits a row tells most of what a run does not hold without a search.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from processors.dedupe import Said

FILTER_BITS = 8
"""Of a filter, for each row: a twentieth of what is not there is searched for in vain."""
ROW_BYTES = 38
"""16 digest, 8 key, 4 row of the key, 4 raw offset, 4 append time, 2 filters."""

FEW = 8
"""Rows of a span that are looked at one by one."""

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Column = npt.NDArray[Any]
HALF, LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
EIGHTH, SEVEN = np.uint64(3), np.uint64(7)


@dataclass(slots=True, eq=False)
class Rows:
    """What was said, in columns of equal length and in no order.

    ``high`` and ``low`` are the halves of the digest, ``key`` is what else it is found by,
    ``time`` is the raw append time in milliseconds.
    """

    high: U64
    low: U64
    key: U64
    offset: I64
    time: I64

    @classmethod
    def of(cls, said: Sequence[tuple[int, int, bytes, int]]) -> Self:
        """Rows of (key, raw offset, digest of 16 bytes, append time)."""
        keys, offsets, digests, times = zip(*said, strict=True)
        halves = np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2).astype("u8")
        return cls(
            halves[:, 0], halves[:, 1], np.array(keys, "u8"),
            np.array(offsets, "i8"), np.array(times, "i8"),
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of them."""
        return cls(*map(np.concatenate, zip(*(each.columns for each in parts), strict=True)))

    def take(self, wanted: Column) -> None:
        """Keep these rows, positions or a mask, in their order: one column after the other."""
        self.high = self.high[wanted]
        self.low = self.low[wanted]
        self.key = self.key[wanted]
        self.offset = self.offset[wanted]
        self.time = self.time[wanted]

    @property
    def columns(self) -> tuple[Column, ...]:
        """In the order of the fields."""
        return self.high, self.low, self.key, self.offset, self.time

    def __len__(self) -> int:
        return len(self.high)


Places = npt.NDArray[np.intp]


def _order(first: U64, offset: I64, then: Callable[[Places], Sequence[Column]]) -> Places:
    """What sorts by these columns; quickly where a few sorted stretches are given.

    ``then`` gives what else decides, for the places where the first two do not.
    """
    order = np.argsort(first, kind="stable")
    ordered = first[order]
    tied = ordered[1:] == ordered[:-1]
    before, after = order[:-1][tied], order[1:][tied]
    if np.any(offset[before] >= offset[after]):
        among = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        rows = order[among]
        columns = (*reversed(then(rows)), offset[rows], first[rows])
        order[among] = rows[np.lexsort(columns)]
    return order


def _copies(rows: Rows) -> Places:
    """Of sorted rows those that are the same as the one before."""
    here = np.flatnonzero(rows.high[1:] == rows.high[:-1]) + 1
    is_copy = np.ones(len(here), dtype=bool)
    for column in rows.columns if len(here) else ():
        is_copy &= column[here] == column[here - 1]
    return here[is_copy]


def _narrow(values: I64) -> tuple[int, Column]:
    """As differences to a base, of 32 bits where they fit."""
    base = int(values.min())
    if int(values.max()) - base < 1 << 32:
        return base, (values - base).astype("u4")
    return 0, values


class Filter:
    """Tells of most hashes that they are not in a column: by a bit for each half of a hash."""

    def __init__(self, column: U64) -> None:
        self._size = np.uint64(FILTER_BITS * len(column))
        bits = np.zeros(int(self._size), dtype=bool)
        for halves in (column >> HALF, column & LOWER):
            bits[(halves * self._size) >> HALF] = True
        self.bits = np.packbits(bits, bitorder="little")

    def may_hold(self, wanted: "Wanted") -> npt.NDArray[np.intp]:
        """Positions of those that may be there."""
        maybe = np.flatnonzero(self._is_set(wanted.upper))
        return maybe[self._is_set(wanted.lower[maybe])] if len(maybe) else maybe

    def _is_set(self, halves: U64) -> npt.NDArray[np.bool_]:
        place = (halves * self._size) >> HALF
        found = self.bits[place >> EIGHTH] >> (place & SEVEN).astype("u1")
        is_set: npt.NDArray[np.bool_] = (found & np.uint8(1)).astype(bool)
        return is_set


class Wanted:
    """Hashes to be looked for in many runs, in order: that is quick. ``at``: where each stood."""

    def __init__(self, hashes: U64) -> None:
        order = np.argsort(hashes)
        self.at: list[int] = order.tolist()
        self.hashes = hashes[order]
        self.upper = self.hashes >> HALF
        self.lower = self.hashes & LOWER


Spans = Iterator[tuple[int, int, int]]
"""Position in what was asked for, and the first and the last place (excluded) of its equals."""


def _spans(column: U64, column_filter: Filter, wanted: Wanted) -> Spans:
    maybe = column_filter.may_hold(wanted)
    if not len(maybe):
        return
    asked = wanted.hashes[maybe]
    left = np.searchsorted(column, asked)
    there = np.flatnonzero(column[np.minimum(left, len(column) - 1)] == asked)
    right = np.searchsorted(column, asked[there], "right")
    for position, first, end in zip(
        maybe[there].tolist(), left[there].tolist(), right.tolist(), strict=True
    ):
        yield wanted.at[position], first, end


def _others(rows: Rows, named: Column) -> Callable[[Places], Sequence[Column]]:
    """What decides between rows of one key and offset, by their places in ``named``."""
    return lambda at: [column[named[at]] for column in (rows.high, rows.low, rows.time)]


class Run:
    """Rows, each once, sorted by (digest's upper half, offset); and by (key, offset)."""

    __slots__ = (
        "_digests",
        "_first_ms",
        "_first_offset",
        "_high",
        "_key",
        "_keys",
        "_low",
        "_offset",
        "_row",
        "_time",
    )

    def __init__(self, rows: Rows, by_key: Column | None = None) -> None:
        """Of rows in any order, which are used up: a large run is made of little more memory.

        ``by_key`` names them in a better order for sorting by key.
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
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            by_key = place[by_key]
        by_key = by_key[_order(rows.key[by_key], rows.offset[by_key], _others(rows, by_key))]
        self._high, self._low = rows.high, rows.low
        self._key, self._row = rows.key[by_key], by_key.astype("u4")
        self._first_offset, self._offset = _narrow(rows.offset)
        self._first_ms, self._time = _narrow(rows.time)
        self._digests, self._keys = Filter(self._high), Filter(self._key)

    @classmethod
    def merged(cls, runs: Sequence[Self]) -> Self:
        """All of them in one, the oldest first."""
        starts = np.cumsum([0, *map(len, runs)])
        by_key = [run._row + start for run, start in zip(runs, starts[:-1], strict=True)]  # noqa: SLF001
        return cls(Rows.joined([run.rows() for run in runs]), np.concatenate(by_key))

    def __len__(self) -> int:
        return len(self._high)

    @property
    def nbytes(self) -> int:
        """Bytes of all columns and filters."""
        columns = (
            self._high, self._low, self._key, self._row, self._offset, self._time,
            self._digests.bits, self._keys.bits,
        )  # fmt: skip
        return sum(column.nbytes for column in columns)

    def rows(self) -> Rows:
        """What stands in it."""
        key = np.empty_like(self._key)
        key[self._row] = self._key
        offset = self._offset.astype("i8") + self._first_offset
        return Rows(self._high, self._low, key, offset, self._time.astype("i8") + self._first_ms)

    def since(self, time_ms: int) -> "Run | None":
        """Without what is older, once that is half of it or more; None where nothing is left."""
        if self._first_ms >= time_ms:
            return self
        is_young = self._time.astype("i8") + self._first_ms >= time_ms
        young = int(np.count_nonzero(is_young))
        if 2 * young > len(self):
            return self
        rows = self.rows()
        rows.take(is_young)
        return Run(rows) if young else None

    def spans_of_digests(self, wanted: Wanted) -> Spans:
        """Where these upper halves of digests stand."""
        return _spans(self._high, self._digests, wanted)

    def spans_of_keys(self, wanted: Wanted) -> Spans:
        """Where these keys stand."""
        return _spans(self._key, self._keys, wanted)

    def same(self, left: int, right: int, low: int, below: int) -> Said | None:
        """Of a span of digests, that with this lower half and the greatest offset below."""
        offset, limit = self._offset.item, below - self._first_offset
        if right - left > FEW:
            right = bisect_left(range(right), limit, left, key=offset)
        for row in range(right - 1, left - 1, -1):
            if offset(row) < limit and self._low.item(row) == low:
                return self._said(row)
        return None

    def latest(self, left: int, right: int, below: int) -> Said | None:
        """Of a span of keys, the (offset, digest) that is the greatest with an offset below."""
        row, offset, limit = self._row.item, self._offset.item, below - self._first_offset
        if right - left > FEW:
            right = bisect_left(range(right), limit, left, key=lambda place: offset(row(place)))
        for place in range(right - 1, left - 1, -1):
            if offset(row(place)) < limit:
                return self._said(row(place))
        return None

    def _said(self, row: int) -> Said:
        digest = self._high.item(row) << 64 | self._low.item(row)
        return Said(
            self._first_offset + self._offset.item(row),
            self._first_ms + self._time.item(row),
            digest.to_bytes(16, "big"),
        )
