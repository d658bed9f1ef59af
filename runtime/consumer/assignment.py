"""Opens the partitions of a generation, one after the other, and watches those that stop.

A partition is delivered as soon as its offset is known, its log is whole, its stage has
prepared it, and the group knows that it has an owner again (``custody.py``).
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from runtime import crash_marks, logs, metrics
from runtime.consumer.positions import Cursor, Halt, hole, whole
from runtime.consumer.thread import Bounds
from runtime.kafka import operator_decisions
from runtime.stage import OpensEach, Partition, RefusedError
from schemas.topics import WEBHOOKS

log = logs.get("hookline.delivery")

PAUSE = 1.0
LOOK = 2.0
"""Seconds between looks whether an operator gave up what a stopped partition lost."""


class Opening:
    """The partitions of one generation. ``consumer`` is the BatchConsumer that delivers them."""

    def __init__(self, consumer: Any, generation: int) -> None:
        self._consumer = consumer
        self._generation = generation
        self._health = consumer.health
        self._stage = consumer.stage
        self._label = consumer.label_of_stage
        self._raw = consumer.app.settings.topic(WEBHOOKS)
        self._halts: dict[TP, Halt] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_watching = False

    def begin(self) -> None:
        """Open everything that is assigned."""
        self._spawn(self._open_all())

    def stop(self) -> None:
        """The generation is over: other owners will see what is wrong, if it still is."""
        for task in self._tasks:
            task.cancel()
        for tp in list(self._halts):
            self._resume(tp)

    def halt(self, tp: TP, halt: Halt) -> None:
        """Deliver this partition no more until an operator acted."""
        if (cursor := self._consumer.close(tp)) is not None:
            cursor.is_let_go = True  # stopped in order: no record is to blame
            self._spawn(self._consumer.commit_now({tp: cursor.commit}))
        self._halts[tp] = halt
        self._health.halt(halt.name, halt.reason)
        metrics.PAUSED.labels(self._label).set(len(self._halts))
        log.critical("partition stopped", partition=f"{tp.topic}/{tp.partition}", why=halt.reason)
        if halt.hole_end is not None and tp.topic == self._raw and not self._is_watching:
            self._is_watching = True
            self._spawn(self._watch_losses())

    def gap(self, tp: TP, due: int, first: int) -> bool:
        """Stop a partition of the raw topic at a gap; False where gaps are the broker's affair."""
        if tp.topic != self._raw:
            return False
        self.halt(tp, hole(Partition(*tp), due, first, is_raw=True))
        return True

    async def look_again(self, tp: TP, due: int) -> None:
        """The broker has nothing at ``due``: stop the partition, or seek there again."""
        bounds = (await self._bounds([tp]))[tp]
        if (halt := self._whole(tp, due, bounds)) is not None:
            self.halt(tp, halt)
        else:
            await self._consumer.seek_to({tp: due})

    async def _open_all(self) -> None:
        consumer, health = self._consumer, self._health
        assigned: list[TP] = sorted(TP(*tp) for tp in consumer.assignment())
        health.waiting("partitions", f"opening {len(assigned)} partitions")
        places = await self._stage.assigned(frozenset(Partition(*tp) for tp in assigned))
        cursors = self._cursors(await self._bounds(assigned), places)
        if not isinstance(self._stage, OpensEach):
            await self._deliver(cursors)
        else:
            for count, (tp, cursor) in enumerate(cursors.items()):
                health.waiting("partitions", f"{count} of {len(assigned)} partitions are open")
                await self._open(self._stage, tp, cursor)
        if consumer.is_current(self._generation):
            health.met("partitions")
            log.info("delivering", partitions=len(cursors), generation=self._generation)

    def _cursors(
        self, bounds: Mapping[TP, Bounds], places: Mapping[Partition, int]
    ) -> dict[TP, Cursor]:
        """A cursor for each partition whose log is whole; the others stop."""
        cursors = {}
        for tp, found in bounds.items():
            due = places.get(Partition(*tp), found.committed)
            if due is None:
                due = found.start
            if (halt := self._whole(tp, due, found)) is not None:
                self.halt(tp, halt)
                continue
            left = crash_marks.decode(found.metadata)
            if left.is_open:
                metrics.UNCLEAN_ENDS.labels(self._label).inc()
                log.warning(
                    "the owner before us died", partition=f"{tp.topic}/{tp.partition}", left=left
                )
            cursors[tp] = Cursor(due, due, crash_marks.reopened(left, due, found.end))
        return cursors

    def _whole(self, tp: TP, due: int, found: Bounds) -> Halt | None:
        partition = Partition(*tp)
        return whole(partition, due, found.start, found.end, is_raw=tp.topic == self._raw)

    async def _open(self, stage: OpensEach, tp: TP, cursor: Cursor) -> None:
        try:
            await stage.open(Partition(*tp), cursor.due)
        except RefusedError as error:
            self.halt(tp, refused(tp, cursor.due, error))
        else:
            await self._deliver({tp: cursor})

    async def _deliver(self, cursors: Mapping[TP, Cursor]) -> None:
        """Seek, let the group know that these have an owner, and begin."""
        consumer = self._consumer
        for_all = {tp: cursor.due for tp, cursor in cursors.items()}
        if not for_all:
            return
        await consumer.seek_to(for_all)
        while consumer.is_current(self._generation):
            if await consumer.commit_now({tp: each.commit for tp, each in cursors.items()}):
                consumer.deliver(cursors, self._generation)
                return
            await asyncio.sleep(PAUSE)

    async def _watch_losses(self) -> None:
        """Open a partition again once an operator gave up what it lost."""
        while holes := {tp: halt for tp, halt in self._halts.items() if halt.hole_end is not None}:
            await asyncio.sleep(LOOK)
            try:
                made = await operator_decisions.read(self._consumer.app.settings)
            except (KafkaError, OSError) as error:
                log.warning("decisions cannot be read", error=repr(error))
                continue
            for tp, halt in holes.items():
                until = operator_decisions.accepted_until(made, tp.partition, halt.due)
                if halt.hole_end is not None and until >= halt.hole_end:
                    await self._go_on(tp, halt.due, halt.hole_end)
        self._is_watching = False

    async def _go_on(self, tp: TP, lost: int, due: int) -> None:
        found = (await self._bounds([tp]))[tp]
        if (halt := self._whole(tp, due, found)) is not None:
            self.halt(tp, halt)  # more was trimmed meanwhile
            return
        name = f"{tp.topic}/{tp.partition}"
        log.warning("going on without what was lost", partition=name, lost=due - lost, due=due)
        metrics.LOSSES_ACCEPTED.inc(due - lost)
        self._resume(tp)
        left = crash_marks.decode(found.metadata)
        cursor = Cursor(due, due, crash_marks.reopened(left, due, found.end))
        if isinstance(self._stage, OpensEach):
            await self._open(self._stage, tp, cursor)
        else:
            await self._deliver({tp: cursor})

    def _resume(self, tp: TP) -> None:
        self._health.resumed(self._halts.pop(tp).name)
        metrics.PAUSED.labels(self._label).set(len(self._halts))

    async def _bounds(self, tps: list[TP]) -> dict[TP, Bounds]:
        while True:
            try:
                found: dict[TP, Bounds] = await self._consumer.bounds(tps)
            except KafkaError as error:
                self._health.waiting("offsets", f"Kafka does not tell its offsets: {error!r}")
                await asyncio.sleep(PAUSE)
            else:
                self._health.met("offsets")
                return found

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._consumer.app.die("cannot open the assigned partitions", error)


def refused(tp: TP, due: int, error: RefusedError) -> Halt:
    """A partition that its stage does not trust."""
    return Halt(f"refused {tp.topic}/{tp.partition}", str(error), due)
