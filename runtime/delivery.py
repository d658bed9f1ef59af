"""The batch consumer that loses nothing: Faust's aiokafka consumer, with its own delivery.

Stock Faust delivers one message at a time through four tasks and acknowledges what a
rebalance dropped. Here a fetched batch is one message, a cursor per partition says which
offset is due next, and only what a stage has made safe is acknowledged, in order. The parts
of Faust and aiokafka that this overrides are named in tests/unit/test_private_parts.py.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from runtime import logs
from runtime.consumer_thread import ConsumerThread
from runtime.health import Health
from runtime.stage import Batch, MovedError, Partition, Stage

log = logs.get("hookline.delivery")

POLL = 0.02
"""Seconds to wait for records of the partitions that are active now."""
FULL = 0.005
"""Seconds between looks while every buffer is full; stock Faust sleeps a whole second."""
HAND_OVER = 5.0
"""Seconds that a revoke waits for the batch in hand."""


@dataclass(slots=True)
class Fetched:
    """A batch on its way to the agent. ``life`` numbers the cursor's seeks: older is stale."""

    records: list[Any]
    offset: int
    life: int


@dataclass(slots=True)
class Cursor:
    """Where delivery of one partition stands, within one generation."""

    due: int
    life: int = 0
    done: int | None = None  # offset behind the last batch whose outcomes are safe
    hole: tuple[int, int] | None = None  # (due, first offset seen) of a gap that was re-fetched


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers one fetched batch per partition as one message, and commits by batch.

    ``stage`` and ``health`` are set by the application before it starts.
    """

    stage: Stage
    health: Health

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage = self.app.stage
        self.health = self.app.health
        self._cursors: dict[TP, Cursor] = {}
        self._committed: dict[TP, int] = {}
        self._in_hand: set[TP] = set()
        self._hand_free = asyncio.Condition()
        self._over: int | None = None  # the generation that a revoke has closed
        self._opening: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Generations: closed by a revoke, opened once every position is known.

    def is_current(self, generation: int) -> bool:
        """Whether batches of this generation may still be ours."""
        return bool(generation == self.app.consumer_generation_id and generation != self._over)

    def heartbeat_age(self) -> float:
        """Seconds since the group last heard of us."""
        return time.monotonic() - float(self._thread.last_heartbeat)

    async def perform_seek(self) -> None:
        """Called by Faust before it clears all queues: nothing is delivered until then."""
        self._forget()

    def resume_flow(self) -> None:
        """Called by Faust after it has cleared all queues: open this generation."""
        super().resume_flow()
        self._forget()
        generation = self.app.consumer_generation_id
        self._opening = asyncio.ensure_future(self._open(generation))
        self._opening.add_done_callback(self._opened)

    def _forget(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        self._cursors.clear()
        self._committed.clear()

    def _opened(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.app.die("cannot open the assigned partitions", error)

    async def _open(self, generation: int) -> None:
        """Find every partition's offset, seek there, and let delivery begin."""
        assigned = sorted(self.assignment())
        self.health.waiting("partitions", f"opening {len(assigned)} partitions")
        places = await self.stage.assigned(frozenset(Partition(*tp) for tp in assigned))
        keys = {tp: TopicPartition(tp.topic, tp.partition) for tp in assigned}
        starts, ends, committed = await self._ask_bounds(list(keys.values()))
        positions: dict[TP, int] = {}
        for tp, key in keys.items():
            place = places.get(Partition(*tp))
            due = place if place is not None else committed[key]
            if due is None:
                due = starts[key]
            if self._is_whole(tp, due, starts[key], ends[key]):
                positions[tp] = due
        if positions:
            await self._thread.seek_wait(positions)
        if not self.is_current(generation):
            return
        for tp, due in positions.items():
            self._cursors[tp] = Cursor(due)
            stored = committed[keys[tp]]
            if stored is not None:
                self._committed[tp] = stored
        self.health.met("partitions")
        log.info("delivering", partitions=len(positions), generation=generation)

    async def _ask_bounds(self, keys: list[Any]) -> Any:
        while True:
            try:
                return await self._thread.call_thread(self._thread.bounds, keys)
            except KafkaError as error:
                self.health.waiting("kafka", f"Kafka does not tell its offsets: {error!r}")
                await asyncio.sleep(1.0)
            finally:
                self.health.met("kafka")

    def _is_whole(self, tp: TP, due: int, start: int, end: int) -> bool:
        """False, loudly, where the log no longer holds what is due."""
        name = f"{tp.topic}/{tp.partition}"
        if start > due:
            self.health.waiting(
                f"hole {name}",
                f"offsets {due} to {start - 1} of {name} are gone before they were processed;"
                " see `hookline doctor`",
            )
            log.critical("records lost by retention", partition=name, due=due, start=start)
            return False
        if due > end:
            self.health.waiting(
                f"recreated {name}",
                f"{name} ends at {end}, but we stood at {due}: the topic was recreated under us;"
                " point this stage at the topic it knows, or start it with fresh state",
            )
            log.critical("topic recreated", partition=name, due=due, end=end)
            return False
        self.health.met(f"hole {name}")
        self.health.met(f"recreated {name}")
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the batch in hand finish, commit, then forget."""
        generation = self.app.consumer_generation_id
        await super().on_partitions_revoked(revoked)  # stops the flow, then wait_empty()
        self._over = generation
        self._forget()
        await self.stage.revoked(frozenset(Partition(tp.topic, tp.partition) for tp in revoked))

    async def wait_empty(self) -> None:
        """Wait for the batch in hand, at most ``HAND_OVER`` seconds, and commit what is safe."""
        try:
            async with asyncio.timeout(HAND_OVER), self._hand_free:
                await self._hand_free.wait_for(lambda: not self._in_hand)
        except TimeoutError:
            log.warning("a batch outlives its partition", partitions=sorted(self._in_hand))
            self._over = self.app.consumer_generation_id
        await self.commit()

    # Acknowledgement: by batch, of what a stage has made safe.

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit the offsets behind the last safe batches."""
        async with self._committing:
            due = {
                tp: cursor.done
                for tp, cursor in self._cursors.items()
                if cursor.done is not None and cursor.done != self._committed.get(tp)
            }
            if not due:
                return False
            committed: bool = await self._thread.call_thread(self._thread.commit_offsets, due)
            if committed:
                self._committed.update({tp: at for tp, at in due.items() if tp in self._cursors})
            return committed

    async def take(self, message: ConsumerMessage, fetched: Fetched) -> None:
        """Give the agent's batch to the stage; acknowledge it once its outcomes are safe."""
        tp, generation = message.tp, message.generation_id
        message.acked = True  # by Faust's books; ours is the cursor
        self._unacked_messages.discard(message)
        cursor = self._cursors.get(tp)
        if cursor is None or cursor.life != fetched.life or not self.is_current(generation):
            return
        batch = Batch(
            partition=Partition(tp.topic, tp.partition),
            records=fetched.records,
            offset=fetched.offset,
            end=message.offset + 1,
            generation=generation,
            is_current=lambda: self.is_current(generation),
            heartbeat_age=self.heartbeat_age,
        )
        self._in_hand.add(tp)
        try:
            await self.stage.handle(batch)
            if self.is_current(generation) and self._cursors.get(tp) is cursor:
                cursor.done = batch.end
        except MovedError as moved:
            await self._move(tp, generation, moved.offset)
        finally:
            self._in_hand.discard(tp)
            async with self._hand_free:
                self._hand_free.notify_all()

    async def _move(self, tp: TP, generation: int, offset: int) -> None:
        cursor = self._cursors.get(tp)
        if cursor is None or not self.is_current(generation):
            return
        cursor.life += 1  # what is queued for this partition is stale
        cursor.due, cursor.done, cursor.hole = offset, offset, None
        await self._thread.seek_wait({tp: offset})

    # Delivery.

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            await asyncio.sleep(0)
            if not self.flow_active:
                await self.wait(self.can_resume_flow)
                continue
            generation = self.app.consumer_generation_id
            active = self._get_active_partitions() & self._cursors.keys()
            if not active:
                await self.sleep(FULL)
                continue
            fetched = await self._getmany(active_partitions=active, timeout=POLL)
            for key, records in (fetched or {}).items():
                if not (self.is_current(generation) and self.flow_active):
                    break  # the cursors stand still, so the rest is fetched again
                await self._deliver(TP(key.topic, key.partition), records, generation)

    async def _deliver(self, tp: TP, records: list[Any], generation: int) -> None:
        cursor = self._cursors.get(tp)
        if cursor is None or not records or records[-1].offset < cursor.due:
            return
        if records[0].offset < cursor.due:
            records = [record for record in records if record.offset >= cursor.due]
        first, last = records[0], records[-1]
        if first.offset > cursor.due and cursor.hole != (cursor.due, first.offset):
            cursor.hole = (cursor.due, first.offset)  # ours, or the broker's: ask again
            await self._thread.seek_wait({tp: cursor.due})
            return
        due, life = cursor.due, cursor.life
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1e3,
            last.timestamp_type,
            (),
            b"",
            Fetched(records, due, life),
            None,
            0,
            0,
            tp,
            generation_id=generation,  # without it the stream drops the message silently
        )
        handing_over = self.callback(message)
        result = await self.wait_first(handing_over, self.suspend_flow.wait())
        delivered = any(done is handing_over for done in result.done)
        unmoved = cursor.due == due and cursor.life == life
        if delivered and unmoved and self.is_current(generation) and self.flow_active:
            cursor.due = last.offset + 1


class Transport(driver.Transport):  # type: ignore[misc]
    """aiokafka with the batch consumer."""

    Consumer = BatchConsumer


def active_partitions(consumer: BatchConsumer) -> Iterable[Partition]:
    """The partitions that are delivered now."""
    return [Partition(tp.topic, tp.partition) for tp in consumer._cursors]
