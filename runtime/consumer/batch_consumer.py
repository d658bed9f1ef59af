"""The batch consumer: Faust's aiokafka consumer with a delivery that loses nothing.

Stock Faust delivers one message at a time through four tasks, and a rebalance can acknowledge
messages that it dropped. Here a fetched batch is one message, a position per partition holds the
next offset, and only what a stage has stored is acknowledged, in order. The parts of Faust and
aiokafka that this overrides are named in tests/unit/repository/test_private_parts.py.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime import logs
from runtime.consumer.assignment import Assignment
from runtime.consumer.client.refusals import Refusals
from runtime.consumer.client.thread import (
    IDLE,
    REFETCH_TIMEOUT,
    Bounds,
    ConsumerThread,
    batch_pause,
)
from runtime.consumer.crash_marks import Chunk
from runtime.consumer.delivery import Delivery
from runtime.consumer.dispatcher import Dispatcher
from runtime.consumer.in_flight import Delivered, InFlightBatch, append_contiguous
from runtime.consumer.positions import (
    Commit,
    PartitionProgress,
    Position,
    StoppedPartition,
    changed_commits,
)
from runtime.health import Health
from runtime.stage import HandlesBatchesTogether, Partition, Stage

log = logs.get("hookline.delivery")

POLL = 0.1
"""Seconds to wait for records of the active partitions."""
BUFFERS_FULL_PAUSE = 0.005
"""Seconds between checks while all buffers are full; stock Faust sleeps a whole second."""
REVOKE_TIMEOUT = 5.0
"""Seconds that a revoke waits for batches in flight."""
COMMIT_RETRY = 0.2
"""Seconds until a failed commit of a crash mark is repeated."""
FETCH_RETRY = 1.0
"""Seconds until a fetch that Kafka refused is repeated."""
FETCH_RECOVERED = 5 * FETCH_RETRY
"""Seconds without a failure after which all partitions are taken to be read again."""


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers one fetched batch per partition as one message, and commits by batch.

    ``positions`` holds the partitions that are delivered now. ``joining_since`` (monotonic
    seconds) is None once the group has assigned our partitions.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage: Stage = self.app.stage
        self.health: Health = self.app.health
        self.stage_label = self.stage.group.rpartition(".")[2]
        self.joining_since: float | None = time.monotonic()
        self.positions: dict[TP, Position] = {}
        self._committed: dict[TP, Commit] = {}
        self._dispatcher = Dispatcher(self)
        self._delivery = Delivery(self)
        self._closed_generation: int | None = None  # the generation that a revoke has closed
        self._assignment: Assignment | None = None
        self._committing = asyncio.Lock()
        self.refusals = Refusals(self.app.settings, self.health)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Generations: closed by a revoke, opened once every position is known.

    def is_current(self, generation: int) -> bool:
        """Whether batches of this generation may still be ours."""
        return bool(
            generation == self.app.consumer_generation_id and generation != self._closed_generation
        )

    def heartbeat_age(self) -> float:
        """Seconds since the last successful heartbeat."""
        return time.monotonic() - float(self._thread.last_heartbeat)

    async def perform_seek(self) -> None:
        """Deliver nothing from here on: Faust calls this before it clears all queues."""
        self._reset()

    def resume_flow(self) -> None:
        """Open this generation: Faust calls this after it has cleared all queues."""
        super().resume_flow()
        self._reset()
        self.joining_since = None
        self._assignment = Assignment(self, self.app.consumer_generation_id)
        self._assignment.begin()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Become ready at once without partitions: Faust resumes no flow then."""
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            self.joining_since = None
            self.health.met("partitions")

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Wait for batches in flight, commit, then drop all state of the generation."""
        generation = self.app.consumer_generation_id
        self.joining_since = time.monotonic()
        self.health.waiting("partitions", "joining the group")
        self.stop_assignment()  # first: a batch in flight could wait for what it reads
        await super().on_partitions_revoked(revoked)  # stops the flow, then wait_empty()
        self._closed_generation = generation
        self._reset()
        await self.stage.revoked(frozenset(Partition(tp.topic, tp.partition) for tp in revoked))

    async def wait_empty(self) -> None:
        """Wait up to ``REVOKE_TIMEOUT`` seconds for batches in flight; commit what is stored.

        Partitions without a batch in flight are released; the commit of the others still names an
        owner, who may crash.
        """
        in_flight = self._dispatcher.in_flight
        try:
            async with asyncio.timeout(REVOKE_TIMEOUT):
                await in_flight.emptied()
        except TimeoutError:
            log.warning("batch in flight outlives its partition", partitions=sorted(in_flight.tps))
            self._closed_generation = self.app.consumer_generation_id
        for tp, position in self.positions.items():
            position.is_released = tp not in in_flight.tps
        await self.commit()

    def close(self) -> None:
        """Do nothing: at a rebalance while stopping Faust would close the client too early."""

    def _reset(self) -> None:
        self.stop_assignment()
        self.positions.clear()
        self._committed.clear()
        self.thread.skips.clear()

    def stop_assignment(self) -> None:
        """Open no further partitions of this generation."""
        if self._assignment is not None:
            self._assignment.end()
            self._assignment = None

    # Called by the assignment and the dispatcher.

    async def bounds(self, tps: list[TP]) -> dict[TP, Bounds]:
        """Ask for the start, end and commit of partitions. Raises KafkaError."""
        return dict(await self._thread.call_thread(self._thread.bounds, tps))

    def deliver(self, positions: Mapping[TP, Position], generation: int) -> None:
        """Start delivery of partitions from their positions on."""
        if self.is_current(generation):
            self.positions.update(positions)

    async def seek_to(self, offsets: Mapping[TP, int]) -> None:
        """Fetch from these offsets on."""
        await self._thread.seek_wait(offsets)

    def close_partition(self, tp: TP) -> Position | None:
        """Stop delivery of a partition; queued batches become stale."""
        return self.positions.pop(tp, None)

    def stop_at_gap(self, tp: TP, next_offset: int, first: int) -> bool:
        """Stop a raw partition at a gap; False for other topics, where brokers may leave gaps."""
        return self._assignment is not None and self._assignment.gap(tp, next_offset, first)

    def stop_partition(self, in_flight: InFlightBatch, stopped: StoppedPartition) -> None:
        """Stop the partition of a batch, unless it was reopened meanwhile."""
        tp = in_flight.tp
        if self._assignment is not None and self.positions.get(tp) is in_flight.position:
            self._assignment.stop_partition(tp, stopped)

    @property
    def thread(self) -> ConsumerThread:
        """The thread that talks to Kafka."""
        thread: ConsumerThread = self._thread
        return thread

    def progress(self) -> dict[TP, PartitionProgress]:
        """Return the progress of the partitions that are delivered now."""
        tps = self._dispatcher.in_flight.tps
        return {
            tp: PartitionProgress(p.acknowledged, p.steps, p.acknowledged_ms, tp in tps)
            for tp, p in self.positions.items()
        }

    def stopped(self) -> dict[TP, int]:
        """Return the next offset of each partition that waits for an operator."""
        return {} if self._assignment is None else self._assignment.stopped_offsets()

    # Acknowledgement: by batch, of what a stage has stored.

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit acknowledged offsets and their metadata where they have changed."""
        async with self._committing:
            commits = changed_commits(self.positions, self._committed)
            return bool(commits) and await self._commit(commits)

    async def commit_now(self, commits: Mapping[TP, Commit]) -> bool:
        """Commit these; False after a rebalance and while the broker is away."""
        async with self._committing:
            return await self._commit(commits)

    async def _commit(self, commits: Mapping[TP, Commit]) -> bool:
        if not commits:
            return True
        is_done: bool = await self._thread.call_thread(self._thread.commit_offsets, commits)
        if is_done:
            self._committed.update(commits)
        return is_done

    async def mark(self, tp: TP, position: Position, generation: int, chunk: Chunk | None) -> None:
        """Commit which chunk is about to be built, None for none; return once it is stored."""
        position.mark_chunk(chunk)
        while self.is_current(generation) and self.positions.get(tp) is position:
            await self.commit()
            if self._committed.get(tp) == position.commit:
                break
            self.health.waiting("commit", "Kafka does not accept commits")
            await asyncio.sleep(COMMIT_RETRY)
        self.health.met("commit")

    async def take(self, delivered: Sequence[Delivered]) -> None:
        """Give the agent's batches to the stage, which may still handle them after the return."""
        for message, _ in delivered:
            message.acked = True  # in Faust's books; ours are the positions
            self._unacked_messages.discard(message)
        await self._dispatcher.take(delivered)

    # Delivery.

    async def _drain_messages(self, fetcher: Any) -> None:
        was_small, last_fetched = False, 0.0
        is_together = isinstance(self.stage, HandlesBatchesTogether)
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            await asyncio.sleep(0)
            if not self.flow_active:
                await self.wait(self.can_resume_flow)
                continue
            generation = self.app.consumer_generation_id
            active = self._get_active_partitions() & self.positions.keys()
            if not active:
                await self.sleep(BUFFERS_FULL_PAUSE)
                continue
            fetched = await self._fetch(active, POLL)
            if was_small and fetched:
                append_contiguous(fetched, await self._fetch(active, REFETCH_TIMEOUT))
            now = time.monotonic()
            last_fetched = now if fetched else last_fetched
            self.thread.pace(is_busy=now - last_fetched < IDLE)
            for key, records in fetched.items():
                if not (self.is_current(generation) and self.flow_active):
                    break  # the positions do not advance, so the rest is fetched again
                await self._delivery.deliver(TP(key.topic, key.partition), records, generation)
            for tp in self.thread.skips.keys() & active - fetched.keys():
                await self._delivery.deliver_skipped(TP(*tp), generation)
            pause = batch_pause(sum(map(len, fetched.values())), is_together=is_together)
            was_small = pause > 0
            if was_small:
                await self.sleep(pause)

    async def _fetch(self, active: set[TP], seconds: float) -> dict[Any, list[Any]]:
        try:
            fetched = await self._getmany(active_partitions=active, timeout=seconds) or {}
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            for key in error.args[0] if isinstance(error.args[0], dict) else error.args:
                tp = TP(key.topic, key.partition)
                position = self.positions.get(tp)
                if position is not None and self._assignment is not None:
                    await self._assignment.check_again(tp, position.next_offset)
            return {}
        except KafkaError as error:
            await self.refusals.of_fetch(error)
            return {}
        return self.refusals.allowed(fetched)
