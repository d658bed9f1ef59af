"""The sinks stage: decode, merge, write in one transaction, acknowledge."""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from runtime import logs
from runtime.health import Health, wait_until
from runtime.kafka import topics_admin
from runtime.registry.newer_schemas import NewerSchemas
from runtime.registry.schema_ids import load_codec
from runtime.sentences import sentence
from runtime.settings import Settings
from runtime.stage import Batch, Partition
from runtime.traces import Traces, spanning, traces_of
from runtime.worker import EXIT_CRASHED, run_worker
from schemas.codec import Codec
from schemas.envelopes import TRACEPARENT
from schemas.events import Micros
from schemas.topics import (
    CANONICAL,
    CART_SIGNALS,
    CONTACTS,
    DEAD_LETTERS,
    ERASURES,
    INGRESS,
    WEBHOOKS,
    Group,
    Topic,
)
from sinks.dead_letters.counter import LetterCounter
from sinks.erasure.follower import ErasureFollower
from sinks.log import Log
from sinks.outbox.relay import Relay
from sinks.postgres import rights
from sinks.postgres.migrate import check
from sinks.postgres.session import Database
from sinks.store import log_identity, stored_offsets
from sinks.store.batch_transaction import DecodedBatches
from sinks.store.batch_writer import Writer
from sinks.store.log_identity import LogMismatchError
from sinks.watermark import visible_seconds
from sinks.watermark.sweep import Sweep

log = logs.get("hookline.sinks")


def now() -> Micros:
    """Return the time of this host."""
    return time.time_ns() // 1000


class Sinks:
    """The stage that writes the tables. Tests pass ``codec`` and ``clock``."""

    topics: tuple[Topic, ...] = CANONICAL
    used: Mapping[Topic, str] = {
        **dict.fromkeys((*CANONICAL, INGRESS, DEAD_LETTERS, CART_SIGNALS, ERASURES), "Read"),
        WEBHOOKS: "Describe",
    }
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
        self._opened = AsyncExitStack()
        self._cluster_id: str | None = None
        self._mismatches: Mapping[Partition, str] = {}
        self._writer: Writer | None = None
        self._traces: Traces | None = None

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect, waiting for database and registry.

        Raises MissingRightError, UnmigratedError or TopicsError.
        """
        self._settings, self._health = settings, health
        self._traces = traces_of(settings, "sinks", self._opened)
        self._database = Database(settings, health, f"hookline-sinks-{uuid.uuid4().hex[:12]}")
        self._opened.push_async_callback(self._database.close)
        await self._database.run(self._check)
        if self._codec is None:
            await topics_admin.check_topics(settings, health, self.used)
            self._codec = await load_codec(settings, health)
        learn = NewerSchemas(settings, health, self._codec).learn
        self._writer = Writer(
            self._database, self._codec, self._clock, learn=learn,
            committed=partial(visible_seconds.observe, clock=self._clock),
        )  # fmt: skip
        if self._in_background:
            await self._follow_erasures()
            self._spawn(Sweep(settings, health, self._clock).run())
            self._spawn(Relay(settings, health, self._codec).run())
            self._spawn(LetterCounter(settings, health).run())

    async def _follow_erasures(self) -> None:
        """Apply the ledger before any row is written, then follow it."""
        erasures = ErasureFollower(self._settings, self._health, self._clock)
        self._opened.push_async_callback(erasures.close)
        await erasures.catch_up()
        self._spawn(erasures.run())

    async def _check(self, connection: AsyncConnection[Any]) -> None:
        schema = self._settings.sql_schema
        await rights.check(connection, schema)
        await check(connection, schema)
        if (owner := await rights.owned_by(connection, schema)) is not None:
            log.warning("a sink needs no more than the role hookline_sink", user=owner)

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """Take the partitions over; return their stored offsets, from which to continue."""
        order = sorted(partitions, key=lambda p: (p.topic, p.number))
        stored = await self._database.run(
            lambda connection: stored_offsets.take_over(connection, order, self._database.name)
        )

        trimmed: dict[Partition, int] = {}

        async def compare() -> None:
            async with Log(self._settings) as kafka:
                self._cluster_id = await kafka.cluster_id()
                starts = await kafka.starts(CONTACTS)
                trimmed.update({p: starts[p] for p in partitions & starts.keys()})
                self._mismatches = await log_identity.mismatches(kafka, stored, self._cluster_id)

        await wait_until(
            self._health,
            "kafka",
            compare,
            (KafkaError, OSError),
            lambda error: f"the log cannot be compared: {error}",
        )
        await self._database.run(lambda c: stored_offsets.skip_trimmed(c, trimmed))
        return {p: max(offset.next_offset, trimmed.get(p, 0)) for p, offset in stored.items()}

    async def open(self, partition: Partition, due: int) -> None:  # noqa: ARG002 - already given
        """Raise LogMismatchError where the log is not the one that the tables were built from."""
        if (mismatch := self._mismatches.get(partition)) is not None:
            raise LogMismatchError(mismatch)

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Do nothing: no state is kept between batches."""

    async def handle(self, batch: Batch) -> None:
        """Store a batch in one transaction. Raises MovedError where its start is not due."""
        with spanning(self._traces, "store", [batch], _traceparents([batch])):
            await self._ready.store([batch], self._cluster_id)

    async def prepare(self, batches: Sequence[Batch]) -> DecodedBatches:
        """Decode and plan batches while an earlier transaction waits for the database."""
        return await self._ready.prepare(batches)

    async def handle_prepared(self, prepared: DecodedBatches) -> None:
        """Store several batches in one transaction: one commit costs less than many."""
        with spanning(self._traces, "store", prepared.batches, _traceparents(prepared.batches)):
            await self._ready.write(prepared, self._cluster_id)

    @property
    def _ready(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("the sinks have not been started")
        return self._writer

    async def stop(self) -> None:
        """Cancel the background work and close the connections that were opened."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._opened.aclose()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        task.add_done_callback(_exit_if_failed)


def _traceparents(batches: Sequence[Batch]) -> Iterator[bytes | None]:
    for batch in batches:
        yield from (dict(record.headers).get(TRACEPARENT) for record in batch.records)


def _exit_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        if (why := sentence(error)) is not None:
            log.critical("background work of the sinks ended", why=why)
        else:
            log.critical("background work of the sinks ended", exc_info=error)
        logging.shutdown()
        os._exit(EXIT_CRASHED)


def run(settings: Settings) -> None:
    """Run the sinks until SIGTERM or SIGINT."""
    run_worker(settings, Sinks())
