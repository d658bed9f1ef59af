"""Queues fetched records for the agent, batch by batch, from each partition's position on."""

from typing import Any

from faust.types import TP

from runtime.consumer.in_flight import Fetched, agent_message
from runtime.consumer.positions import Position


class Delivery:
    """Delivery of ``consumer``, a BatchConsumer."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    async def deliver(self, tp: TP, records: list[Any], generation: int) -> None:
        """Queue what was fetched from the position on.

        Records below it are left out. At a gap the partition is fetched once more; a raw one is
        then stopped.
        """
        position = self._consumer.positions.get(tp)
        if position is None or not records or records[-1].offset < position.next_offset:
            return
        if records[0].offset < position.next_offset:
            records = [record for record in records if record.offset >= position.next_offset]
        first, last = records[0], records[-1]
        skipped_to = self._consumer.thread.skipped_to(tp, position.next_offset)
        if first.offset > skipped_to:
            if position.gap != (position.next_offset, first.offset):
                # The gap may be of our making, by a seek or a dropped batch: fetch once more.
                position.gap = (position.next_offset, first.offset)
                await self._consumer.seek_to({tp: position.next_offset})
                return
            if self._consumer.stop_at_gap(tp, *position.gap):
                return
        await self._queue(
            tp,
            position,
            Fetched(records, position.next_offset, last.offset + 1, position.epoch),
            generation,
        )

    async def deliver_skipped(self, tp: TP, generation: int) -> None:
        """Deliver a batch without records where the log ends with transaction markers.

        Otherwise the position would stay below the end of the log, as if records were waiting.
        """
        position = self._consumer.positions.get(tp)
        if position is None:
            return
        start = position.next_offset
        end = self._consumer.thread.skipped_to(tp, start)
        if end > start:
            await self._queue(tp, position, Fetched([], start, end, position.epoch), generation)

    async def _queue(self, tp: TP, position: Position, fetched: Fetched, generation: int) -> None:
        """Queue a batch for the agent; the position advances only if it was queued."""
        message = agent_message(tp, fetched, generation)
        consumer = self._consumer
        queueing = consumer.callback(message)
        result = await consumer.wait_first(queueing, consumer.suspend_flow.wait())
        is_queued = any(done is queueing for done in result.done)
        is_unmoved = position.next_offset == fetched.offset and position.epoch == fetched.epoch
        if is_queued and is_unmoved and consumer.is_current(generation) and consumer.flow_active:
            position.next_offset = fetched.end
