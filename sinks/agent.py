"""The sinks: decode -> fold -> one transaction -> acknowledge."""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from runtime import logs, metrics
from runtime.health import Health
from runtime.registry import load_codec
from runtime.settings import Settings
from runtime.stage import Batch, MovedError, Partition
from runtime.worker import EXIT_CRASHED, run_worker
from schemas.codec import Codec
from schemas.events import CartSignal, Event, Micros
from schemas.topics import CANONICAL, Group, Topic
from sinks import fences, rejects, store
from sinks.database import Database, NoLongerWantedError
from sinks.locks import MoreKeysError
from sinks.log import Log, event_id
from sinks.migrate import check
from sinks.rejects import Reject
from sinks.signals import Relay
from sinks.sweep import Sweep

log = logs.get("hookline.sinks")

_PAUSE = 1.0
_REFUSED = (psycopg.DataError, psycopg.IntegrityError)
"""SQLSTATE classes 22 and 23: the database refuses what a record says."""


class StrangeLogError(RuntimeError):
    """A topic is not the one that the tables were made of; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A canonical record and the event in it."""

    record: Any
    event: Event


def now() -> Micros:
    """This host's clock."""
    return time.time_ns() // 1000


class Sinks:
    """The stage that keeps the tables. ``codec`` and ``clock`` are given by tests."""

    topics: tuple[Topic, ...] = CANONICAL
    group = Group.SINKS

    def __init__(
        self,
        codec: Codec | None = None,
        clock: Callable[[], Micros] = now,
        *,
        in_background: bool = True,
    ) -> None:
        self._codec = codec
        self._clock = clock
        self._in_background = in_background
        self._tasks: list[asyncio.Task[None]] = []
        self._cluster_id: str | None = None

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect. Raises UnmigratedError; waits out a database and a registry that are away."""
        self._settings, self._health = settings, health
        self._database = Database(settings, health, f"hookline-sinks-{uuid.uuid4().hex[:12]}")
        await self._database.run(lambda connection: check(connection, settings.sql_schema))
        if self._codec is None:
            self._codec = await load_codec(settings, health)
        if self._in_background:
            self._spawn(Sweep(settings, health, self._clock).run())
            self._spawn(Relay(settings, health, self._codec).run())

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """The fences to start from. Raises StrangeLogError where a log is not the one stored."""
        order = sorted(partitions, key=lambda p: (p.topic, p.number))
        held = await self._database.run(
            lambda connection: fences.take_over(connection, order, self._database.name)
        )
        while True:
            try:
                await self._identify(held)
            except (KafkaError, OSError) as error:
                self._health.waiting("kafka", f"the log cannot be compared: {error}")
                await asyncio.sleep(_PAUSE)
            else:
                self._health.met("kafka")
                return {partition: fence.next_offset for partition, fence in held.items()}

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Nothing is kept between batches."""

    async def handle(self, batch: Batch) -> None:
        """One batch, one transaction. Raises MovedError where the fence stands elsewhere."""
        arrived, refused = self._decode(batch)
        extra: frozenset[str] = frozenset()
        one_by_one = False
        while True:
            work = _Transaction(
                batch, arrived, refused, extra, self._cluster_id, self._clock, one_by_one
            )
            try:
                await self._database.run(work.run, batch.is_current)
            except MoreKeysError as error:
                metrics.TRANSACTIONS.labels("retried").inc()
                extra |= error.keys
            except MovedError:
                metrics.TRANSACTIONS.labels("moved").inc()
                raise
            except NoLongerWantedError:
                return
            except _REFUSED as error:
                if one_by_one:
                    raise
                log.warning("batch refused, taken apart", sqlstate=error.sqlstate)
                one_by_one = True
            else:
                metrics.TRANSACTIONS.labels("committed").inc()
                for each in work.refused:
                    metrics.SINK_REJECTS.labels(each.topic).inc()
                return

    async def stop(self) -> None:
        """Let go of connections and background work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._database.close()

    def _decode(self, batch: Batch) -> tuple[list[Arrived], list[Reject]]:
        if self._codec is None:
            raise RuntimeError("the sinks have not been started")
        arrived: list[Arrived] = []
        refused: list[Reject] = []
        for record in batch.records:
            try:
                event = self._codec.decode(record.value)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this record's
                refused.append(rejects.reject(record, "decode", type(error).__name__))
                continue
            if isinstance(event, CartSignal):
                refused.append(rejects.reject(record, "decode", "a signal is no entity"))
                continue
            arrived.append(Arrived(record, event))  # type: ignore[arg-type]  # not a signal
        return arrived, refused

    async def _identify(self, held: Mapping[Partition, fences.Fence]) -> None:
        async with Log(self._settings) as kafka:
            self._cluster_id = await kafka.cluster_id()
            ends = await kafka.ends(*CANONICAL)
            for partition, fence in held.items():
                place = f"{partition.topic}-{partition.number}"
                remedy = "was the topic recreated? restore it, or run `hookline rebuild`"
                if fence.cluster_id not in (None, self._cluster_id):
                    raise StrangeLogError(
                        f"{place}: stored from cluster {fence.cluster_id},"
                        f" this is {self._cluster_id}: {remedy}"
                    )
                if fence.next_offset > ends.get(partition, 0):
                    raise StrangeLogError(
                        f"{place}: stored up to {fence.next_offset}, the log ends at"
                        f" {ends.get(partition, 0)}: {remedy}"
                    )
                if fence.last_event_id is None:
                    continue
                found = await kafka.event_id(partition, fence.next_offset - 1)
                if found != fence.last_event_id:
                    raise StrangeLogError(
                        f"{place}: at {fence.next_offset - 1} stands event {found}, stored was"
                        f" {fence.last_event_id}: {remedy}"
                    )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        task.add_done_callback(_ended)


class _Transaction:
    """A batch's transaction, as often as it must be tried."""

    def __init__(
        self,
        batch: Batch,
        arrived: Sequence[Arrived],
        undecoded: Sequence[Reject],
        extra: frozenset[str],
        cluster_id: str | None,
        clock: Callable[[], Micros],
        one_by_one: bool,
    ) -> None:
        self._batch, self._arrived, self._undecoded = batch, arrived, undecoded
        self._extra, self._cluster_id, self._clock = extra, cluster_id, clock
        self._one_by_one = one_by_one
        self.refused: list[Reject] = []

    async def run(self, connection: AsyncConnection[Any]) -> None:
        batch = self._batch
        self.refused = list(self._undecoded)
        last = event_id(batch.records[-1].headers) if batch.records else None
        if not await fences.move(
            connection, batch.partition, batch.offset, batch.end, self._cluster_id, last
        ):
            fence = await fences.read(connection, batch.partition)
            if fence.next_offset == batch.end:
                return  # our own commit, whose answer was lost
            raise MovedError(fence.next_offset)
        if self._one_by_one:
            await self._halves(connection, self._arrived)
        elif self._arrived:
            await self._apply(connection, self._arrived)
        await rejects.write(connection, batch.partition, self.refused)

    async def _apply(self, connection: AsyncConnection[Any], arrived: Sequence[Arrived]) -> None:
        events = [each.event for each in arrived]
        await store.apply(connection, events, self._extra, self._clock)

    async def _halves(self, connection: AsyncConnection[Any], arrived: Sequence[Arrived]) -> None:
        if not arrived:
            return
        try:
            async with connection.transaction():
                await self._apply(connection, arrived)
        except _REFUSED as error:
            if len(arrived) == 1:
                reason = error.sqlstate or "22000"
                self.refused.append(rejects.reject(arrived[0].record, reason, type(error).__name__))
                return
            middle = len(arrived) // 2
            await self._halves(connection, arrived[:middle])
            await self._halves(connection, arrived[middle:])


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("background work of the sinks ended", exc_info=error)
        logging.shutdown()
        os._exit(EXIT_CRASHED)


def run(settings: Settings) -> None:
    """Run the sinks until SIGTERM or SIGINT."""
    run_worker(settings, Sinks())
