"""Batches on their way through the stage, and the order in which partitions are worked on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from faust.types import TP, ConsumerMessage

from runtime.consumer.positions import Position
from runtime.stage import Batch


@dataclass(slots=True)
class Fetched:
    """A fetched batch on its way to the agent; stale once the position's epoch differs.

    ``offset`` and ``end`` are those of ``runtime.stage.Batch``.
    """

    records: list[Any]
    offset: int
    end: int
    epoch: int


Delivered = tuple[ConsumerMessage, Fetched]


def agent_message(tp: TP, fetched: Fetched, generation: int) -> ConsumerMessage:
    """Wrap a fetched batch as the one message that Faust takes to the agent."""
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        fetched.end - 1,
        fetched.records[-1].timestamp / 1e3 if fetched.records else 0.0,
        None,  # the timestamp type, which Faust does not read
        (),
        b"",
        fetched,
        None,
        0,
        0,
        tp,
        generation_id=generation,  # without it the stream drops the message silently
    )


@dataclass(frozen=True, slots=True)
class InFlightBatch:
    """A batch given to the stage, with the position that it advances, in that epoch.

    ``began``: when it was taken, in monotonic seconds.
    """

    tp: TP
    position: Position
    epoch: int
    batch: Batch
    began: float


def rounds(delivered: Iterable[Delivered]) -> list[list[Delivered]]:
    """Group batches so that no group holds two of one partition; each partition's in order."""
    groups: list[dict[TP, Delivered]] = []
    for item in delivered:
        tp = item[0].tp
        free = next((group for group in groups if tp not in group), None)
        if free is None:
            groups.append({tp: item})
        else:
            free[tp] = item
    return [list(group.values()) for group in groups]


class InFlight:
    """The partitions with a batch at the stage: ``tps``."""

    def __init__(self) -> None:
        self.tps: set[TP] = set()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def holding(self, batches: Iterable[InFlightBatch]) -> AsyncIterator[None]:
        """Count the partitions of these batches as in flight during the block."""
        tps = {in_flight.tp for in_flight in batches}
        self.tps |= tps
        try:
            yield
        finally:
            self.tps -= tps
            async with self._changed:
                self._changed.notify_all()

    async def emptied(self) -> None:
        """Wait until no batch is in flight."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.tps)


class PartitionQueues:
    """Runs work on partitions concurrently, and on the batches of one partition in order.

    At most ``width`` tasks are open. After a failure no further work starts: acknowledging later
    batches would skip the failed one. ``ended`` is called with each finished task.
    """

    def __init__(self, width: int, ended: Callable[["asyncio.Future[None]"], object]) -> None:
        self._width, self._ended = width, ended
        self._last: dict[TP, asyncio.Future[None]] = {}
        self._open: set[asyncio.Future[None]] = set()
        self._has_failed = False

    async def begin(self, tp: TP, work: Callable[[], Awaitable[None]]) -> None:
        """Queue work on a partition; return once more work may be queued."""
        task = asyncio.ensure_future(self._after(self._last.get(tp), work))
        self._last[tp] = task
        self._open.add(task)
        task.add_done_callback(lambda _: self._done(tp, task))
        while len(self._open) >= self._width:
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)

    async def emptied(self) -> None:
        """Wait until all queued work is done."""
        while self._open:
            await asyncio.wait(self._open)

    async def _after(
        self, previous: "asyncio.Future[None] | None", work: Callable[[], Awaitable[None]]
    ) -> None:
        if previous is not None:
            await asyncio.wait([previous])  # unlike awaiting it, this raises none of its errors
        if not self._has_failed:
            await work()

    def _done(self, tp: TP, task: "asyncio.Future[None]") -> None:
        self._open.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._has_failed = True
        if self._last.get(tp) is task:
            del self._last[tp]
        self._ended(task)


def append_contiguous(fetched: dict[Any, list[Any]], more: Mapping[Any, list[Any]]) -> None:
    """Append to the fetched records; replace them if the offsets are not contiguous.

    Offsets are not contiguous after a seek between the two fetches and at a gap in the log; what
    is replaced will be fetched again.
    """
    for key, records in more.items():
        previous = fetched.get(key, ())
        is_contiguous = previous and previous[-1].offset + 1 == records[0].offset
        fetched[key] = [*previous, *records] if is_contiguous else records
