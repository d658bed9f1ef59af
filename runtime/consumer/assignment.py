"""Opens the assigned partitions of a generation one by one, and watches those that are stopped.

A partition is delivered once its offset is known, its log holds that offset, the stage has
prepared it, and its commit names an owner (see ``crash_marks.py``).
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from runtime import logs, metrics
from runtime.consumer import crash_marks
from runtime.consumer.client.thread import Bounds
from runtime.consumer.positions import Position, StoppedPartition, check_log, stopped_by_gap
from runtime.health import wait_until
from runtime.kafka import operator_decisions
from runtime.kafka.reasons import explanation
from runtime.stage import MovedError, OpensPartitions, Partition, RefusedError
from schemas.topics import WEBHOOKS

log = logs.get("hookline.delivery")

PAUSE = 1.0
DECISION_POLL = 2.0
"""Seconds between checks whether an operator has let a stopped partition go on."""


class Assignment:
    """The partitions of one generation. ``consumer`` is the BatchConsumer that delivers them."""

    def __init__(self, consumer: Any, generation: int) -> None:
        self._consumer = consumer
        self._generation = generation
        self._health = consumer.health
        self._stage = consumer.stage
        self._label = consumer.stage_label
        self._raw = consumer.app.settings.topic(WEBHOOKS)
        self._stopped: dict[TP, StoppedPartition] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_watching = False

    def begin(self) -> None:
        """Open all assigned partitions."""
        metrics.PAUSED.labels(self._label).set(0)
        metrics.UNCLEAN_ENDS.labels(self._label)
        self._spawn(self._open_all())

    def end(self) -> None:
        """End with the generation: the next owners check the partitions themselves."""
        for task in self._tasks:
            task.cancel()
        for tp in list(self._stopped):
            self._resume(tp)

    def stop_partition(self, tp: TP, stopped: StoppedPartition) -> None:
        """Stop delivering a partition until an operator acts."""
        if (position := self._consumer.close_partition(tp)) is not None:
            position.is_released = True  # stopped in order: no record is to blame
            self._spawn(self._consumer.commit_now({tp: position.commit}))
        self._stopped[tp] = stopped
        self._health.stop(stopped.name, stopped.reason)
        metrics.PAUSED.labels(self._label).set(len(self._stopped))
        log.critical(
            "partition stopped", partition=f"{tp.topic}/{tp.partition}", why=stopped.reason
        )
        if self._awaits_decision(tp, stopped) and not self._is_watching:
            self._is_watching = True
            self._spawn(self._watch_decisions())

    def _awaits_decision(self, tp: TP, stopped: StoppedPartition) -> bool:
        if stopped.refusal is not None:
            return stopped.refusal.awaits_decision
        return stopped.gap_end is not None and tp.topic == self._raw

    def stopped_offsets(self) -> dict[TP, int]:
        """Return where each stopped partition waits."""
        return {tp: stopped.next_offset for tp, stopped in self._stopped.items()}

    def gap(self, tp: TP, next_offset: int, first: int) -> bool:
        """Stop a raw partition at a gap; False for other topics, where brokers may leave gaps."""
        if tp.topic != self._raw:
            return False
        self.stop_partition(tp, stopped_by_gap(Partition(*tp), next_offset, first, is_raw=True))
        return True

    async def check_again(self, tp: TP, next_offset: int) -> None:
        """Handle an offset out of range: stop the partition, or seek there again."""
        bounds = (await self._bounds([tp]))[tp]
        if (stopped := self._check(tp, next_offset, bounds)) is not None:
            self.stop_partition(tp, stopped)
        else:
            await self._consumer.seek_to({tp: next_offset})

    async def _open_all(self) -> None:
        consumer, health = self._consumer, self._health
        assigned: list[TP] = sorted(self._without_added(TP(*tp) for tp in consumer.assignment()))
        health.waiting("partitions", f"opening {len(assigned)} partitions")
        offsets = await self._stage.assigned(frozenset(Partition(*tp) for tp in assigned))
        positions = self._positions(await self._bounds(assigned), offsets)
        if not isinstance(self._stage, OpensPartitions):
            await self._deliver(positions)
        else:
            for count, (tp, position) in enumerate(positions.items()):
                health.waiting("partitions", f"{count} of {len(assigned)} partitions are open")
                await self._open(tp, position)
        if consumer.is_current(self._generation):
            health.met("partitions")
            log.info("delivering", partitions=len(positions), generation=self._generation)

    def _without_added(self, assigned: Iterable[TP]) -> Iterator[TP]:
        """Leave out partitions that somebody added: ``partition_counts.py`` shows them."""
        for tp in assigned:
            if tp.partition < self._consumer.app.settings.partitions:
                yield tp
            else:
                log.warning("an added partition is left alone", partition=f"{tp.topic}/{tp[1]}")

    def _positions(
        self, bounds: Mapping[TP, Bounds], offsets: Mapping[Partition, int]
    ) -> dict[TP, Position]:
        """Return the positions of partitions with an intact log; stop the others.

        ``offsets``: where the stage starts instead of at the commit.
        """
        positions = {}
        for tp, bound in bounds.items():
            next_offset = offsets.get(Partition(*tp), bound.committed)
            if next_offset is None:
                next_offset = bound.start
            if (stopped := self._check(tp, next_offset, bound)) is not None:
                self.stop_partition(tp, stopped)
                continue
            previous = crash_marks.decode(bound.metadata)
            if previous.is_open:
                metrics.UNCLEAN_ENDS.labels(self._label).inc()
                log.warning(
                    "previous owner exited uncleanly",
                    partition=f"{tp.topic}/{tp.partition}",
                    metadata=previous,
                )
            metadata = crash_marks.reopened(previous, next_offset, bound.end)
            positions[tp] = Position(next_offset, next_offset, metadata)
        return positions

    def _check(self, tp: TP, next_offset: int, bounds: Bounds) -> StoppedPartition | None:
        is_raw = tp.topic == self._raw
        return check_log(Partition(*tp), next_offset, bounds.start, bounds.end, is_raw=is_raw)

    async def _open(self, tp: TP, position: Position) -> None:
        try:
            if isinstance(self._stage, OpensPartitions):
                await self._stage.open(Partition(*tp), position.next_offset)
        except RefusedError as error:
            self.stop_partition(tp, refused(tp, position.next_offset, error))
        except MovedError as moved:
            log.critical(
                "the committed offset was moved forward over deliveries that were never processed;"
                " they are processed now",
                partition=f"{tp.topic}/{tp.partition}",
                committed=position.next_offset,
                continuing_at=moved.offset,
            )
            self._health.warn(
                f"offset {tp.topic}/{tp.partition}",
                f"the committed offset was moved forward to {position.next_offset} over deliveries"
                f" that were never processed; they are processed now, from {moved.offset} on",
            )
            metadata = crash_marks.reopened(position.metadata, moved.offset, position.next_offset)
            await self._open(tp, Position(moved.offset, moved.offset, metadata))
        else:
            await self._deliver({tp: position})

    async def _deliver(self, positions: Mapping[TP, Position]) -> None:
        """Seek, commit that these partitions have an owner, and start delivery."""
        consumer = self._consumer
        offsets = {tp: position.next_offset for tp, position in positions.items()}
        if not offsets:
            return
        await consumer.seek_to(offsets)
        while consumer.is_current(self._generation):
            # The commit first: an owner that is not on record could crash unnoticed.
            commits = {tp: position.commit for tp, position in positions.items()}
            if await consumer.commit_now(commits):
                consumer.deliver(positions, self._generation)
                return
            await asyncio.sleep(PAUSE)

    async def _watch_decisions(self) -> None:
        """Reopen partitions that an operator's decision lets go on, while any wait for one."""
        while waiting := {
            tp: each for tp, each in self._stopped.items() if self._awaits_decision(tp, each)
        }:
            await asyncio.sleep(DECISION_POLL)
            try:
                decisions = await operator_decisions.read_all(self._consumer.app.settings)
            except (KafkaError, OSError) as error:
                log.warning("decisions cannot be read", error=repr(error))
                continue
            for tp, stopped in waiting.items():
                offset = stopped.continues_at(tp.partition, decisions)
                if offset is not None:
                    await self._reopen(tp, stopped.next_offset, offset)
        self._is_watching = False

    async def _reopen(self, tp: TP, lost_from: int, next_offset: int) -> None:
        """Open a partition after its gap, [lost_from, next_offset)."""
        bounds = (await self._bounds([tp]))[tp]
        if (stopped := self._check(tp, next_offset, bounds)) is not None:
            self.stop_partition(tp, stopped)  # more was trimmed meanwhile
            return
        name, lost = f"{tp.topic}/{tp.partition}", next_offset - lost_from
        log.warning("continuing as an operator decided", partition=name, lost=lost, at=next_offset)
        metrics.LOSSES_ACCEPTED.inc(lost)
        self._resume(tp)
        previous = crash_marks.decode(bounds.metadata)
        metadata = crash_marks.reopened(previous, next_offset, bounds.end)
        await self._open(tp, Position(next_offset, next_offset, metadata))

    def _resume(self, tp: TP) -> None:
        self._health.resumed(self._stopped.pop(tp).name)
        metrics.PAUSED.labels(self._label).set(len(self._stopped))

    def _why(self, error: BaseException) -> str:
        return explanation(error, self._consumer.app.settings, "Describe") or repr(error)

    async def _bounds(self, tps: list[TP]) -> dict[TP, Bounds]:
        return await wait_until(
            self._health,
            "offsets",
            lambda: self._consumer.bounds(tps),
            (KafkaError, OSError),
            lambda error: f"Kafka does not return its offsets: {self._why(error)}",
        )

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._consumer.app.die("cannot open the assigned partitions; exiting", error)


def refused(tp: TP, next_offset: int, error: RefusedError) -> StoppedPartition:
    """Describe a partition that its stage refused."""
    name = f"refused {tp.topic}/{tp.partition}"
    return StoppedPartition(name, str(error), next_offset, refusal=error)
