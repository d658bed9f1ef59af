"""Every example over HTTP, through real Kafka, read back by another client than ours."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from ingest.sources import prove
from runtime.settings import Settings
from schemas.shops import Shop, load
from schemas.topics import CANONICAL
from tests import example_files
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, running
from tests.raw import wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECRET = "a secret of the tests"
OF_THIS_RUN = {"event_id", "delivery_id", "received_at", "raw_partition", "raw_offset"}
"""What differs from run to run; times taken from receipt or append differ with them."""
CLOCKS = {example_files.RECEIVED_AT, example_files.APPENDED_MS * 1000}


def shops_toml() -> str:
    """The examples' shops, with a secret each."""
    blocks = []
    for shop in example_files.SHOPS.values():
        lines = [f'source = "{shop.source}"', f'id = "{shop.id}"', f'secrets = ["{SECRET}"]']
        lines.append(f'timezone = "{shop.timezone}"')
        if shop.currency:
            lines.append(f'currency = "{shop.currency}"')
        blocks.append("[[shops]]\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks)


@pytest.fixture(scope="module")
def sent(
    live_stack: LiveStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pipeline, dict[str, example_files.Example]]]:
    """A pipeline that was sent every example; delivery id -> example."""
    from hookline.local.up import prepare  # noqa: PLC0415 - only where the stack is wanted

    folder = tmp_path_factory.mktemp("examples")
    shops = folder / "shops.toml"
    shops.write_text(shops_toml())
    settings = replace(
        live_stack.settings(),
        shops_file=str(shops),
        contact_key=example_files.CONTACT_KEY.decode(),
        cloudevents=True,
    )
    live_stack.start()
    prepare(settings)
    with running(settings, folder / "logs") as pipeline:
        by_delivery = {}
        for example in example_files.examples():
            answer = post(pipeline.url, load(shops)[example.platform, "demo"], example)
            assert answer.status_code == 200, (example.name, answer.text)
            by_delivery[answer.json()["delivery"]] = example
        count = sum(len(example.told["events"]) for example in by_delivery.values())
        asyncio.run(wait_for_outcomes(pipeline.settings, count, 60))
        yield pipeline, by_delivery


def post(url: str, shop: Shop, example: example_files.Example) -> httpx.Response:
    """Send an example as its platform would."""
    path, headers = prove(shop, SECRET.encode(), example.body, example.told["event"])
    query = example.told.get("query", "")
    named = {"Content-Type": example.told.get("content_type", "application/json"), **dict(headers)}
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.post(
            f"{url}{path}" + (f"?{query}" if query else ""), content=example.body, headers=named
        )


def read_by_another_client(settings: Settings) -> list[tuple[str, bytes, dict[str, Any]]]:
    """(topic, key, record) of every canonical record, by confluent-kafka with its own registry."""
    found = []
    reader = Consumer({"bootstrap.servers": settings.brokers, "group.id": "another-client"})
    try:
        registry = SchemaRegistryClient({"url": settings.registry_url})
        deserialize = AvroDeserializer(registry)
        for topic in CANONICAL:
            name = settings.topic(topic)
            for number in range(settings.partitions):
                _, end = reader.get_watermark_offsets(TopicPartition(name, number), timeout=10)
                reader.assign([TopicPartition(name, number, 0)])
                for _ in range(end):
                    message = reader.poll(10)
                    assert message is not None
                    assert message.error() is None
                    context = SerializationContext(name, MessageField.VALUE)
                    record = deserialize(message.value(), context)
                    said = dict(message.headers())
                    assert str(record["meta"]["event_id"]).encode() == said["ce_id"]
                    assert message.key() == said["ce_subject"]
                    found.append((topic.record or "", message.key(), record))
        registry.close()
    finally:
        reader.close()
    return found


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Where a record differs from what its expectation says, field by field."""
    if path.rpartition(".")[2] in OF_THIS_RUN:
        return []
    if isinstance(expected, dict):
        names = expected.keys() | actual.keys()
        return [
            said
            for name in sorted(names)
            for said in differences(expected.get(name), actual.get(name), f"{path}.{name}")
        ]
    if isinstance(expected, list):
        if len(expected) != len(actual):
            return [f"{path}: {len(expected)} expected, {len(actual)} found"]
        pairs = enumerate(zip(expected, actual, strict=True))
        return [said for n, (e, a) in pairs for said in differences(e, a, f"{path}[{n}]")]
    if isinstance(actual, datetime):
        if expected in CLOCKS:
            return []
        actual = round(actual.timestamp() * 1_000_000)
    if isinstance(actual, Decimal):
        expected = Decimal(expected)
    return [] if expected == actual else [f"{path}: {expected!r} expected, {actual!r} found"]


def test_another_client_reads_every_event_as_its_expectation_says(
    sent: tuple[Pipeline, dict[str, example_files.Example]],
) -> None:
    pipeline, by_delivery = sent
    found: dict[str, dict[str, tuple[str, bytes, dict[str, Any]]]] = {}
    for topic, key, record in read_by_another_client(pipeline.settings):
        meta = record["meta"]
        found.setdefault(meta["delivery_id"], {})[meta["slot"]] = (topic, key, record)
    said = []
    for delivery, example in by_delivery.items():
        expected = {event["slot"]: event for event in example.told["events"]}
        assert expected.keys() == found.get(delivery, {}).keys(), example.name
        for slot, event in expected.items():
            topic, key, record = found[delivery][slot]
            assert event["topic"] == topic
            assert record["meta"]["entity"].encode() == key
            said += [f"{example.name}{x}" for x in differences(event["record"], record)]
    assert said == []


def test_the_first_slot_of_every_delivery_carries_the_raw_key(
    sent: tuple[Pipeline, dict[str, example_files.Example]],
) -> None:
    pipeline, by_delivery = sent
    primary = {delivery: e.told["events"][0]["slot"] for delivery, e in by_delivery.items()}
    keys = {
        record["meta"]["delivery_id"]: key.decode()
        for _, key, record in read_by_another_client(pipeline.settings)
        if primary[record["meta"]["delivery_id"]] == record["meta"]["slot"]
    }
    assert {delivery: example.key() for delivery, example in by_delivery.items()} == keys


def test_every_order_and_every_cart_of_the_examples_stands_in_its_table(
    sent: tuple[Pipeline, dict[str, example_files.Example]],
) -> None:
    pipeline, by_delivery = sent
    events = [event for example in by_delivery.values() for event in example.told["events"]]
    for topic, table, key in (("orders", "orders", "order_key"), ("carts", "carts", "cart_key")):
        expected = {e["record"]["meta"]["entity"] for e in events if e["topic"] == topic}
        assert expected <= eventually(pipeline.settings, table, key, expected)


def eventually(settings: Settings, table: str, key: str, wanted: set[str]) -> set[str]:
    """The keys in a table, once those wanted stand there or 30 s have passed."""
    found: set[str] = set()
    for _ in range(100):
        with psycopg.connect(settings.database_url) as connection:
            query = f"SELECT {key} FROM {settings.sql_schema}.{table}"  # noqa: S608 - our names
            found = {row[0] for row in connection.execute(query).fetchall()}
        if wanted <= found:
            break
        asyncio.run(asyncio.sleep(0.3))
    return found


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed here")
def test_kcat_reads_every_canonical_topic(
    sent: tuple[Pipeline, dict[str, example_files.Example]],
) -> None:
    pipeline, by_delivery = sent
    settings = pipeline.settings
    for topic in CANONICAL:
        said = subprocess.run(
            [
                *("kcat", "-C", "-b", settings.brokers, "-t", settings.topic(topic), "-e", "-J"),
                *("-s", "value=avro", "-r", settings.registry_url, "-o", "beginning"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        expected = [
            event["record"]["meta"]["entity"]
            for example in by_delivery.values()
            for event in example.told["events"]
            if event["topic"] == topic.record
        ]
        read = [json.loads(line)["key"] for line in said.stdout.splitlines()]
        assert sorted(expected) == sorted(read)
