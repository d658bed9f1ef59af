"""The outcomes first, the offset second: what the batch consumer commits, and when."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from runtime.consumer.batch_consumer import BatchConsumer
from runtime.consumer.dispatcher import MAX_OPEN_BATCHES, Dispatcher
from runtime.consumer.in_flight import Fetched, PartitionQueues
from runtime.consumer.positions import Position
from runtime.stage import Batch, MovedError
from tests.toy_platform import record

RAW, OTHER = (TP("hookline.webhooks", number) for number in range(2))


class Stage:
    """Handles a batch once it may end, or raises ``error``. ``begun``: partitions, in order."""

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
    """Faust's message of a batch whose last record is at offset 1."""

    generation_id, offset, acked = 1, 1, False

    def __init__(self, tp: TP = RAW) -> None:
        self.tp = tp


class Consumer(BatchConsumer):
    """Only the parts between the agent and the commit: no group, no thread."""

    def __init__(self, stage: Stage) -> None:
        self.app = SimpleNamespace(consumer_generation_id=1)
        self.stage = stage
        self.stage_label = "processors"
        self._unacked_messages: set[Any] = set()
        self.positions = {tp: Position(next_offset=2, acknowledged=0) for tp in (RAW, OTHER)}
        self._dispatcher = Dispatcher(self)
        self._closed_generation = None
        self._assignment = None
        self.sought: dict[TP, int] = {}

    async def seek_to(self, offsets: dict[TP, int]) -> None:
        self.sought.update(offsets)

    @property
    def acknowledged(self) -> int:
        """The offset that would be committed."""
        return int(self.positions[RAW].commit[0])

    async def taking_only(self, *tps: TP) -> None:
        """Take batches of these partitions, and return as soon as more may be taken."""
        fetched = Fetched([record(0, b"content 0"), record(1, b"content 1")], 0, 2, 0)
        await self.take([(Message(tp), fetched) for tp in tps])

    def taking(self, *tps: TP) -> "asyncio.Task[None]":
        """The same until no batch is in flight any more."""

        async def all_of() -> None:
            await self.taking_only(*tps or (RAW,))
            await self._dispatcher.emptied()

        return asyncio.ensure_future(all_of())


async def test_a_batch_is_acknowledged_when_its_outcomes_are_stored_and_not_before() -> None:
    stage = Stage()
    consumer = Consumer(stage)
    taking = consumer.taking()
    await asyncio.sleep(0.01)
    assert (consumer.acknowledged, consumer._dispatcher.in_flight.tps) == (0, {RAW})
    stage.may_end.set()
    await taking
    assert (consumer.acknowledged, consumer._dispatcher.in_flight.tps) == (2, set())


async def test_a_batch_whose_generation_ended_in_the_meantime_is_not_acknowledged() -> None:
    stage = Stage()
    consumer = Consumer(stage)
    taking = consumer.taking()
    await asyncio.sleep(0)
    consumer.app.consumer_generation_id = 2
    stage.may_end.set()
    await taking
    assert consumer.acknowledged == 0


async def test_a_batch_that_the_stage_did_not_take_is_fetched_from_where_it_says() -> None:
    stage = Stage(MovedError(7))
    stage.may_end.set()
    consumer = Consumer(stage)
    await consumer.taking()
    assert (consumer.acknowledged, consumer.sought) == (7, {RAW: 7})


async def test_a_partition_is_worked_on_while_another_waits_for_its_outcomes_to_be_safe() -> None:
    stage = Stage()
    taking = Consumer(stage).taking(RAW, OTHER)
    await asyncio.sleep(0.01)
    assert stage.begun == [0, 1]
    stage.may_end.set()
    await taking


async def test_batches_of_one_partition_are_worked_on_one_after_the_other() -> None:
    stage = Stage()
    taking = Consumer(stage).taking(RAW, RAW)
    await asyncio.sleep(0.01)
    assert stage.begun == [0]
    stage.may_end.set()
    await taking
    assert stage.begun == [0, 0]


async def test_a_partition_goes_on_while_another_still_waits_for_its_outcomes_to_be_safe() -> None:
    class Slow(Stage):
        async def handle(self, batch: Batch) -> None:
            self.begun.append(batch.partition.number)
            if batch.partition.number:
                await self.may_end.wait()

    stage = Slow()
    consumer = Consumer(stage)
    taking = consumer.taking(OTHER, RAW, RAW)
    await asyncio.sleep(0.01)
    assert stage.begun == [1, 0, 0]
    await consumer.taking_only(RAW)
    await asyncio.sleep(0.01)
    assert (stage.begun, consumer.acknowledged) == ([1, 0, 0, 0], 2)
    stage.may_end.set()
    await taking


async def test_no_more_batches_are_taken_than_a_stage_may_have_at_once() -> None:
    stage = Stage()
    consumer = Consumer(stage)
    taking = asyncio.ensure_future(consumer.taking_only(*[RAW] * MAX_OPEN_BATCHES))
    await asyncio.sleep(0.01)
    assert not taking.done()
    stage.may_end.set()
    await taking


async def test_nothing_is_begun_any_more_once_partitions_are_taken_away() -> None:
    stage = Stage()
    consumer = Consumer(stage)
    taking = consumer.taking(RAW, RAW)
    await asyncio.sleep(0.01)
    consumer.flow_active = False
    stage.may_end.set()
    await taking
    assert (stage.begun, consumer.acknowledged) == ([0], 2)


async def test_after_a_batch_that_failed_nothing_of_any_partition_is_begun() -> None:
    ended: list[BaseException | None] = []
    queues = PartitionQueues(3, lambda task: ended.append(task.exception()))
    begun: list[int] = []

    async def fail() -> None:
        raise ZeroDivisionError

    async def work(number: int) -> None:
        begun.append(number)

    await queues.begin(RAW, fail)
    await queues.begin(RAW, partial(work, 0))
    await queues.emptied()
    await queues.begin(OTHER, partial(work, 1))
    await queues.emptied()
    assert ([], [ZeroDivisionError, type(None), type(None)]) == (begun, [*map(type, ended)])
