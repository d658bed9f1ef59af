"""What others do to our topics and our group: other codecs, records, transactions, offsets."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count, cycle, islice
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)

from schemas import envelopes
from schemas.topics import ALL, CANONICAL, OUTCOMES, WEBHOOKS, Group, Topic
from tests import truth
from tests.faults.fault import QUEUE_ALERTS, WORKERS, Fault
from tests.faults.plain_client import Silence
from tests.faults.storm import Storm
from tests.faults.strikes import away

CODECS = ("gzip", "snappy", "lz4", "zstd")
RECORDS = 1_000
"""Foreign records of a storm."""
BURST = 50
TRANSACTIONS = 20
NOTICED = 75.0
"""Seconds within which partitions that were added are reported."""
FIXED = "The count is fixed for a topic's life"
"""Of the sentence about them."""


async def codecs_changed(storm: Storm) -> None:
    """Have the broker compress every topic by each codec in turn, and by none; then as before."""
    await storm.accepted(0.2)
    for share, codec in enumerate((*CODECS, "uncompressed", "producer")):
        await away(_compress, storm, codec)
        await storm.accepted(0.3 + 0.1 * share)


def _compress(storm: Storm, codec: str) -> None:
    entry = ConfigEntry("compression.type", codec, incremental_operation=AlterConfigOpType.SET)
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC, storm.settings.topic(topic), incremental_configs=[entry]
        )
        for topic in ALL
    ]
    client = _admin(storm)
    for changed in client.incremental_alter_configs(resources).values():
        changed.result()


async def foreign_records(storm: Storm) -> None:
    """A thousand records of another producer among ours, in every topic and every codec."""
    await storm.accepted(0.3)
    targets, kinds = _targets(storm), count()
    for burst, codec in enumerate(islice(cycle((None, *CODECS)), RECORDS // BURST)):
        async with _producer(storm, compression_type=codec) as producer:
            await _write(storm, producer, islice(targets, BURST), kinds)
        await storm.accepted(0.3 + 0.6 * burst * BURST / RECORDS)


async def write_to(storm: Storm, topic: Topic, records: int) -> None:
    """Append that many records of another producer to one topic."""
    targets = cycle((topic, number) for number in range(storm.settings.partitions))
    async with _producer(storm) as producer:
        await _write(storm, producer, islice(targets, records), count())


async def foreign_transactions(storm: Storm) -> None:
    """Transactions of another producer among ours: committed, aborted, and one left open."""
    await storm.accepted(0.3)
    targets, kinds = _targets(storm), count()
    async with (
        _producer(storm, **_transactional(storm, "open")) as hanging,
        _producer(storm, **_transactional(storm, "other")) as producer,
    ):
        await hanging.begin_transaction()
        await _write(storm, hanging, islice(targets, BURST), kinds)
        for number in range(TRANSACTIONS):
            await producer.begin_transaction()
            await _write(storm, producer, islice(targets, BURST), kinds)
            ended = producer.abort_transaction if number % 2 else producer.commit_transaction
            await ended()
            await storm.accepted(0.3 + 0.6 * number / TRANSACTIONS)
        await hanging.abort_transaction()


def _transactional(storm: Storm, name: str) -> dict[str, Any]:
    """Options of a producer whose transactions may last as long as a storm."""
    return {
        "transactional_id": f"{storm.settings.prefix}{name}",
        "transaction_timeout_ms": 600_000,
    }


def _admin(storm: Storm) -> AdminClient:
    errors_only = 3
    return AdminClient({"bootstrap.servers": storm.settings.brokers, "log_level": errors_only})


@asynccontextmanager
async def _producer(storm: Storm, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**storm.settings.kafka(), **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def _targets(storm: Storm) -> "cycle[tuple[Topic, int]]":
    """Every second record goes to the raw topic, the others to all topics in turn."""
    partitions = storm.settings.partitions
    each = [(t, n) for t in ALL if t != WEBHOOKS for n in range(partitions if t.pipeline else 1)]
    pairs = zip(cycle((WEBHOOKS, n) for n in range(partitions)), each, strict=False)
    return cycle([target for pair in pairs for target in pair])


async def _write(
    storm: Storm, producer: AIOKafkaProducer, targets: "islice[tuple[Topic, int]]", kinds: Any
) -> None:
    """Append one record to each target, and count what is to be found of it."""
    for topic, partition in targets:
        batch = producer.create_batch()
        record = _record(next(kinds))
        if topic.is_compacted and record["key"] is None:  # the broker refuses it
            record["key"] = b""
        batch.append(timestamp=None, **record)
        sent = await producer.send_batch(batch, storm.settings.topic(topic), partition=partition)
        await sent
        storm.strangers.raw += topic == WEBHOOKS
        storm.dead += topic == WEBHOOKS
        storm.strangers.outcomes += topic in OUTCOMES
        storm.strangers.canonical += topic in CANONICAL


def _record(number: int) -> dict[str, Any]:
    """A record that is none of ours; ``number`` decides in which way."""
    ours = [
        (envelopes.DELIVERY, b"x"),
        (envelopes.SOURCE, b"\xff"),
        (envelopes.SHOP, None),
        (envelopes.SLOT, b""),
    ]
    return (
        {"key": None, "value": None, "headers": []},
        {"key": b"run-free/x/order:1", "value": os.urandom(800), "headers": ours},
        {"key": b"\xff\x00", "value": b'{"type": "order"}', "headers": [("a", b"b")] * 30},
        {"key": b"", "value": b"\x00\x00\x00\x00\x01" + os.urandom(60), "headers": ours[:1]},
    )[number % 4]


async def offsets_moved(storm: Storm) -> None:
    """The processors' commits set to the end, later to the start, as Kafka's own tools do."""
    await storm.accepted(0.4)
    storm.plain = Silence()  # of the group, which nobody may join before the commits stand
    storm.plain.heard()
    for name in storm.pipeline.names("process"):
        await away(storm.pipeline.fall, name)
    await storm.accepted(0.5)
    await _commit(storm, to_end=True)
    storm.plain.heard()
    await _new_processors(storm)
    await storm.accepted(0.8)
    for name in storm.pipeline.names("process"):
        await away(storm.pipeline.leave, name)
    await _commit(storm, to_end=False)
    await _new_processors(storm)
    said = [_log(storm, name) for name in _logs(storm, "process")]
    if not any("moved forward over deliveries" in text for text in said):
        storm.remarks.append("no processor reported the commits that were set forward")


async def _new_processors(storm: Storm) -> None:
    for _ in range(storm.shape.processors):
        await away(storm.pipeline.join, "process")
    await away(storm.pipeline.wait_ready, 90)


async def _commit(storm: Storm, *, to_end: bool) -> None:
    """Commit for the processors, once the broker has forgotten those that are gone."""
    group = storm.settings.prefix + Group.PROCESSORS
    client = AIOKafkaConsumer(**storm.settings.kafka(), group_id=group, enable_auto_commit=False)
    await client.start()
    try:
        raw = storm.settings.topic(WEBHOOKS)
        keys = [TopicPartition(raw, number) for number in range(storm.settings.partitions)]
        client.assign(keys)
        bounds = client.end_offsets if to_end else client.beginning_offsets
        async with asyncio.timeout(5 * storm.settings.session_timeout):
            while True:
                try:
                    await client.commit(await bounds(keys))
                except KafkaError:  # members are left
                    await asyncio.sleep(1.0)
                else:
                    return
    finally:
        await client.stop()


async def partitions_added(storm: Storm) -> None:
    """Two partitions more for the raw topic while all run: the count stays what it was."""
    await storm.accepted(0.3)
    client = _admin(storm)
    raw, number = storm.settings.topic(WEBHOOKS), storm.settings.partitions + 2
    await away(client.create_partitions([NewPartitions(raw, number)])[raw].result)
    silent = {*storm.pipeline.names("process"), *storm.pipeline.names("sink")}
    try:
        async with asyncio.timeout(NOTICED):
            while silent:
                await asyncio.sleep(1.0)
                silent = {name for name in silent if FIXED not in _log(storm, name)}
    except TimeoutError:
        storm.remarks.append(f"{', '.join(sorted(silent))} did not report the added partitions")
    if unready := await away(storm.pipeline.unready):
        storm.remarks.append(f"not ready beside partitions that were added: {unready}")
    storm.pipeline.kill(*storm.pipeline.names("ingest"))  # its successor sees all partitions
    await storm.accepted(0.9)
    audit = await away(truth.audit, storm.settings)
    if audit.returncode or not json.loads(audit.stdout)["added"]:
        storm.remarks.append(f"the audit of added partitions: {audit.stdout}{audit.stderr}"[:600])
    sizes = await _sizes(storm, [TopicPartition(raw, n) for n in (number - 2, number - 1)])
    if sizes != [0, 0]:
        storm.remarks.append(f"the added partitions, which nobody reads, hold {sizes} deliveries")


async def _sizes(storm: Storm, keys: Sequence[TopicPartition]) -> list[int]:
    client = AIOKafkaConsumer(**storm.settings.kafka(), enable_auto_commit=False)
    await client.start()
    try:
        return list((await client.end_offsets(keys)).values())
    finally:
        await client.stop()


def _logs(storm: Storm, stage: str) -> list[str]:
    return [path.stem for path in storm.pipeline.logs.glob(f"{stage}-*.log")]


def _log(storm: Storm, name: str) -> str:
    return (storm.pipeline.logs / f"{name}.log").read_text(errors="replace")


ROWS = (
    Fault(
        41,
        "codecs",
        "compression.type of every topic changed to each codec and back",
        codecs_changed,
        exits=0,
    ),
    Fault(
        42,
        "foreign-records",
        "a thousand records of another producer, in every topic and codec",
        foreign_records,
        exits=0,
        alerts=frozenset({"HooklineDeadLetters", "HooklineSinkRejects"}),
    ),
    Fault(
        43,
        "foreign-transactions",
        "transactions of another producer: committed, aborted, one left open",
        foreign_transactions,
        exits=0,
        alerts=frozenset({"HooklineDeadLetters", "HooklineSinkRejects"}),
    ),
    Fault(
        44,
        "moved-offsets",
        "the processors' offsets set to the end, later to the start",
        offsets_moved,
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineStageAbsent", "HooklineNotReady", "HooklineWorkersEnd"},
    ),
    Fault(
        45,
        "added-partitions",
        "two partitions added to the raw topic",
        partitions_added,
        shape=replace(WORKERS),  # the topic is of no use to another storm
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineNotReady"},
    ),
)
