"""How fast a delivery is found by its id alone, beside a scan of the same log without an index."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from hookline.journey import deliveries
from hookline.journey.logs import opened
from hookline.journey.model import VerdictKind
from hookline.journey.trace import Tracer
from hookline.journey.windows import received_ms
from ingest.ids import new_delivery
from runtime.kafka import log_reader
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes as names
from schemas.envelopes import Headers
from schemas.topics import ORDERS, WEBHOOKS
from tests.bench.measure import Row, at_most, quantile
from tests.bench.real import Bench, BenchError
from tests.sink_events import CODEC, NOON, order

DELIVERIES, FULL = 1_000_000, 10_000_000
LOOKED_FOR = 1_000
SCANNED = 5
PARTITIONS = 12
BODY = b"x" * 100
AT_ONCE = 900
"""Records of a batch."""
IN_FLIGHT = 24
"""Batches that are not acknowledged yet."""
SECOND = 1000.0
_FIXED: Headers = [
    (names.SOURCE, b"run-free"),
    (names.SHOP, b"lakeside"),
    (names.EVENT, b"order/created"),
]
_FORMAT: Headers = [
    (names.CONTENT_TYPE, b"application/json"),
    (names.CONTENT_ENCODING, b"identity"),
    (names.QUERY, b""),
]


def run(bench: Bench) -> list[Row]:
    """The log is written once: as fast as it can be, so that a moment of it holds many records."""
    count = FULL if bench.full else bench.count(DELIVERIES, 5_000)
    with bench.prefix(partitions=PARTITIONS) as settings:
        wanted = asyncio.run(_fill(bench, settings, count))
        found, whole = asyncio.run(_look_up(bench, settings, wanted))
        scans = asyncio.run(_scan(bench, settings, wanted[:SCANNED]))
        commands = [_command(settings, delivery) for delivery in wanted[: bench.runs]]
    found.sort()
    whole.sort()
    scans.sort()
    of = f"one of {count:,} deliveries"
    baseline, half = "a scan without an index", [quantile(scans, 0.5)]
    return [
        Row("journey", f"{of} by its id, p50", "ms", [quantile(found, 0.5)], baseline, half),
        Row("journey", f"{of} by its id, p95", "ms", [quantile(found, 0.95)], baseline,
            [quantile(scans, 0.95)]),
        Row("journey", f"{of} with its outcome, p50", "ms", [quantile(whole, 0.5)], baseline, half),
        Row("journey", f"{of} with its outcome, p95", "ms", [quantile(whole, 0.95)], baseline,
            [quantile(scans, 0.95)], bar=at_most(SECOND)),
        Row("journey", "hookline journey ID, from start to end", "ms", commands),
    ]  # fmt: skip


async def _fill(bench: Bench, settings: Settings, count: int) -> list[str]:
    """Append deliveries and their outcomes; return the ids of those that will be looked for."""
    sample = min(bench.count(LOOKED_FOR, 50), count)
    chosen = set(random.Random(5).sample(range(count), sample))  # noqa: S311 - no secret
    wanted: list[str] = []
    value = CODEC.encode(order("1", NOON))
    producer = new_producer(settings)
    await producer.start()
    slots = asyncio.Semaphore(IN_FLIGHT)
    try:
        with bench.bar("deliveries to look for") as told:
            numbers, offsets = 0, [0] * PARTITIONS
            while numbers < count:
                for partition in range(PARTITIONS):
                    raw, outcomes = producer.create_batch(), producer.create_batch()
                    for _ in range(min(AT_ONCE, count - numbers)):
                        delivery, now = new_delivery()
                        key = b"run-free/lakeside/order:%d" % numbers
                        headers = [(names.DELIVERY, delivery), *_FIXED,
                                   (names.RECEIVED_US, b"%d" % now), *_FORMAT]  # fmt: skip
                        _append(raw, key, BODY, headers)
                        headers = _outcome(delivery, key, offsets[partition], now)
                        _append(outcomes, key, value, headers)
                        if numbers in chosen:
                            wanted.append(delivery.decode())
                        offsets[partition] += 1
                        numbers += 1
                    for topic, batch in ((WEBHOOKS, raw), (ORDERS, outcomes)):
                        if batch.record_count():
                            batch.close()
                            await slots.acquire()
                            answer = await producer.send_batch(
                                batch, settings.topic(topic), partition=partition
                            )
                            answer.add_done_callback(lambda _: slots.release())
                    told(numbers, count)
            for _ in range(IN_FLIGHT):
                await slots.acquire()
    finally:
        await producer.stop()
    random.Random(6).shuffle(wanted)  # noqa: S311 - no secret
    return wanted


def _append(batch: Any, key: bytes, value: bytes, headers: Headers) -> None:
    if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
        raise BenchError(f"{AT_ONCE} records do not fit into a batch")


def _outcome(delivery: bytes, key: bytes, offset: int, now: int) -> Headers:
    return [
        (names.RAW_OFFSET, b"%d" % offset),
        (names.RAW_TIME, b"%d" % (now // 1000)),
        (names.SLOT, b"order"),
        (names.SLOTS, b"order"),
        (names.ENTITY, key),
        (names.DIGEST, bytes(16)),
        (names.DELIVERY, delivery),
        (names.ADAPTER, b"1"),
    ]


async def _look_up(
    bench: Bench, settings: Settings, wanted: list[str]
) -> tuple[list[float], list[float]]:
    """Milliseconds to find each raw record, and to follow it to its verdict and event."""
    found: list[float] = []
    whole: list[float] = []
    async with opened(settings) as logs:
        tracer = Tracer(logs)
        with bench.bar("looking up") as told:
            for number, delivery in enumerate(wanted):
                began = time.perf_counter()
                raw = await deliveries.by_id(logs, delivery, received_ms(delivery) or 0)
                found.append((time.perf_counter() - began) * SECOND)
                if raw is None or raw.delivery_id != delivery:
                    raise BenchError(f"{delivery} is not found")
                way = await tracer.follow(raw)
                whole.append((time.perf_counter() - began) * SECOND)
                if way.verdict.kind is not VerdictKind.CANONICAL:
                    raise BenchError(f"{delivery} has no outcome: {way.verdict}")
                told(number + 1, len(wanted))
    return found, whole


async def _scan(bench: Bench, settings: Settings, wanted: list[str]) -> list[float]:
    """Milliseconds to find each by reading the raw topic from its beginning, as a console does."""
    took = []
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[WEBHOOKS]
        end = await log_reader.end_offsets(client, partitions)
        with bench.bar("scanning") as told:
            for number, delivery in enumerate(wanted):
                began = time.perf_counter()
                start = dict.fromkeys(partitions, 0)
                if not await _is_in(log_reader.batches(client, start, end), delivery.encode()):
                    raise BenchError(f"{delivery} is not found by a scan")
                took.append((time.perf_counter() - began) * SECOND)
                told(number + 1, len(wanted))
    return took


async def _is_in(fetches: AsyncGenerator[dict[Any, Sequence[Any]], None], delivery: bytes) -> bool:
    async with aclosing(fetches) as reading:
        async for fetched in reading:
            for batch in fetched.values():
                for record in batch:
                    if record.headers[0][1] == delivery:
                        return True
    return False


def _command(settings: Settings, delivery: str) -> float:
    """Milliseconds of the whole command, its start and its connections among them."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hookline", "journey", delivery, "--json"],
        env={**inherited, **settings.environment()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    took = (time.perf_counter() - began) * SECOND
    if json.loads(done.stdout)["received"]["delivery"] != delivery:
        raise BenchError(f"hookline journey shows {done.stdout}")
    return took
