"""A plain client beside the stages, and the longest time in which it could not work."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.settings import Settings
from schemas.topics import Group

PAUSE = 0.1
"""Seconds between two rounds."""
ANSWER_MS = 5000
"""Of the plain client, in milliseconds: with aiokafka's 40 s it would wait for itself."""
PARTITIONS = 6


class Silence:
    """The longest time between two signs of life, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last: float | None = None

    def heard(self) -> None:
        """Note a sign of life."""
        now = time.monotonic()
        if self._last is not None:
            self.longest = max(self.longest, now - self._last)
        self._last = now


@asynccontextmanager
async def plain_client(settings: Settings, rival: Group) -> AsyncIterator[Silence]:
    """Let a plain client work as long as the block runs; its silences.

    It appends a record with acks=all, reads it in a group and commits, then the next. Its group
    has the coordinator of ``rival``; its topic has leaders on every broker.
    """
    name = f"plain-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": settings.brokers})
    topic = NewTopic(
        name, PARTITIONS, settings.replication_factor, config={"min.insync.replicas": "2"}
    )
    await asyncio.to_thread(admin.create_topics([topic])[name].result)
    silence = Silence()
    working = asyncio.create_task(_work(settings, name, _sibling(settings.prefix + rival), silence))
    try:
        yield silence
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        silence.heard()


async def _work(settings: Settings, topic: str, group: str, silence: Silence) -> None:
    common: dict[str, Any] = {
        "bootstrap_servers": settings.brokers,
        "request_timeout_ms": ANSWER_MS,
        "metadata_max_age_ms": 5000,
    }
    producer = AIOKafkaProducer(**common, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(
        topic, **common, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        session_timeout_ms=10_000, heartbeat_interval_ms=3000,
    )  # fmt: skip
    await producer.start()
    await consumer.start()
    number = 0
    try:
        while True:
            try:
                await _round(producer, consumer, topic, number)
            except (KafkaError, TimeoutError):
                await asyncio.sleep(PAUSE)
                continue
            silence.heard()
            number += 1
            await asyncio.sleep(PAUSE)
    finally:
        await asyncio.gather(consumer.stop(), producer.stop(), return_exceptions=True)


async def _round(
    producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str, number: int
) -> None:
    """Append a record, read it, commit it."""
    await producer.send_and_wait(topic, str(number).encode(), partition=number % PARTITIONS)
    while True:
        fetched = await consumer.getmany(timeout_ms=1000)
        if any(record.value == str(number).encode() for b in fetched.values() for record in b):
            await consumer.commit()
            return


def _sibling(group: str, partitions: int = 4) -> str:
    """Another group whose offsets stand in the same partition: it has the same coordinator."""
    wanted = _java_hash(group) % partitions
    names = (f"plain-{uuid.uuid4().hex[:8]}" for _ in range(1000))
    return next(name for name in names if _java_hash(name) % partitions == wanted)


def _java_hash(text: str) -> int:
    """Java's ``hashCode`` without its sign, as Kafka places groups."""
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    signed = value - (1 << 32) if value >= 1 << 31 else value
    return 0 if signed == -(1 << 31) else abs(signed)  # Utils.abs
