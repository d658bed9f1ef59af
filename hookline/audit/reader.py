"""Reads one raw partition and its outcomes into books, in flat memory.

A segment of raw offsets at a time: its raw records, and of each outcome log as much as speaks
of them. Outcomes follow the order of their raw records but for late ones, so the books of a
segment that lacks some stay open until the logs end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.audit.books import Chosen, Glossary, Numbers, Offsets, PartitionBooks, Verdicts
from runtime.kafka.log_reader import Streams
from schemas import envelopes

SEGMENT = 1 << 18
"""Raw offsets of one segment; its books take 4 MB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read of one partition: raw offsets ``[begin, barrier)``.

    ``committed`` is where the processors stand, ``start`` and ``end`` the offsets to read of
    each outcome log. ``is_whole``: the logs are read to their ends whatever is found, so that
    late copies are counted too; else only as far as the range needs.
    """

    raw: TopicPartition
    begin: int
    barrier: int
    committed: int
    start: Mapping[TopicPartition, int]
    end: Mapping[TopicPartition, int]
    is_whole: bool = True

    @property
    def size(self) -> int:
        """Records to read, at most."""
        outcomes = sum(self.end[place] - offset for place, offset in self.start.items())
        return self.barrier - self.begin + outcomes


@dataclass(frozen=True, slots=True)
class Segment:
    """The verdicts on the raw offsets ``[begin, end)`` of one partition."""

    begin: int
    end: int
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a fetched batch says: raw offsets, and numbers of shops or of slots."""

    offsets: Offsets
    numbers: Numbers
    replays: Chosen | None = None  # of raw records alone

    def __getitem__(self, chosen: Chosen) -> "_Batch":
        replays = None if self.replays is None else self.replays[chosen]
        return _Batch(self.offsets[chosen], self.numbers[chosen], replays)


async def read(
    client: AIOKafkaConsumer, plan: Plan, progress: Callable[[int], None] = lambda _: None
) -> list[Segment]:
    """The partition's segments, in order; ``progress`` is told of records as they are read.

    Raises TimeoutError where a broker goes silent, ValueError for a record that is no outcome.
    """
    return await _Reading(client, plan, progress).run() if plan.begin < plan.barrier else []


class _Reading:
    def __init__(
        self, client: AIOKafkaConsumer, plan: Plan, progress: Callable[[int], None]
    ) -> None:
        self._plan, self._progress = plan, progress
        self._glossary = Glossary()
        start, end = {plan.raw: plan.begin, **plan.start}, {plan.raw: plan.barrier, **plan.end}
        self._streams = Streams(client, start, end)
        self._ahead: dict[TopicPartition, list[_Batch]] = {place: [] for place in start}
        self._frontier = plan.begin
        self._open: list[PartitionBooks] = []
        self._closed: list[Segment] = []
        self._late = 0

    async def run(self) -> list[Segment]:
        plan = self._plan
        while self._frontier < plan.barrier:
            begin, self._frontier = self._frontier, self._following(self._frontier)
            self._open.append(PartitionBooks(begin, self._frontier, plan.committed, self._glossary))
            await self._fill()
            self._close(lambda books: not books.has_missing)
        while (plan.is_whole or self._open) and (left := self._left()):
            await self._more(left)
            if not plan.is_whole:
                self._close(lambda books: not books.has_missing)
        self._close(lambda _: True)
        return self._told()

    def _following(self, begin: int) -> int:
        """The end of the segment from ``begin``: what may be in flight stands in its own."""
        end = min(begin + SEGMENT, self._plan.barrier)
        return self._plan.committed if begin < self._plan.committed < end else end

    def _left(self) -> list[TopicPartition]:
        return [place for place in self._ahead if self._streams.is_open(place)]

    async def _fill(self) -> None:
        """Read until every log speaks of what is behind the frontier, or has ended."""
        for place, held in self._ahead.items():
            self._ahead[place] = []
            for batch in held:
                self._enter(place, batch)
        while wanted := [place for place in self._left() if not self._ahead[place]]:
            await self._more(wanted)

    async def _more(self, wanted: Sequence[TopicPartition]) -> None:
        for place, records in (await self._streams.fetch(wanted)).items():
            is_raw = place == self._plan.raw
            self._enter(place, self._raws(records) if is_raw else self._outcomes(records))
            self._progress(len(records))

    def _enter(self, place: TopicPartition, batch: _Batch) -> None:
        """Write a batch into the books; what is behind the frontier waits for its own."""
        ahead = batch.offsets >= self._frontier
        if ahead.any():
            if not self._ahead[place] or self._frontier < self._plan.barrier:
                self._ahead[place].append(batch[ahead & (batch.offsets < self._plan.barrier)])
            batch = batch[~ahead]
        entered = int(np.count_nonzero(batch.offsets < self._plan.begin))
        for books in self._open:
            if batch.replays is not None:
                books.raws(batch.offsets, batch.numbers, batch.replays)
            else:
                entered += books.outcomes(batch.offsets, batch.numbers)
        if batch.replays is None:  # the rest speaks of books that were closed complete
            self._late += len(batch.offsets) - entered

    def _raws(self, records: Sequence[Any]) -> _Batch:
        shops, replays = [], []
        for record in records:
            said = dict(record.headers)
            source, shop = said.get(envelopes.SOURCE, b""), said.get(envelopes.SHOP, b"")
            shops.append(self._glossary.shop(source, shop))
            replays.append(envelopes.REPLAY_OF in said)
        return _Batch(
            np.array([record.offset for record in records], np.int64),
            np.array(shops, np.int64),
            np.array(replays, np.bool_),
        )

    def _outcomes(self, records: Sequence[Any]) -> _Batch:
        offsets, slots = [], []
        for record in records:
            said = dict(record.headers)
            try:
                offsets.append(int(said[envelopes.RAW_OFFSET]))
                slots.append(self._glossary.slot(said[envelopes.SLOT], said[envelopes.SLOTS]))
            except (KeyError, ValueError) as error:
                raise ForeignRecordError(
                    f"{record.topic}:{record.partition}:{record.offset} is no outcome of ours"
                    f" ({error!r}): who else writes to this topic?"
                ) from error
        return _Batch(np.array(offsets, np.int64), np.array(slots, np.int64))

    def _close(self, is_due: Callable[[PartitionBooks], bool]) -> None:
        kept = []
        for books in self._open:
            if is_due(books):
                self._closed.append(Segment(books.begin, books.barrier, books.close()))
            else:
                kept.append(books)
        self._open = kept

    def _told(self) -> list[Segment]:
        first, *rest = sorted(self._closed, key=lambda segment: segment.begin)
        late = first.verdicts.late_copies + self._late
        return [replace(first, verdicts=replace(first.verdicts, late_copies=late)), *rest]


class ForeignRecordError(ValueError):
    """A record of an outcome topic is none of ours; the message says where it stands."""
