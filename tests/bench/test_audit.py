"""How fast the audit counts: synthetic deliveries with one outcome each, audited as users do."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest
from aiokafka import AIOKafkaProducer

from runtime.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes as names
from schemas.envelopes import Headers
from schemas.topics import CARTS, DEAD_LETTERS, DUPLICATES, ORDERS, WEBHOOKS, Topic
from tests.conftest import LiveStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

DELIVERIES = int(os.environ.get("DELIVERIES", "500000"))
BODY = b"x" * 600
SHARES: tuple[tuple[Topic, str, range], ...] = (
    (ORDERS, "order", range(14)),
    (CARTS, "cart", range(14, 18)),
    (DUPLICATES, names.DUPLICATE_SLOT, range(18, 19)),
    (DEAD_LETTERS, names.DEAD_SLOT, range(19, 20)),
)
"""Of twenty deliveries, which have their outcome where."""

Record = tuple[bytes, Headers]


def raws(count: int) -> Iterator[Record]:
    for offset in range(count):
        key = b"run-free/lakeside/order:%d" % offset
        yield (
            key,
            [
                (names.DELIVERY, str(uuid.UUID(int=offset)).encode()),
                (names.SOURCE, b"run-free"),
                (names.SHOP, b"lakeside-%d" % (offset % 7)),
                (names.EVENT, b"order/created"),
                (names.RECEIVED_US, b"%d" % (offset * 1000)),
                (names.CONTENT_TYPE, b"application/json"),
                (names.CONTENT_ENCODING, b"identity"),
                (names.QUERY, b""),
            ],
        )


def outcomes(count: int, slot: str, share: range) -> Iterator[Record]:
    for offset in range(count):
        if offset % 20 not in share:
            continue
        key = b"run-free/lakeside/order:%d" % offset
        yield (
            key,
            [
                (names.RAW_OFFSET, b"%d" % offset),
                (names.RAW_TIME, b"%d" % (time.time_ns() // 1_000_000)),
                (names.SLOT, slot.encode()),
                (names.ENTITY, key),
                (names.DIGEST, offset.to_bytes(16, "big")),
                (names.DELIVERY, str(uuid.UUID(int=offset)).encode()),
                (names.ADAPTER, b"1"),
                (names.SLOTS, slot.encode()),
            ],
        )


async def fill(settings: Settings) -> None:
    producer = new_producer(settings)
    await producer.start()
    try:
        for number in range(settings.partitions):
            count = DELIVERIES // settings.partitions
            await put(producer, settings.topic(WEBHOOKS), number, raws(count))
            for topic, slot, share in SHARES:
                await put(producer, settings.topic(topic), number, outcomes(count, slot, share))
    finally:
        await producer.stop()


async def put(
    producer: AIOKafkaProducer, topic: str, number: int, records: Iterator[Record]
) -> None:
    sent = []
    batch = producer.create_batch()
    for key, headers in records:
        said = {"key": key, "value": BODY, "timestamp": None, "headers": headers}
        if batch.append(**said) is None:
            sent.append(await producer.send_batch(batch, topic, partition=number))
            batch = producer.create_batch()
            batch.append(**said)
    sent.append(await producer.send_batch(batch, topic, partition=number))
    await asyncio.gather(*sent)


def test_the_audit_of_half_a_million_deliveries(
    stack: LiveStack, prepared: Callable[[Settings], Settings]
) -> None:
    settings = prepared(replace(stack.settings(), partitions=12))
    asyncio.run(fill(settings))
    began = time.monotonic()
    audit = subprocess.Popen(
        [sys.executable, "-P", "-m", "hookline", "audit", "--json"],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        text=True,
    )
    largest = 0
    while audit.poll() is None:
        largest = max([largest, *map(memory, family(audit.pid))])
        time.sleep(0.05)
    seconds = time.monotonic() - began
    text = audit.communicate()[0]
    assert audit.returncode == 0, text
    said = json.loads(text)
    count = DELIVERIES // 12 * 12
    print(
        f"\naudit: {count} deliveries in {seconds:.1f} s with start and end,"
        f" {count / seconds:.0f}/s, at most {largest / 1e6:.0f} MB a process"
    )
    assert (
        said["in_flight"] + said["duplicates"] + said["dead_letters"] + said["canonical"] == count
    )
    assert said["missing"] == 0


def family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
