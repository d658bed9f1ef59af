"""What the consumer hands to its stage, and what of it is still there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from faust.types import TP, ConsumerMessage

from runtime.consumer.positions import Cursor
from runtime.stage import Batch


@dataclass(slots=True)
class Fetched:
    """A batch on its way to the agent. ``life`` numbers the cursor's seeks: older is stale."""

    records: list[Any]
    offset: int
    life: int


Delivered = tuple[ConsumerMessage, Fetched]


@dataclass(frozen=True, slots=True)
class Hand:
    """A batch that the stage is given, and the cursor that it moves, in that cursor's life."""

    tp: TP
    cursor: Cursor
    life: int
    batch: Batch


def rounds(delivered: Iterable[Delivered]) -> list[list[Delivered]]:
    """What can be handled at once: a partition's batches come one after the other."""
    found: list[dict[TP, Delivered]] = []
    for each in delivered:
        tp = each[0].tp
        free = next((taken for taken in found if tp not in taken), None)
        if free is None:
            found.append({tp: each})
        else:
            free[tp] = each
    return [list(taken.values()) for taken in found]


class Hands:
    """The partitions whose batch the stage has in hand: ``tps``."""

    def __init__(self) -> None:
        self.tps: set[TP] = set()
        self._given_back = asyncio.Condition()

    @asynccontextmanager
    async def holding(self, hands: Iterable[Hand]) -> AsyncIterator[None]:
        """For as long as the stage has these."""
        tps = {hand.tp for hand in hands}
        self.tps |= tps
        try:
            yield
        finally:
            self.tps -= tps
            async with self._given_back:
                self._given_back.notify_all()

    async def emptied(self) -> None:
        """Return once nothing is in hand."""
        async with self._given_back:
            await self._given_back.wait_for(lambda: not self.tps)


class Lines:
    """Work on partitions side by side, and on the batches of each one after the other.

    Nothing waits for all of it: while the last of some waits for Kafka, the next is built. Once
    work has failed nothing more is begun: what comes after it may not be acknowledged.
    """

    def __init__(self, width: int, ended: Callable[["asyncio.Future[None]"], object]) -> None:
        self._width, self._ended = width, ended
        self._last: dict[TP, asyncio.Future[None]] = {}
        self._open: set[asyncio.Future[None]] = set()
        self._has_failed = False

    async def begin(self, tp: TP, work: Callable[[], Awaitable[None]]) -> None:
        """Work once what was begun for this partition is done; return when more may be begun."""
        task = asyncio.ensure_future(self._after(self._last.get(tp), work))
        self._last[tp] = task
        self._open.add(task)
        task.add_done_callback(lambda _: self._done(tp, task))
        while len(self._open) >= self._width:
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)

    async def emptied(self) -> None:
        """Return once all is done that was begun."""
        while self._open:
            await asyncio.wait(self._open)

    async def _after(
        self, before: "asyncio.Future[None] | None", work: Callable[[], Awaitable[None]]
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        if not self._has_failed:
            await work()

    def _done(self, tp: TP, task: "asyncio.Future[None]") -> None:
        self._open.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._has_failed = True
        if self._last.get(tp) is task:
            del self._last[tp]
        self._ended(task)


def joined(fetched: dict[Any, list[Any]], more: Mapping[Any, list[Any]]) -> None:
    """Put records behind those fetched before; alone where they do not follow upon them.

    Then somebody has sought in between, or a hole is there; what is left out is fetched again.
    """
    for key, records in more.items():
        before = fetched.get(key, ())
        follows = before and before[-1].offset + 1 == records[0].offset
        fetched[key] = [*before, *records] if follows else records
