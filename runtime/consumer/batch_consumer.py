"""The batch consumer that loses nothing: Faust's aiokafka consumer, with its own delivery.

Stock Faust delivers one message at a time through four tasks and acknowledges what a
rebalance dropped. Here a fetched batch is one message, a cursor per partition says which
offset is due next, and only what a stage has made safe is acknowledged, in order. The parts
of Faust and aiokafka that this overrides are named in tests/unit/test_private_parts.py.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from runtime import logs
from runtime.consumer.assignment import Opening, refused
from runtime.consumer.in_flight import Delivered, Fetched, Hand, Hands, Lines, joined, rounds
from runtime.consumer.positions import Commit, Cursor, Standing, still_wanted
from runtime.consumer.thread import Bounds, ConsumerThread
from runtime.crash_marks import Piece
from runtime.health import Health
from runtime.stage import (
    Batch,
    HandlesTogether,
    MovedError,
    Partition,
    RefusedError,
    Stage,
)

log = logs.get("hookline.delivery")

POLL = 0.1
"""Seconds to wait for records of the partitions that are active now."""
FULL = 0.005
"""Seconds between looks while every buffer is full; stock Faust sleeps a whole second."""
FEW = 500
"""Fewer records than this are a poor batch: the next is given a moment to become a better one."""
BREATH, BREATH_TOGETHER = 0.02, 0.05
"""Seconds of that moment at least; for a stage that handles batches together a small one costs
more."""
BREATH_EACH, LONGEST_BREATH = 0.0005, 0.1
"""Seconds for each record of the poor batch, and in all: the more comes, the more is saved."""
MORE = 0.02
"""Seconds that it waits for what the broker has beyond the few that were fetched before."""
IDLE = 1.0
"""Seconds without a record after which fetches are long again."""
HAND_OVER = 5.0
"""Seconds that a revoke waits for the batch in hand."""
AT_ONCE = 8
"""Batches that are given to a stage at most, in all, before the first of them is safe."""
RETRY = 0.2
"""Seconds until a mark is committed again that could not be."""


def breath(count: int, *, is_together: bool) -> float:
    """Seconds to wait after a batch of so many records, for the next to be a better one."""
    if not 0 < count < FEW:
        return 0.0
    least = BREATH_TOGETHER if is_together else BREATH
    return min(max(least, count * BREATH_EACH), LONGEST_BREATH)


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers one fetched batch per partition as one message, and commits by batch.

    ``stage`` and ``health`` are set by the application before it starts. ``joining_since``
    (monotonic seconds) until the group has told which partitions are ours, then None.
    """

    stage: Stage
    health: Health

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage = self.app.stage
        self.health = self.app.health
        self.label_of_stage = self.stage.group.rpartition(".")[2]
        self.joining_since: float | None = time.monotonic()
        self._cursors: dict[TP, Cursor] = {}
        self._said: dict[TP, Commit] = {}
        self._in_hand = Hands()
        self._lines = Lines(AT_ONCE, self._handled)
        self._handling: asyncio.Future[None] = self.loop.create_future()
        self._handling.set_result(None)
        self._over: int | None = None  # the generation that a revoke has closed
        self._opening: Opening | None = None
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
        self.joining_since = None
        self._opening = Opening(self, self.app.consumer_generation_id)
        self._opening.begin()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Without any there is no flow to resume."""
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            self.joining_since = None
            self.health.met("partitions")

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the batch in hand finish, commit, then forget."""
        generation = self.app.consumer_generation_id
        self.joining_since = time.monotonic()
        self.health.waiting("partitions", "joining the group")
        self.stop_opening()  # or a batch in hand could wait for what it reads
        await super().on_partitions_revoked(revoked)  # stops the flow, then wait_empty()
        self._over = generation
        self._forget()
        await self.stage.revoked(frozenset(Partition(tp.topic, tp.partition) for tp in revoked))

    async def wait_empty(self) -> None:
        """Wait for the batch in hand, at most ``HAND_OVER`` seconds, and commit what is safe.

        What is not in hand is let go; what is keeps saying that its owner may have died.
        """
        try:
            async with asyncio.timeout(HAND_OVER):
                await self._in_hand.emptied()
        except TimeoutError:
            log.warning("a batch outlives its partition", partitions=sorted(self._in_hand.tps))
            self._over = self.app.consumer_generation_id
        for tp, cursor in self._cursors.items():
            cursor.is_let_go = tp not in self._in_hand.tps
        await self.commit()

    def _forget(self) -> None:
        self.stop_opening()
        self._cursors.clear()
        self._said.clear()

    def stop_opening(self) -> None:
        """Open nothing more of this generation."""
        if self._opening is not None:
            self._opening.stop()
            self._opening = None

    # What an opening asks of us.

    async def bounds(self, tps: list[TP]) -> dict[TP, Bounds]:
        """Where the logs begin and end, and what was committed. Raises KafkaError."""
        found: dict[TP, Bounds] = await self._thread.call_thread(self._thread.bounds, tps)
        return found

    def deliver(self, cursors: Mapping[TP, Cursor], generation: int) -> None:
        """Deliver partitions from their cursors on."""
        if self.is_current(generation):
            self._cursors.update(cursors)

    async def seek_to(self, offsets: Mapping[TP, int]) -> None:
        """Fetch from these offsets on."""
        await self._thread.seek_wait(offsets)

    def close(self, tp: TP) -> Cursor | None:
        """Deliver a partition no more; what is queued of it is stale."""
        return self._cursors.pop(tp, None)

    @property
    def thread(self) -> ConsumerThread:
        """The thread that talks to Kafka."""
        thread: ConsumerThread = self._thread
        return thread

    def standings(self) -> dict[TP, Standing]:
        """The partitions that are delivered now."""
        return {
            tp: Standing(cursor.safe, cursor.steps, cursor.safe_ms, tp in self._in_hand.tps)
            for tp, cursor in self._cursors.items()
        }

    # Acknowledgement: by batch, of what a stage has made safe.

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit the offsets behind the last safe batches, and in whose custody they are."""
        async with self._committing:
            wanted = still_wanted(self._cursors, self._said)
            return bool(wanted) and await self._commit(wanted)

    async def commit_now(self, commits: Mapping[TP, Commit]) -> bool:
        """Commit these; False where the group has moved on or the broker is away."""
        async with self._committing:
            return await self._commit(commits)

    async def _commit(self, commits: Mapping[TP, Commit]) -> bool:
        if not commits:
            return True
        done: bool = await self._thread.call_thread(self._thread.commit_offsets, commits)
        if done:
            self._said.update(commits)
        return done

    async def _mark(self, tp: TP, cursor: Cursor, generation: int, piece: Piece | None) -> None:
        """Return once the group knows which piece is being built, or that none is."""
        cursor.marked(piece)
        while self.is_current(generation) and self._cursors.get(tp) is cursor:
            await self.commit()
            if self._said.get(tp) == cursor.commit:
                break
            self.health.waiting("commit", "Kafka does not take commits")
            await asyncio.sleep(RETRY)
        self.health.met("commit")

    @property
    def takes_together(self) -> bool:
        """Whether the stage would rather have what waits of several partitions at once."""
        return isinstance(self.stage, HandlesTogether)

    async def take(self, delivered: Sequence[Delivered]) -> None:
        """Give the agent's batches to the stage; acknowledge each once its outcomes are safe.

        Those of different partitions are given at the same time. The stage may still have them in
        hand when this returns.
        """
        for message, _ in delivered:
            message.acked = True  # by Faust's books; ours is the cursor
            self._unacked_messages.discard(message)
        if isinstance(self.stage, HandlesTogether):
            for each in rounds(delivered):
                hands = [hand for one in each if (hand := self._hand(*one)) is not None]
                await self._next(self.stage, hands)
        else:
            for one in delivered:  # one is built while another waits
                await self._lines.begin(one[0].tp, partial(self._in_turn, *one))

    async def _in_turn(self, message: ConsumerMessage, fetched: Fetched) -> None:
        if not self.flow_active:
            return  # a revoke waits only for what is in hand; all of it is opened anew afterwards
        if (hand := self._hand(message, fetched)) is not None:
            await self._alone(hand)

    def _hand(self, message: ConsumerMessage, fetched: Fetched) -> Hand | None:
        """What was fetched as a batch of the stage's; None where it is stale."""
        tp, generation = message.tp, message.generation_id
        cursor = self._cursors.get(tp)
        if cursor is None or cursor.life != fetched.life or not self.is_current(generation):
            return None
        batch = Batch(
            partition=Partition(tp.topic, tp.partition),
            records=fetched.records,
            offset=fetched.offset,
            end=message.offset + 1,
            generation=generation,
            is_current=lambda: self.is_current(generation),
            heartbeat_age=self.heartbeat_age,
            custody=cursor.custody,
            mark=lambda piece: self._mark(tp, cursor, generation, piece),
        )
        return Hand(tp, cursor, fetched.life, batch)

    async def _next(self, stage: HandlesTogether, hands: Sequence[Hand]) -> None:
        """Prepare batches while those before them are handled; then let these be handled."""
        try:
            prepared = await stage.prepare([hand.batch for hand in hands])
        except RefusedError:
            prepared = None
        await self._handling
        self._handling = asyncio.ensure_future(self._together(stage, prepared, hands))
        self._handling.add_done_callback(self._handled)

    def _handled(self, handling: "asyncio.Future[None]") -> None:
        if not handling.cancelled() and (error := handling.exception()) is not None:
            self.app.die("the stage could not settle a batch", error)

    async def _together(self, stage: HandlesTogether, prepared: Any, hands: Sequence[Hand]) -> None:
        if prepared is not None and all(map(self._stands, hands)):
            async with self._in_hand.holding(hands):
                try:
                    await stage.handle_prepared(prepared)
                except (MovedError, RefusedError):
                    pass  # nothing of them is safe, and each by itself will say which it was
                else:
                    for hand in hands:
                        self._settled(hand)
                    return
        for hand in hands:
            await self._alone(hand)

    async def _alone(self, hand: Hand) -> None:
        if not self._stands(hand):
            return  # since all were tried at once
        async with self._in_hand.holding([hand]):
            try:
                await self.stage.handle(hand.batch)
                self._settled(hand)
            except MovedError as moved:
                await self._move(hand.tp, hand.batch.generation, moved.offset)
            except RefusedError as error:
                if self._opening is not None and self._cursors.get(hand.tp) is hand.cursor:
                    self._opening.halt(hand.tp, refused(hand.tp, hand.cursor.safe, error))

    def _settled(self, hand: Hand) -> None:
        if self._stands(hand):
            hand.cursor.settled(hand.batch.end, hand.batch.records[-1].timestamp)

    def _stands(self, hand: Hand) -> bool:
        cursor = self._cursors.get(hand.tp)
        return hand.batch.is_current() and cursor is hand.cursor and cursor.life == hand.life

    async def _move(self, tp: TP, generation: int, offset: int) -> None:
        cursor = self._cursors.get(tp)
        if cursor is None or not self.is_current(generation):
            return
        cursor.moved(offset)
        await self.seek_to({tp: offset})

    # Delivery.

    async def _drain_messages(self, fetcher: Any) -> None:
        was_poor, seen = False, 0.0
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
            fetched = await self._fetch(active, POLL)
            if was_poor and fetched:
                joined(fetched, await self._fetch(active, MORE))
            now = time.monotonic()
            seen = now if fetched else seen
            self.thread.pace(is_busy=now - seen < IDLE)
            for key, records in fetched.items():
                if not (self.is_current(generation) and self.flow_active):
                    break  # the cursors stand still, so the rest is fetched again
                await self._deliver(TP(key.topic, key.partition), records, generation)
            pause = breath(sum(map(len, fetched.values())), is_together=self.takes_together)
            was_poor = pause > 0
            if was_poor:
                await self.sleep(pause)

    async def _fetch(self, active: set[TP], seconds: float) -> dict[Any, list[Any]]:
        try:
            return await self._getmany(active_partitions=active, timeout=seconds) or {}
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            for key in error.args[0] if isinstance(error.args[0], dict) else error.args:
                tp = TP(key.topic, key.partition)
                cursor = self._cursors.get(tp)
                if cursor is not None and self._opening is not None:
                    await self._opening.look_again(tp, cursor.due)
            return {}

    async def _deliver(self, tp: TP, records: list[Any], generation: int) -> None:
        cursor = self._cursors.get(tp)
        if cursor is None or not records or records[-1].offset < cursor.due:
            return
        if records[0].offset < cursor.due:
            records = [record for record in records if record.offset >= cursor.due]
        first, last = records[0], records[-1]
        if first.offset > cursor.due:
            if cursor.hole != (cursor.due, first.offset):
                cursor.hole = (cursor.due, first.offset)  # ours, or the broker's: ask again
                await self.seek_to({tp: cursor.due})
                return
            if self._opening is not None and self._opening.gap(tp, *cursor.hole):
                return
        due, life = cursor.due, cursor.life
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1e3,
            None,  # whose clock it is: nobody asks
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
