"""The outcomes first, the offset second: what the batch consumer commits, and when."""

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from runtime.cursors import Cursor
from runtime.delivery import BatchConsumer
from runtime.hands import Fetched, Hands
from runtime.stage import Batch, MovedError
from tests.toy_platform import record

PLACE, OTHER = (TP("hookline.webhooks", number) for number in range(2))


class Stage:
    """Handles a batch when it is told to, or raises what it is given. ``begun``: in hand."""

    def __init__(self, error: Exception | None = None) -> None:
        self.may_end = asyncio.Event()
        self.error = error
        self.begun: list[int] = []

    async def handle(self, batch: Batch) -> None:
        self.begun.append(batch.partition.number)
        await self.may_end.wait()
        if self.error is not None:
            raise self.error


class Message:
    """What Faust hands over with a batch whose last record stands at offset 1."""

    generation_id, offset, acked = 1, 1, False

    def __init__(self, tp: TP = PLACE) -> None:
        self.tp = tp


class Consumer(BatchConsumer):
    """Only what stands between the agent and the commit: no group, no thread."""

    def __init__(self, stage: Stage) -> None:
        self.app = SimpleNamespace(consumer_generation_id=1)
        self.stage = stage
        self._unacked_messages: set[Any] = set()
        self._cursors = {PLACE: Cursor(due=2, safe=0), OTHER: Cursor(due=2, safe=0)}
        self._in_hand = Hands()
        self._over = None
        self._opening = None
        self.sought: dict[TP, int] = {}

    async def seek_to(self, offsets: dict[TP, int]) -> None:
        self.sought.update(offsets)

    @property
    def safe(self) -> int:
        """The offset that a commit would say."""
        return int(self._cursors[PLACE].commit[0])

    def taking(self, *places: TP) -> "asyncio.Task[None]":
        fetched = Fetched([record(0, b"content 0"), record(1, b"content 1")], 0, 0)
        delivered = [(Message(place), fetched) for place in places or (PLACE,)]
        return asyncio.ensure_future(self.take(delivered))


async def test_a_batch_is_acknowledged_when_its_outcomes_are_safe_and_not_before() -> None:
    stage = Stage()
    consumer = Consumer(stage)
    taking = consumer.taking()
    await asyncio.sleep(0.01)
    assert (consumer.safe, consumer._in_hand.tps) == (0, {PLACE})
    stage.may_end.set()
    await taking
    assert (consumer.safe, consumer._in_hand.tps) == (2, set())


async def test_a_batch_whose_generation_ended_in_the_meantime_is_not_acknowledged() -> None:
    stage = Stage()
    consumer = Consumer(stage)
    taking = consumer.taking()
    await asyncio.sleep(0)
    consumer.app.consumer_generation_id = 2
    stage.may_end.set()
    await taking
    assert consumer.safe == 0


async def test_a_batch_that_the_stage_did_not_take_is_fetched_from_where_it_says() -> None:
    stage = Stage(MovedError(7))
    stage.may_end.set()
    consumer = Consumer(stage)
    await consumer.taking()
    assert (consumer.safe, consumer.sought) == (7, {PLACE: 7})


async def test_a_partition_is_worked_on_while_another_waits_for_its_outcomes_to_be_safe() -> None:
    stage = Stage()
    taking = Consumer(stage).taking(PLACE, OTHER)
    await asyncio.sleep(0.01)
    assert stage.begun == [0, 1]
    stage.may_end.set()
    await taking


async def test_batches_of_one_partition_are_worked_on_one_after_the_other() -> None:
    stage = Stage()
    taking = Consumer(stage).taking(PLACE, PLACE)
    await asyncio.sleep(0.01)
    assert stage.begun == [0]
    stage.may_end.set()
    await taking
    assert stage.begun == [0, 0]
