"""Signals from the outbox to Kafka: in order for each cart, marked once they are acknowledged.

What was acknowledged but not marked when a relay died is read back by the next one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from runtime import logs, metrics
from runtime.health import Health
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas.codec import Codec
from schemas.events import CartSignal
from schemas.topics import CART_SIGNALS
from sinks.log import Log
from sinks.outbox import sent_signals
from sinks.postgres.leader_lock import Leader

log = logs.get("hookline.sinks.signals")

_MANY = 200
_PAUSE = 1.0
_STILL_HERE = 5.0
"""Seconds of waiting for Kafka after which the session must be used, or it ends."""
_CONDITION = "kafka-signals"
_CLOCKS_APART_MS = 3_600_000
"""How far the broker's clock may lie behind the database's."""

_WAITING = """
    SELECT position, record FROM outbox
    WHERE NOT EXISTS (SELECT FROM sent_signals WHERE sent_signals.signal_id = outbox.signal_id)
    ORDER BY position LIMIT %s
"""
_MARK = """
    WITH gone AS (DELETE FROM outbox WHERE position = ANY(%s) RETURNING signal_id)
    INSERT INTO sent_signals (signal_id) SELECT signal_id FROM gone ON CONFLICT DO NOTHING
"""
_LAST = "SELECT (extract(epoch FROM max(sent_at)) * 1000)::bigint FROM sent_signals"
_FORGET = """
    DELETE FROM outbox USING sent_signals WHERE sent_signals.signal_id = outbox.signal_id
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A signal in the outbox."""

    position: int
    signal: CartSignal


class Relay:
    """Sends what stands in the outbox. One relay of all processes works at a time."""

    def __init__(self, settings: Settings, health: Health, codec: Codec) -> None:
        self._topic = settings.topic(CART_SIGNALS)
        self._settings, self._health, self._codec = settings, health, codec
        self._leader = Leader(settings, health, "signals")
        self._producer: AIOKafkaProducer | None = None
        self._term = 0  # whose predecessor's signals have been read back

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            while True:
                if await self.step() < _MANY:
                    await asyncio.sleep(_PAUSE)
        finally:
            await self._leader.close()
            if self._producer is not None:
                # Waits for what is on the wire, so that nothing follows this process's end.
                await self._producer.stop()

    async def step(self) -> int:
        """Send the signals that wait, a few at most; return how many were sent and marked."""
        waiting = await self._leader.run(_waiting)
        while waiting and self._term != (term := self._leader.terms):
            await self._read_back()
            self._term = term
            waiting = await self._leader.run(_waiting)
        if not waiting:
            return 0
        producer = await self._started()
        sending = [
            await producer.send(self._topic, **self._encoded(each.signal)) for each in waiting
        ]
        for acknowledged in sending:
            await self._acknowledged(acknowledged)
        if await self._leader.run(partial(_mark, waiting)) is None:
            return 0  # another relay leads now: it reads back what it does not find marked
        for each in waiting:
            metrics.SIGNALS.labels(each.signal.kind.value).inc()
        return len(sending)

    async def _read_back(self) -> None:
        """Note what stands in Kafka behind the last signal known to be sent.

        A relay before this one may have been killed before it marked what it had sent, and a
        database restored from a backup knows less than was sent.
        """
        last = await self._leader.run(_last)
        since = None if last is None else last - _CLOCKS_APART_MS
        while True:
            try:
                async with Log(self._settings) as kafka:
                    async for found in sent_signals.read_back(kafka, self._codec, since):
                        await self._leader.run(partial(sent_signals.note, signal_ids=sorted(found)))
            except (KafkaError, OSError) as error:
                await self._wait(str(error))
            else:
                self._health.met(_CONDITION)
                return

    async def _started(self) -> AIOKafkaProducer:
        while self._producer is None:
            producer = new_producer(self._settings)
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                await producer.stop()
                await self._wait(str(error))
            else:
                self._producer = producer
        self._health.met(_CONDITION)
        return self._producer

    async def _acknowledged(self, acknowledged: "asyncio.Future[Any]") -> None:
        """Wait on the same producer for as long as it takes: it repeats without doubling."""
        while not acknowledged.done():
            await asyncio.wait([acknowledged], timeout=_STILL_HERE)
            if not acknowledged.done():
                await self._wait("a signal is not acknowledged yet")
        acknowledged.result()
        self._health.met(_CONDITION)

    async def _wait(self, reason: str) -> None:
        self._health.waiting(_CONDITION, reason)
        log.warning("signals wait for kafka", reason=reason)
        await self._leader.run(_here)
        await asyncio.sleep(_PAUSE)

    def _encoded(self, signal: CartSignal) -> dict[str, Any]:
        return {"key": signal.cart_key.encode(), "value": self._codec.encode(signal)}


async def _waiting(connection: AsyncConnection[Any]) -> list[Waiting]:
    await connection.execute(_FORGET)
    count = await (await connection.execute("SELECT count(*) FROM outbox")).fetchone()
    metrics.SIGNALS_WAITING.set(0 if count is None else count[0])
    cursor = await connection.execute(_WAITING, [_MANY])
    return [
        Waiting(position, msgspec.convert(record, CartSignal)) async for position, record in cursor
    ]


async def _mark(acknowledged: Sequence[Waiting], connection: AsyncConnection[Any]) -> bool:
    await connection.execute(_MARK, [[each.position for each in acknowledged]])
    return True


async def _last(connection: AsyncConnection[Any]) -> int | None:
    row = await (await connection.execute(_LAST)).fetchone()
    return None if row is None else row[0]


async def _here(connection: AsyncConnection[Any]) -> bool:
    await connection.execute("SELECT")
    return True
