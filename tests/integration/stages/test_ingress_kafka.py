"""The ingress before a real Kafka: what it stores, and what it says while Kafka is away."""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from ingest.app import serve
from ingest.partitioner import partition_of
from ingest.publisher import KafkaPublisher
from ingest.signatures import hmac_base64
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.producer import new_producer
from runtime.shop_book import ShopBook
from schemas.json_records import heartbeats
from schemas.raw_delivery import RawDelivery
from schemas.topics import INGRESS, WEBHOOKS

pytestmark = pytest.mark.stack

SHOPS = """
[[shops]]
source = "spiffy"
id = "johns"
secrets = ["s3cret"]
currency = "AUD"
[[shops]]
source = "gooten"
id = "prints"
secrets = ["t0ken"]
"""
PATH = "/hooks/gooten/prints/t0ken"


class Running:
    """An ingress on a free port, and a client of it."""

    def __init__(self, settings: Any, health: Any, fatal: Any) -> None:
        self.settings = settings
        self.health = health
        self.fatal = fatal
        self.client = None
        self.promised = []

    async def post(self, number: Any, **headers: Any) -> Any:
        answer = await self.client.post(PATH, content=b'{"Id":%d}' % number, headers=headers)
        if answer.status_code == 200:
            self.promised.append(answer.json()["delivery"])
        return answer.status_code

    async def taken(self, number: Any) -> None:
        """Send as platforms do: again until it is taken."""
        while await self.post(number) != 200:  # noqa: ASYNC110 - a sender's retry
            await asyncio.sleep(0.1)

    async def until_ready(self, is_ready: Any = True, patience: Any = 60.0) -> None:
        async with asyncio.timeout(patience):
            while self.health.is_ready is not is_ready:  # noqa: ASYNC110 - as an operator polls
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def ingress(settings: Any, tmp_path: Any) -> Any:
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    servers, fatal, health = [], [], Health()
    publisher = KafkaPublisher(settings, fatal.append)
    task = asyncio.create_task(serve(settings, ShopBook(path), publisher, health, servers.append))
    await asyncio.sleep(0)
    await servers[0].wait_started()
    running = Running(settings, health, fatal)
    url = f"http://127.0.0.1:{servers[0].port}"
    async with httpx.AsyncClient(base_url=url, timeout=30) as running.client:
        yield running
    servers[0].should_exit = True
    await task


async def stored(settings: Any, topic: Any = WEBHOOKS) -> Any:
    """All records of a topic, as the broker has them."""
    name = settings.topic(topic)
    async with AIOKafkaConsumer(**settings.kafka(), auto_offset_reset="earliest") as consumer:
        numbers = await _partitions(consumer, name)
        partitions = [TopicPartition(name, number) for number in numbers]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for fetched in (await consumer.getmany(timeout_ms=500)).values():
                records += fetched
        return records


async def _partitions(consumer: Any, name: Any) -> Any:
    while not (numbers := consumer.partitions_for_topic(name)):
        await consumer._client.force_metadata_update()
        consumer._client.add_topic(name)
        await asyncio.sleep(0.05)
    return sorted(numbers)


@pytest.fixture
async def settings(stack: Any) -> Any:
    made = stack.settings(ingress_heartbeat=0.5, host="127.0.0.1")
    await topics_admin.create_topics(made)
    return made


@pytest.fixture
def hasty(settings: Any) -> Any:
    """Settings under which an outage is answered after a second."""
    return replace(settings, produce_timeout=1.0)


async def test_a_delivery_comes_back_as_it_was_received(settings: Any, tmp_path: Any) -> None:
    body = b'{"id":"ee","token":"ee","line_items":[]}'
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with ingress(settings, tmp_path) as running:
        await running.until_ready()
        answer = await running.client.post(
            "/hooks/spiffy/johns?page=2&token=x",
            content=body,
            headers={
                "X-Spiffy-Topic": "carts/create",
                "X-Spiffy-Shop-Domain": "elsewhere.spiffystores.com",
                "X-Spiffy-Hmac-Sha256": hmac_base64(b"s3cret", body).decode(),
                "Content-Type": "application/json",
                "traceparent": trace,
            },
        )
        (record,) = await stored(settings)

    raw = RawDelivery.of(
        record.partition, record.offset, record.timestamp, record.key, record.value, record.headers
    )
    assert answer.status_code == 200
    assert record.timestamp_type == 1, "the topic dates records by the broker's clock"
    assert (answer.json()["delivery"], body) == (raw.delivery_id, raw.body)
    assert (raw.entity, raw.event) == ("spiffy/johns/cart:ee", "carts/create")
    assert (raw.source, raw.shop, raw.query) == ("spiffy", "johns", "page=2")
    assert (raw.content_type, raw.content_encoding) == ("application/json", "identity")
    headers = dict(record.headers)
    assert trace.encode() == headers["traceparent"]
    assert headers["hookline-shop-header"] == b"elsewhere.spiffystores.com"
    assert abs(raw.received_at / 1000 - raw.appended_ms) < 60_000
    assert len(record.headers) == 10


async def test_keys_go_where_the_default_partitioner_sends_them(
    settings: Any, tmp_path: Any
) -> None:
    async with ingress(settings, tmp_path) as running:
        await running.until_ready()
        for number in range(40):
            await running.taken(number)
    ours = {record.key: record.partition for record in await stored(settings)}
    async with new_producer(settings) as producer:
        theirs = {
            key: (await producer.send_and_wait(settings.topic(WEBHOOKS), b"", key)).partition
            for key in ours
        }

    assert len(ours) == 40
    assert theirs == ours == {key: partition_of(key, 4) for key in ours}


async def test_the_largest_body_that_is_taken_fits_through_the_topic(
    settings: Any, tmp_path: Any
) -> None:
    body = b'{"Id":1,"x":"' + b"x" * (settings.max_body - 15) + b'"}'
    async with ingress(settings, tmp_path) as running:
        await running.until_ready()
        answers = await asyncio.gather(
            *(running.client.post(PATH, content=body) for _ in range(4)),
        )
    records = await stored(settings)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [settings.max_body] * 4 == [len(record.value) for record in records]


async def test_heartbeats_stand_on_their_topic(settings: Any, tmp_path: Any) -> None:
    async with ingress(settings, tmp_path) as running:
        await running.until_ready()
        await running.taken(1)
        await asyncio.sleep(1.5)
    records = await stored(settings, INGRESS)
    told = [heartbeats.decode(record.value) for record in records]

    assert len(told) >= 2
    assert told[-1].healthy
    assert told[-1].accepted == {"gooten/prints": 1}
    assert "healthy" in json.loads(records[0].value)


async def test_while_kafka_is_away_no_delivery_is_answered_200_and_none_is_lost(
    stack: Any, hasty: Any, tmp_path: Any
) -> None:
    """A 503 may still be appended later, once: its sender's retry is another delivery."""
    async with ingress(hasty, tmp_path) as running:
        await running.until_ready()
        for number in range(20):
            await running.taken(number)
        await asyncio.to_thread(stack.kafka.stop)
        away = await asyncio.gather(*(running.post(number) for number in range(100, 120)))
        not_ready = running.health.is_ready
        await asyncio.to_thread(stack.kafka.start)
        await running.until_ready()
        for number in range(200, 220):
            await running.taken(number)
        fatal, promised = running.fatal, running.promised
    times = Counter(
        dict(record.headers)["hookline-delivery"].decode() for record in await stored(hasty)
    )

    assert away == [503] * 20
    assert not not_ready
    assert fatal == []
    assert len(promised) == 40
    assert set(promised) <= set(times)
    assert {1} == set(times.values())


async def test_a_frozen_kafka_gives_503_and_each_delivery_arrives_once(
    stack: Any, hasty: Any, tmp_path: Any
) -> None:
    async with ingress(hasty, tmp_path) as running:
        await running.until_ready()
        stack.pause(stack.kafka)
        try:
            frozen = await asyncio.gather(*(running.post(number) for number in range(10)))
        finally:
            stack.resume(stack.kafka)
        await running.until_ready()
    times = Counter(json.loads(record.value)["Id"] for record in await stored(hasty))

    assert frozen == [503] * 10
    assert dict.fromkeys(range(10), 1) == dict(times)


async def test_an_ingress_that_starts_while_kafka_is_away_recovers_by_itself(
    stack: Any, hasty: Any, tmp_path: Any
) -> None:
    await asyncio.to_thread(stack.kafka.stop)
    async with ingress(hasty, tmp_path) as running:
        away = await running.post(1)
        was_ready = running.health.is_ready
        await asyncio.to_thread(stack.kafka.start)
        await running.until_ready()
        await running.taken(2)
    numbers = {json.loads(record.value)["Id"] for record in await stored(hasty)}

    assert (away, was_ready) == (503, False)
    assert {2} == numbers
