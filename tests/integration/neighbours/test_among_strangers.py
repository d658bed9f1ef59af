"""What others do to the topics and the group: nothing stops, nothing is lost, all is counted."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from hookline.audit.report import Report, audit
from runtime.kafka.declared_settings import configure, find_differences
from runtime.kafka.topics_admin import admin_client, find_topics
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Reason
from schemas.topics import ALL, CANONICAL, OUTCOMES, WEBHOOKS, Group
from tests import senders
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, Shape, prepared
from tests.raw import Raw, append, outcomes, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(240)]

CODECS = ("gzip", "snappy", "lz4", "zstd")


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    return prepared(
        replace(
            stack.settings(),
            shops_file=str(shops),
            session_timeout=6.0,
            heartbeat_interval=0.5,
            shop_wait=2.0,
        )
    )


def orders(first: int, count: int, shop: str = senders.SHOP) -> list[Raw]:
    return [
        Raw("run-free", shop, f"order:{order.number}", order.body)
        for order in senders.orders(first, count)
    ]


@contextmanager
def running(settings: Settings, logs: Path, **shape: int) -> Iterator[Pipeline]:
    with prepared(settings, logs, Shape(**{"ingresses": 0, **shape})) as pipeline:
        pipeline.start()
        yield pipeline


async def write_foreign(settings: Settings, topics: list[str], *, keyed: bool) -> int:
    """Records of other producers, in every codec, committed and aborted; returns their number."""
    written = 0
    for codec in (None, *CODECS):
        for ends_with in (None, "commit", "abort"):
            producer = AIOKafkaProducer(
                **settings.kafka(),
                compression_type=codec,
                transactional_id=ends_with and f"{settings.prefix}{codec}-{ends_with}-{keyed}",
            )
            await producer.start()
            if ends_with:
                await producer.begin_transaction()
            for topic in topics:
                for partition in range(settings.partitions):
                    batch = producer.create_batch()
                    batch.append(timestamp=None, **_foreign(keyed))
                    await (await producer.send_batch(batch, topic, partition=partition))
                    written += 1
            if ends_with == "commit":
                await producer.commit_transaction()
            elif ends_with == "abort":
                await producer.abort_transaction()
            await producer.stop()
    return written


def _foreign(keyed: bool) -> dict[str, Any]:
    if not keyed:
        return {"key": None, "value": None, "headers": []}
    headers = [(envelopes.DELIVERY, b"x"), (envelopes.SOURCE, b"\xff"), (envelopes.SLOT, None)]
    return {"key": b"run-free/x/order:1", "value": os.urandom(40) * 20, "headers": headers}


async def settled(settings: Settings, accepted: int, foreign: int = 0) -> Report:
    """The audit, once that many deliveries and foreign records have their verdicts."""
    async with asyncio.timeout(120):
        while True:
            report = await audit(settings)
            total = report.total
            behind = report.sinks.behind if report.sinks else 0
            done = (total.accepted, total.in_flight, total.foreign, behind)
            if done == (accepted, 0, foreign, 0):
                return report
            await asyncio.sleep(0.5)


def letters(found: list[Any]) -> Counter[str]:
    reasons = [dict(record.headers).get(envelopes.REASON) for record in found]
    return Counter(reason.decode() for reason in reasons if reason is not None)


def test_records_of_other_producers_stop_nothing_and_are_counted_apart(
    settings: Settings, tmp_path: Path
) -> None:
    raw = [settings.topic(WEBHOOKS)]
    with running(settings, tmp_path / "logs", processors=1, sinks=1) as pipeline:
        asyncio.run(append(settings, orders(1, 60)))
        foreign = asyncio.run(write_foreign(settings, raw, keyed=False))
        foreign += asyncio.run(write_foreign(settings, raw, keyed=True))
        asyncio.run(append(settings, orders(61, 60)))
        report = asyncio.run(settled(settings, 120, foreign))
        assert report.is_balanced
        assert (report.total.canonical, report.total.missing) == (120, 0)
        others = [settings.topic(topic) for topic in OUTCOMES]
        written = asyncio.run(write_foreign(settings, others, keyed=True))
        pipeline.kill(*pipeline.names("process"))  # its successor reads the outcome topics back
        asyncio.run(append(settings, orders(121, 60)))
        report = asyncio.run(settled(settings, 180, foreign))
        assert (report.total.canonical, report.foreign_outcomes) == (180, written)
        assert report.is_balanced
        assert pipeline.restarts_of()["sink-1"] == 0
        assert pipeline.restarts_of()["process-1"] <= 1
    rejects = report.sinks.rejects if report.sinks else 0
    assert rejects == written * len(CANONICAL) // len(OUTCOMES)


def test_a_topic_whose_compression_somebody_changes_is_read_all_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    async def compress(codec: str) -> None:
        async with admin_client(settings) as admin:
            for name, topic in (await find_topics(settings)).items():
                kept = {
                    key: value
                    for key, value in topic.configs.items()
                    if key in ("retention.ms", "max.message.bytes", "message.timestamp.type")
                }
                resource = ConfigResource(
                    ConfigResourceType.TOPIC, name, {**kept, "compression.type": codec}
                )
                await admin.alter_configs([resource])

    with running(settings, tmp_path / "logs", processors=1, sinks=1) as pipeline:
        for number, codec in enumerate((*CODECS, "producer")):
            asyncio.run(compress(codec))
            asyncio.run(append(settings, orders(1 + number * 20, 20)))
        report = asyncio.run(settled(settings, 100))
        assert (report.total.canonical, report.is_balanced) == (100, True)
        asyncio.run(compress("zstd"))
        changed = {each.topic for each in asyncio.run(configure(settings))}
        assert changed == {settings.topic(topic) for topic in ALL}
        assert asyncio.run(find_differences(settings)) == []
        assert set(pipeline.restarts_of().values()) == {0}


async def set_offsets(settings: Settings, where: str) -> None:
    """Set the processors' committed offsets as kafka-consumer-groups does."""
    group = f"{settings.prefix}{Group.PROCESSORS}"
    client = AIOKafkaConsumer(**settings.kafka(), group_id=group, enable_auto_commit=False)
    await client.start()
    try:
        tps = [TopicPartition(settings.topic(WEBHOOKS), n) for n in range(settings.partitions)]
        ends = await client.end_offsets(tps)
        client.assign(tps)
        await client.commit({tp: end if where == "end" else 0 for tp, end in ends.items()})
    finally:
        await client.stop()


def test_offsets_that_somebody_set_lose_nothing_and_repeat_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    asyncio.run(append(settings, orders(1, 40)))
    with running(settings, tmp_path / "logs-1", processors=1, sinks=0):
        asyncio.run(until(settings, 40))
    asyncio.run(append(settings, orders(41, 40)))
    asyncio.run(set_offsets(settings, "end"))
    with running(settings, tmp_path / "logs-2", processors=1, sinks=0):
        asyncio.run(until(settings, 80))
    log = (tmp_path / "logs-2" / "process-1.log").read_text()
    assert "moved forward over deliveries that were never processed" in log
    asyncio.run(set_offsets(settings, "start"))
    asyncio.run(append(settings, orders(81, 10)))
    with running(settings, tmp_path / "logs-3", processors=1, sinks=0):
        found = asyncio.run(until(settings, 90))
    deliveries = Counter(dict(record.headers)[envelopes.DELIVERY] for record in found)
    assert (len(deliveries), set(deliveries.values())) == (90, {1})


async def until(settings: Settings, count: int) -> list[Any]:
    """The outcomes, once all raw records have one; none are more than there should be."""
    await wait_for_outcomes(settings, count, 90)
    await asyncio.sleep(1.0)
    found = await outcomes(settings)
    assert len(found) == count
    return found


def test_a_shop_that_the_processors_learn_of_late_loses_no_delivery(
    settings: Settings, tmp_path: Path
) -> None:
    file = Path(settings.shops_file)
    known = file.read_text()
    with running(replace(settings, shop_wait=30.0), tmp_path / "logs", processors=1, sinks=0):
        asyncio.run(append(settings, [*orders(1, 5), *orders(6, 5, shop="later")]))
        time.sleep(3.0)
        file.write_text(known + known.replace(senders.SHOP, "later"))
        found = asyncio.run(until(settings, 10))
    assert letters(found) == Counter()


def test_a_shop_that_stays_unknown_gives_dead_letters_of_their_own_reason(
    settings: Settings, tmp_path: Path
) -> None:
    with running(settings, tmp_path / "logs", processors=1, sinks=0):
        asyncio.run(append(settings, [*orders(1, 5), *orders(6, 5, shop="never")]))
        found = asyncio.run(until(settings, 10))
    assert letters(found) == Counter({Reason.UNKNOWN_SHOP: 5})
