"""Reads one raw partition and its outcomes into tallies, in flat memory.

One segment of raw offsets at a time: its raw records, and as much of each outcome log as refers
to them. Outcomes follow the order of their raw records except for late ones, so the tally of a
segment with missing outcomes stays open until the logs end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.audit.tally import AuditResult, HeaderIds, Ids, Mask, Offsets, PartitionTally
from processors.dedupe import DIGEST_BYTES
from runtime import logs
from runtime.kafka.log_reader import PartitionStreams
from schemas import envelopes

log = logs.get("hookline.audit")

_FOREIGN_RECORD = envelopes.Reason.FOREIGN_RECORD.encode()
_OFFSETS = 1 << 63
SEGMENT = 1 << 18
"""Raw offsets of one segment; its tally takes 4 MB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read of one partition: raw offsets ``[begin, barrier)``.

    ``committed`` is the processors' committed offset, ``start`` and ``end`` the offsets to read of
    each outcome log. ``is_whole``: the logs are always read to their ends, so that late copies are
    counted too; otherwise only as far as the range needs.
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
        outcomes = sum(self.end[tp] - offset for tp, offset in self.start.items())
        return self.barrier - self.begin + outcomes


@dataclass(frozen=True, slots=True)
class Segment:
    """The result for raw offsets ``[begin, end)`` of one partition."""

    begin: int
    end: int
    result: AuditResult


@dataclass(frozen=True, slots=True)
class _Batch:
    """A fetched batch: raw offsets, with the ids of shops (raw records) or of slots (outcomes)."""

    offsets: Offsets
    ids: Ids
    replays: Mask | None = None  # of raw records only

    def __getitem__(self, mask: Mask) -> "_Batch":
        replays = None if self.replays is None else self.replays[mask]
        return _Batch(self.offsets[mask], self.ids[mask], replays)


async def read(
    client: AIOKafkaConsumer, plan: Plan, progress: Callable[[int], None] = lambda _: None
) -> list[Segment]:
    """The partition's segments, in order; ``progress`` gets the number of records per batch.

    Raises TimeoutError if the broker stops answering.
    """
    return await _PartitionReader(client, plan, progress).run() if plan.begin < plan.barrier else []


class _PartitionReader:
    """Fills open tallies up to ``_frontier``; records above it wait in ``_ahead``."""

    def __init__(
        self, client: AIOKafkaConsumer, plan: Plan, progress: Callable[[int], None]
    ) -> None:
        self._plan, self._progress = plan, progress
        self._ids = HeaderIds()
        start, end = {plan.raw: plan.begin, **plan.start}, {plan.raw: plan.barrier, **plan.end}
        self._streams = PartitionStreams(client, start, end)
        self._ahead: dict[TopicPartition, list[_Batch]] = {tp: [] for tp in start}
        self._frontier = plan.begin
        self._open: list[PartitionTally] = []
        self._closed: list[Segment] = []
        self._late = 0
        self._foreign_outcomes = 0

    async def run(self) -> list[Segment]:
        plan = self._plan
        while self._frontier < plan.barrier:
            begin, self._frontier = self._frontier, self._segment_end(self._frontier)
            self._open.append(PartitionTally(begin, self._frontier, plan.committed, self._ids))
            await self._fill()
            self._close(lambda tally: not tally.has_missing)
        while (plan.is_whole or self._open) and (unread := self._unread()):
            await self._fetch(unread)
            if not plan.is_whole:
                self._close(lambda tally: not tally.has_missing)
        self._close(lambda _: True)
        return self._segments()

    def _segment_end(self, begin: int) -> int:
        """The end of the segment from ``begin``: what may be in flight has a segment of its own."""
        end = min(begin + SEGMENT, self._plan.barrier)
        return self._plan.committed if begin < self._plan.committed < end else end

    def _unread(self) -> list[TopicPartition]:
        return [tp for tp in self._ahead if self._streams.is_open(tp)]

    async def _fill(self) -> None:
        """Read until every log has passed the frontier, or has ended."""
        for tp, batches in self._ahead.items():
            self._ahead[tp] = []
            for batch in batches:
                self._enter(tp, batch)
        while wanted := [tp for tp in self._unread() if not self._ahead[tp]]:
            await self._fetch(wanted)

    async def _fetch(self, wanted: Sequence[TopicPartition]) -> None:
        for tp, records in (await self._streams.fetch(wanted)).items():
            is_raw = tp == self._plan.raw
            self._enter(tp, self._raw_batch(records) if is_raw else self._outcome_batch(records))
            self._progress(len(records))

    def _enter(self, tp: TopicPartition, batch: _Batch) -> None:
        """Enter a batch into the open tallies; keep what lies at or above the frontier."""
        ahead = batch.offsets >= self._frontier
        if ahead.any():
            if not self._ahead[tp] or self._frontier < self._plan.barrier:
                self._ahead[tp].append(batch[ahead & (batch.offsets < self._plan.barrier)])
            batch = batch[~ahead]
        entered = int(np.count_nonzero(batch.offsets < self._plan.begin))
        for tally in self._open:
            if batch.replays is not None:
                tally.add_raw(batch.offsets, batch.ids, batch.replays)
            else:
                entered += tally.add_outcomes(batch.offsets, batch.ids)
        if batch.replays is None:  # the others belong to tallies that were closed complete
            self._late += len(batch.offsets) - entered

    def _raw_batch(self, records: Sequence[Any]) -> _Batch:
        shops, replays = [], []
        for record in records:
            headers = dict(record.headers)
            source, shop = headers.get(envelopes.SOURCE), headers.get(envelopes.SHOP)
            shops.append(self._ids.shop(source or b"", shop or b""))
            replays.append(envelopes.REPLAY_OF in headers)
        return _Batch(
            np.array([record.offset for record in records], np.int64),
            np.array(shops, np.int64),
            np.array(replays, np.bool_),
        )

    def _outcome_batch(self, records: Sequence[Any]) -> _Batch:
        offsets, slots = [], []
        for record in records:
            headers = dict(record.headers)
            try:
                offset = int(headers[envelopes.RAW_OFFSET])
                is_ours = (
                    len(headers[envelopes.DIGEST]) == DIGEST_BYTES and None not in headers.values()
                )
                if not is_ours or not 0 <= offset < _OFFSETS:
                    raise ValueError("headers that no outcome has")  # noqa: TRY301
                is_foreign = headers.get(envelopes.REASON) == _FOREIGN_RECORD
                slot = self._ids.slot(
                    headers[envelopes.SLOT], headers[envelopes.SLOTS], is_foreign=is_foreign
                )
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                if not self._foreign_outcomes:
                    log.warning(
                        "record is no outcome of this pipeline: what else writes to this topic?",
                        record=f"{record.topic}:{record.partition}:{record.offset}",
                        error=repr(error),
                    )
                self._foreign_outcomes += 1
                continue
            offsets.append(offset)
            slots.append(slot)
        return _Batch(np.array(offsets, np.int64), np.array(slots, np.int64))

    def _close(self, is_due: Callable[[PartitionTally], bool]) -> None:
        still_open = []
        for tally in self._open:
            if is_due(tally):
                self._closed.append(Segment(tally.begin, tally.end, tally.result()))
            else:
                still_open.append(tally)
        self._open = still_open

    def _segments(self) -> list[Segment]:
        first, *others = sorted(self._closed, key=lambda segment: segment.begin)
        counts = replace(
            first.result,
            late_copies=first.result.late_copies + self._late,
            foreign_outcomes=self._foreign_outcomes,
        )
        return [replace(first, result=counts), *others]
