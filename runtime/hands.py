"""What the consumer hands to its stage, and what of it is still there."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from faust.types import TP, ConsumerMessage

from runtime.cursors import Cursor
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


def joined(fetched: dict[Any, list[Any]], more: Mapping[Any, list[Any]]) -> None:
    """Put records behind those fetched before; alone where they do not follow upon them.

    Then somebody has sought in between, or a hole is there; what is left out is fetched again.
    """
    for key, records in more.items():
        before = fetched.get(key, ())
        follows = before and before[-1].offset + 1 == records[0].offset
        fetched[key] = [*before, *records] if follows else records
