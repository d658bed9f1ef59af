"""A bare aiokafka loop: what one Python process can do without a framework, or promises.

Dedupe by a dict in memory that starts with random entries and that nothing restores.

python -m tests.bench.baselines.aiokafka_loop ENTRIES [--one-by-one]
"""

import asyncio
import os
import sys
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from processors.parse import raw_of
from runtime.kafka.producer import new_producer
from runtime.settings import Settings, from_env
from schemas.envelopes import Headers
from schemas.topics import CARTS, MIB, WEBHOOKS
from tests.bench.baselines.work import Work

Made = tuple[bytes, bytes, Headers]


async def run(settings: Settings, work: Work, entries: int, *, one_by_one: bool) -> None:
    """Consume, transform, produce, commit, for ever."""
    seen = {os.urandom(16): number for number in range(entries)}
    producer = new_producer(settings)
    consumer = AIOKafkaConsumer(
        settings.topic(WEBHOOKS),
        **settings.kafka(),
        group_id=f"{settings.prefix}bare",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 * MIB,
        session_timeout_ms=int(settings.session_timeout * 1000),
        max_poll_interval_ms=int(settings.session_timeout * 1000),
    )
    await producer.start()
    await consumer.start()
    out = settings.topic(CARTS)
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=2000)
        sent: list[asyncio.Future[Any]] = []
        for place, records in fetched.items():
            made = []
            for record in records:
                read = work.read(raw_of(record))
                if seen.setdefault(read.digest, record.offset) >= record.offset:
                    made.append(work.made(read))
            send = one_each if one_by_one else in_batches
            sent += await send(producer, out, place.partition, made)
        if sent:
            await asyncio.gather(*sent)
            await consumer.commit()


async def in_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, made: list[Made]
) -> list[asyncio.Future[Any]]:
    """Hand over whole batches."""
    sent = []
    batch = producer.create_batch()
    for key, value, headers in made:
        said = {"key": key, "value": value, "timestamp": None, "headers": headers}
        if batch.append(**said) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**said)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent


async def one_each(
    producer: AIOKafkaProducer, topic: str, partition: int, made: list[Made]
) -> list[asyncio.Future[Any]]:
    """Hand over record by record; the producer makes the batches."""
    return [
        await producer.send(topic, value, key, partition=partition, headers=headers)
        for key, value, headers in made
    ]


if __name__ == "__main__":
    found = from_env()
    uvloop.run(run(found, Work.of(found), int(sys.argv[1]), one_by_one="--one-by-one" in sys.argv))
