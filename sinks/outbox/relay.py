"""The relay: sends the outbox's signals to Kafka, in order for each cart, and marks them as sent.

Marked are acknowledged signals only. Those that a relay left unmarked when it died are read
back from the topic by the next leader.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.partitioner import murmur2
from psycopg import AsyncConnection

from runtime import logs, metrics
from runtime.health import Health
from runtime.kafka.producer import new_producer
from runtime.kafka.reasons import explained, explanation
from runtime.settings import Settings
from schemas.codec import Codec
from schemas.events import CartSignal
from schemas.topics import CART_SIGNALS
from sinks.log import Log
from sinks.postgres.session import Leader

log = logs.get("hookline.sinks.signals")

_BATCH = 200
_PAUSE = 1.0
_KEEPALIVE = 5.0
"""Seconds between uses of the leader's session, which ends when it is idle for too long."""
_CONDITION = "kafka-signals"
_CLOCK_SKEW_MS = 3_600_000
"""How far the broker's clock may be behind the database's."""

_UNSENT = """
    SELECT position, record FROM outbox
    WHERE NOT EXISTS (SELECT FROM sent_signals WHERE sent_signals.signal_id = outbox.signal_id)
    ORDER BY position LIMIT %s
"""
_MARK = """
    WITH sent AS (DELETE FROM outbox WHERE position = ANY(%s) RETURNING signal_id)
    INSERT INTO sent_signals (signal_id) SELECT signal_id FROM sent ON CONFLICT DO NOTHING
"""
_INSERT = """
    INSERT INTO sent_signals (signal_id) SELECT * FROM unnest(%s::uuid[]) ON CONFLICT DO NOTHING
"""
_LAST_SENT_AT = "SELECT (extract(epoch FROM max(sent_at)) * 1000)::bigint FROM sent_signals"
_DELETE_SENT = """
    DELETE FROM outbox USING sent_signals WHERE sent_signals.signal_id = outbox.signal_id
"""


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class UnsentSignal:
    """A row of the outbox."""

    position: int
    signal: CartSignal


class Relay:
    """Sends the signals of the outbox. One relay of all processes leads at a time."""

    def __init__(self, settings: Settings, health: Health, codec: Codec) -> None:
        self._topic = settings.topic(CART_SIGNALS)
        self._settings, self._health, self._codec = settings, health, codec
        self._leader = Leader(settings, health, "signals")
        self._producer: AIOKafkaProducer | None = None
        self._term = 0  # the leader's term in which the topic was last read back
        self._is_denied = False  # until a signal is acknowledged

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            while True:
                if await self.step() < _BATCH:
                    await asyncio.sleep(_PAUSE)
        finally:
            await self._leader.close()
            if self._producer is not None:
                # Flushes, so that no signal is appended after this process has ended.
                await self._producer.stop()

    async def step(self) -> int:
        """Send one batch of unsent signals; return how many were sent and marked."""
        unsent = await self._leader.run(_unsent)
        while unsent and self._term != (term := self._leader.terms):
            await self._read_back()
            self._term = term
            unsent = await self._leader.run(_unsent)
        if not unsent:
            self._allowed()
            if unsent is None:
                metrics.unset(metrics.SIGNALS_WAITING)  # the leader counts them
            return 0
        producer = await self._ready_producer()
        sending = [await self._send(producer, row.signal) for row in unsent]
        try:
            for acknowledged in sending:
                await self._acknowledged(acknowledged)
        except TopicAuthorizationFailedError as error:
            await self._start_over(sending, error)
            return 0
        if await self._leader.run(partial(_mark, unsent)) is None:
            return 0  # another relay leads now, and reads back what was not marked
        for row in unsent:
            metrics.SIGNALS.labels(row.signal.kind.value).inc()
        return len(sending)

    async def _read_back(self) -> None:
        """Record as sent what the topic holds after the last signal that is known to be sent.

        An earlier relay may have been killed before it marked what it had sent, and a database
        restored from a backup knows less than was sent.
        """
        last = await self._leader.run(_last_sent_at)
        since = None if last is None else last - _CLOCK_SKEW_MS
        await self._retry(lambda: self._record_sent_since(since))

    async def _record_sent_since(self, since_ms: int | None) -> None:
        async with Log(self._settings) as kafka:
            if since_ms is None:
                start = await kafka.starts(CART_SIGNALS)
            else:
                start = await kafka.since(CART_SIGNALS, since_ms)
            async for fetched in kafka.read(start, await kafka.ends(CART_SIGNALS)):
                ids = {
                    self._signal_id(record) for records in fetched.values() for record in records
                }
                await self._leader.run(partial(_insert, sorted(filter(None, ids))))

    def _signal_id(self, record: Any) -> str | None:
        try:
            signal = self._codec.decode(record.value)
            return str(UUID(signal.signal_id)) if isinstance(signal, CartSignal) else None
        except Exception as error:  # noqa: BLE001 - a foreign record can fail in any way
            log.warning("not a cart signal", offset=record.offset, reason=type(error).__name__)
            return None

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await self._retry(self._start_producer)
        return self._producer

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = new_producer(self._settings)
        try:
            async with explained(self._settings, "Write"):
                await self._start(producer)
        except (KafkaError, OSError):
            await producer.stop()
            raise
        return producer

    async def _start(self, producer: AIOKafkaProducer) -> None:
        try:
            await producer.start()
        except ClusterAuthorizationFailedError as error:
            # Asked of who may write to no topic: this is the only one of the sinks'.
            raise TopicAuthorizationFailedError(self._topic) from error

    async def _send(self, producer: AIOKafkaProducer, signal: CartSignal) -> "asyncio.Future[Any]":
        """Queue a signal, in its turn; waits where the topic has no leader or the queue is full."""
        record = self._record(signal)
        return await self._retry(lambda: producer.send(self._topic, **record))

    async def _acknowledged(self, acknowledged: "asyncio.Future[Any]") -> None:
        """Wait for as long as it takes: this producer repeats a request without duplicates."""
        while not acknowledged.done():
            await asyncio.wait([acknowledged], timeout=_KEEPALIVE)
            if not acknowledged.done():
                await self._wait("a signal is not acknowledged yet")
        acknowledged.result()
        self._allowed()

    async def _start_over(self, sending: "list[asyncio.Future[Any]]", error: KafkaError) -> None:
        """Show the missing right, and read back before the next attempt what was appended.

        The sequence numbers of what was refused are used up: this producer can send no more.
        """
        await asyncio.wait(sending)
        if self._producer is not None:
            await self._producer.stop()  # every send is answered: nothing is flushed
        self._producer, self._term, self._is_denied = None, 0, True
        await self._wait(explanation(error, self._settings, "Write") or repr(error))

    async def _retry(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat an attempt until Kafka is available; return its result."""
        while True:
            try:
                result = await attempt()
            except (KafkaError, OSError) as error:
                why = explanation(error, self._settings, "Write") or str(error) or repr(error)
                await self._wait(why)
            else:
                if not self._is_denied:
                    self._health.met(_CONDITION)
                return result

    def _allowed(self) -> None:
        self._is_denied = False
        self._health.met(_CONDITION)

    async def _wait(self, reason: str) -> None:
        if self._health.unmet.get(_CONDITION) != reason:  # once, not in every attempt
            log.warning("signals wait for kafka", reason=reason)
        self._health.waiting(_CONDITION, reason)
        await self._leader.run(_keep_alive)
        await asyncio.sleep(_PAUSE)

    def _record(self, signal: CartSignal) -> dict[str, Any]:
        key = signal.cart_key.encode()
        # As Kafka's default partitioner, but never a partition that somebody added.
        partition = (murmur2(key) & 0x7FFFFFFF) % self._settings.partitions
        return {"key": key, "value": self._codec.encode(signal), "partition": partition}


async def _unsent(connection: AsyncConnection[Any]) -> list[UnsentSignal]:
    await connection.execute(_DELETE_SENT)
    count = await (await connection.execute("SELECT count(*) FROM outbox")).fetchone()
    metrics.SIGNALS_WAITING.set(0 if count is None else count[0])
    cursor = await connection.execute(_UNSENT, [_BATCH])
    return [
        UnsentSignal(position, msgspec.convert(record, CartSignal))
        async for position, record in cursor
    ]


async def _mark(acknowledged: Sequence[UnsentSignal], connection: AsyncConnection[Any]) -> bool:
    await connection.execute(_MARK, [[row.position for row in acknowledged]])
    return True


async def _insert(signal_ids: list[str], connection: AsyncConnection[Any]) -> bool:
    await connection.execute(_INSERT, [signal_ids])
    return True


async def _last_sent_at(connection: AsyncConnection[Any]) -> int | None:
    row = await (await connection.execute(_LAST_SENT_AT)).fetchone()
    return None if row is None else row[0]


async def _keep_alive(connection: AsyncConnection[Any]) -> bool:
    await connection.execute("SELECT")
    return True
