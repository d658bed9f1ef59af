"""Raw deliveries appended straight to Kafka, and outcomes read back: for tests of the stages."""

import asyncio
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import OUTCOMES, WEBHOOKS


@dataclass(frozen=True, slots=True)
class Raw:
    """One delivery as the ingress would append it."""

    source: str
    shop: str
    entity: str
    body: bytes
    event: str = ""
    content_type: str = "application/json"
    delivery_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def key(self) -> bytes:
        return f"{self.source}/{self.shop}/{self.entity}".encode()

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [
            (envelopes.DELIVERY, self.delivery_id.encode()),
            (envelopes.SOURCE, self.source.encode()),
            (envelopes.SHOP, self.shop.encode()),
            (envelopes.EVENT, self.event.encode()),
            (envelopes.RECEIVED_US, b"%d" % (time.time_ns() // 1000)),
            (envelopes.CONTENT_TYPE, self.content_type.encode()),
        ]


async def append(settings: Settings, deliveries: Iterable[Raw]) -> list[tuple[int, int]]:
    """Append in order; (partition, offset) of each."""
    producer = new_producer(settings, linger_ms=2)
    await producer.start()
    try:
        sent = [
            await producer.send(
                settings.topic(WEBHOOKS), value=raw.body, key=raw.key, headers=raw.headers
            )
            for raw in deliveries
        ]
        return [(said.partition, said.offset) for said in await asyncio.gather(*sent)]
    finally:
        await producer.stop()


async def outcomes(settings: Settings) -> list[Any]:
    """Every record that now stands in the outcome topics, by topic, partition and offset."""
    return await records(settings, [settings.topic(topic) for topic in OUTCOMES])


async def records(settings: Settings, topics: list[str]) -> list[Any]:
    """Every record that now stands in these topics, by topic, partition and offset."""
    reader = AIOKafkaConsumer(**settings.kafka(), enable_auto_commit=False, group_id="never-joined")
    await reader.start()
    try:
        keys = [TopicPartition(topic, n) for topic in topics for n in range(settings.partitions)]
        ends = await reader.end_offsets(keys)
        starts = await reader.beginning_offsets(keys)
        left = {key for key in keys if starts[key] < ends[key]}
        found: list[Any] = []
        reader.assign(keys)
        for key in keys:
            reader.seek(key, starts[key])
        while left:
            for key, fetched in (await reader.getmany(*left, timeout_ms=200)).items():
                found += [record for record in fetched if record.offset < ends[key]]
            for key in tuple(left):  # by position: the last offset may be a transaction marker
                if await reader.position(key) >= ends[key]:
                    left.discard(key)
        return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))
    finally:
        await reader.stop()


async def wait_for_outcomes(settings: Settings, count: int, seconds: float = 60.0) -> list[Any]:
    """The outcomes, once ``count`` of them stand."""
    async with asyncio.timeout(seconds):
        while True:
            found = await outcomes(settings)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.3)
