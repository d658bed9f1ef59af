"""Gives batches to the stage and acknowledges each once its outcomes are stored."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from faust.types import ConsumerMessage

from runtime import metrics
from runtime.consumer.assignment import refused
from runtime.consumer.in_flight import (
    Delivered,
    Fetched,
    InFlight,
    InFlightBatch,
    PartitionQueues,
    rounds,
)
from runtime.stage import Batch, HandlesBatchesTogether, MovedError, Partition, RefusedError

MAX_OPEN_BATCHES = 8
"""Batches given to a stage before the first of them is acknowledged, over all partitions."""


class Dispatcher:
    """Passes batches of ``consumer``, a BatchConsumer, to its stage.

    ``in_flight`` holds the partitions with a batch at the stage.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.in_flight = InFlight()
        self._queues = PartitionQueues(MAX_OPEN_BATCHES, self._ended)
        self._handling: asyncio.Future[None] | None = None

    async def take(self, delivered: Sequence[Delivered]) -> None:
        """Give batches to the stage, those of different partitions at the same time.

        The stage may still be handling them when this returns.
        """
        if isinstance(stage := self._consumer.stage, HandlesBatchesTogether):
            for group in rounds(delivered):
                batches = [batch for item in group if (batch := self._batch(*item)) is not None]
                await self._handle_next(stage, batches)
        else:
            for item in delivered:  # one batch is built while another waits for Kafka
                await self._queues.begin(item[0].tp, partial(self._handle_in_turn, *item))

    async def emptied(self) -> None:
        """Wait until all batches taken so far have been handled."""
        await self._queues.emptied()
        if self._handling is not None:
            await self._handling

    async def _handle_in_turn(self, message: ConsumerMessage, fetched: Fetched) -> None:
        if not self._consumer.flow_active:
            return  # a revoke waits only for batches in flight; this one is fetched again
        if (batch := self._batch(message, fetched)) is not None:
            await self._handle_alone(batch)

    def _batch(self, message: ConsumerMessage, fetched: Fetched) -> InFlightBatch | None:
        """Make the stage's batch of fetched records; None where they are stale."""
        consumer, tp, generation = self._consumer, message.tp, message.generation_id
        position = consumer.positions.get(tp)
        if position is None or position.epoch != fetched.epoch:
            return None
        if not consumer.is_current(generation):
            return None
        batch = Batch(
            partition=Partition(tp.topic, tp.partition),
            records=fetched.records,
            offset=fetched.offset,
            end=fetched.end,
            generation=generation,
            is_current=lambda: bool(consumer.is_current(generation)),
            heartbeat_age=consumer.heartbeat_age,
            commit_metadata=position.metadata,
            mark=lambda chunk: consumer.mark(tp, position, generation, chunk),
        )
        return InFlightBatch(tp, position, fetched.epoch, batch, time.monotonic())

    async def _handle_next(
        self, stage: HandlesBatchesTogether, batches: Sequence[InFlightBatch]
    ) -> None:
        """Prepare batches while the previous ones are handled, then start handling them."""
        try:
            prepared = await stage.prepare([in_flight.batch for in_flight in batches])
        except RefusedError:
            prepared = None
        if self._handling is not None:
            await self._handling
        self._handling = asyncio.ensure_future(self._handle_together(stage, prepared, batches))
        self._handling.add_done_callback(self._ended)

    def _ended(self, handling: "asyncio.Future[None]") -> None:
        if not handling.cancelled() and (error := handling.exception()) is not None:
            self._consumer.app.die("unhandled error in the stage; exiting", error)

    async def _handle_together(
        self, stage: HandlesBatchesTogether, prepared: Any, batches: Sequence[InFlightBatch]
    ) -> None:
        if prepared is not None and all(map(self._is_current, batches)):
            async with self.in_flight.holding(batches):
                try:
                    await stage.handle_prepared(prepared)
                except (MovedError, RefusedError):
                    pass  # nothing was stored; handled one by one, the batch at fault raises again
                else:
                    self._acknowledge(*batches)
                    return
        for in_flight in batches:
            await self._handle_alone(in_flight)

    async def _handle_alone(self, in_flight: InFlightBatch) -> None:
        if not self._is_current(in_flight):
            return  # it became stale while all batches were tried together
        tp, batch = in_flight.tp, in_flight.batch
        async with self.in_flight.holding([in_flight]):
            try:
                await self._consumer.stage.handle(batch)
                self._acknowledge(in_flight)
            except MovedError as moved:
                await self._move(in_flight, moved.offset)
            except RefusedError as error:
                stopped = refused(tp, in_flight.position.acknowledged, error)
                self._consumer.stop_partition(in_flight, stopped)

    async def _move(self, in_flight: InFlightBatch, offset: int) -> None:
        """Continue the partition of a batch at another offset."""
        tp = in_flight.tp
        position = self._consumer.positions.get(tp)
        if position is not None and in_flight.batch.is_current():
            position.move_to(offset)
            await self._consumer.seek_to({tp: offset})

    def _acknowledge(self, *stored: InFlightBatch) -> None:
        """Acknowledge batches that the stage has stored at once."""
        records, began = 0, time.monotonic()
        for in_flight in filter(self._is_current, stored):
            batch = in_flight.batch
            last = batch.records[-1].timestamp if batch.records else None
            in_flight.position.acknowledge(batch.end, last)
            records, began = records + len(batch.records), min(began, in_flight.began)
        if records:
            label = self._consumer.stage_label
            metrics.BATCH_RECORDS.labels(label).observe(records)
            metrics.BATCH_SECONDS.labels(label).observe(time.monotonic() - began)

    def _is_current(self, in_flight: InFlightBatch) -> bool:
        position = self._consumer.positions.get(in_flight.tp)
        return (
            in_flight.batch.is_current()
            and position is in_flight.position
            and position.epoch == in_flight.epoch
        )
