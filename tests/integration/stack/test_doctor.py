"""What others did to the topics, the offsets and the registry is named by the doctor."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.local.doctor import registry_ids, services, strangers
from hookline.local.doctor.finding import Finding
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Reason
from schemas.topics import CARTS, DEAD_LETTERS, WEBHOOKS, Group
from tests import senders
from tests.conftest import LiveStack
from tests.raw import Raw, append

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

Headers = list[tuple[str, bytes]]


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    with_new = senders.SHOPS_TOML + senders.SHOPS_TOML.replace(senders.SHOP, "new")
    shops.with_suffix(".toml.new").write_text(with_new)
    return prepared(replace(stack.settings(), shops_file=str(shops)))


async def write(settings: Settings, topic: str, value: bytes, headers: Headers) -> None:
    producer = new_producer(settings)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0, headers=headers)
    finally:
        await producer.stop()


def outcome(raw_offset: int, **more: bytes) -> Headers:
    """The headers of an outcome."""
    headers = {
        envelopes.RAW_OFFSET: b"%d" % raw_offset,
        envelopes.RAW_TIME: b"%d" % (time.time_ns() // 1_000_000),
        envelopes.SLOT: b"cart",
        envelopes.SLOTS: b"cart",
        envelopes.ENTITY: b"run-free/lakeside/cart:1",
        envelopes.DIGEST: bytes(16),
        envelopes.DELIVERY: b"a-delivery",
        envelopes.SOURCE: b"run-free",
        envelopes.SHOP: senders.SHOP.encode(),
    }
    return [*headers.items(), *more.items()]


async def commit(settings: Settings, offset: int) -> None:
    group = f"{settings.prefix}{Group.PROCESSORS}"
    client = AIOKafkaConsumer(**settings.kafka(), group_id=group, enable_auto_commit=False)
    await client.start()
    try:
        tp = TopicPartition(settings.topic(WEBHOOKS), 0)
        client.assign([tp])
        await client.commit({tp: offset})
    finally:
        await client.stop()


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.level == "wrong"]


async def test_offsets_that_were_moved_are_named_and_right_ones_are_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await write(settings, settings.topic(WEBHOOKS), b"{}", [])
    await write(settings, settings.topic(CARTS), b"x", outcome(1))
    await write(settings, settings.topic(CARTS), b"x", [])  # another producer's
    await commit(settings, 2)
    assert [found.level for found in await strangers.check_offsets(settings)] == ["ok"]
    await commit(settings, 4)
    (problem,) = wrong(await strangers.check_offsets(settings))
    assert "is 4, but deliveries from 2 on are without an outcome" in problem
    await commit(settings, 0)
    assert [found.level for found in await strangers.check_offsets(settings)] == ["ok"]
    monkeypatch.setattr(strangers, "_SETTLED_MS", -60_000)  # as some time later
    (note,) = await strangers.check_offsets(settings)
    assert (note.level, "deliveries up to 1 were processed already" in note.message) == (
        "note",
        True,
    )


async def test_foreign_records_and_unknown_shops_are_counted_from_the_dead_letters(
    settings: Settings,
) -> None:
    assert wrong(await strangers.check_letters(settings)) == []
    letters = settings.topic(DEAD_LETTERS)
    foreign = {envelopes.REASON: Reason.FOREIGN_RECORD.encode()}
    await write(settings, letters, b"x", [*outcome(0), *foreign.items()])
    unknown = [
        *outcome(1)[:-1],
        (envelopes.SHOP, b"new"),
        (envelopes.REASON, Reason.UNKNOWN_SHOP.encode()),
    ]
    await write(settings, letters, b"x", unknown)
    by_foreign, by_shop = wrong(await strangers.check_letters(settings))
    assert by_foreign.startswith("1 records of other producers came into ")
    assert by_shop.startswith("1 deliveries of run-free/new are dead letters (unknown-shop)")
    with_new = replace(settings, shops_file=settings.shops_file + ".new")
    assert wrong(await strangers.check_letters(with_new)) == [by_foreign]


async def test_a_shop_that_has_deliveries_and_is_in_no_file_is_named(settings: Settings) -> None:
    known, new = (Raw("run-free", shop, "order:1", b"{}") for shop in (senders.SHOP, "new"))
    await append(settings, [known])
    assert wrong(await strangers.check_shops(settings)) == []
    await append(settings, [new, new])
    (problem,) = wrong(await strangers.check_shops(settings))
    assert problem.startswith("run-free/new has deliveries, but is not in ")


async def test_an_id_that_the_registry_has_not_for_its_topic_is_named(settings: Settings) -> None:
    assert wrong(await registry_ids.check(settings)) == []
    await write(settings, settings.topic(CARTS), b"\0\x7f\xff\xff\xff", outcome(0))
    (problem,) = wrong(await registry_ids.check(settings))
    assert f"{settings.topic(CARTS)}/0 at 0 has the schema id 2147483647, which" in problem


def test_a_silent_broker_is_named_within_seconds(stack: LiveStack, settings: Settings) -> None:
    stack.pause(stack.kafka)
    began = time.monotonic()
    findings = [found for found in services.services(settings) if found.subject == "kafka"]
    took = time.monotonic() - began
    stack.resume(stack.kafka)
    (problem,) = wrong(findings)
    assert "Kafka does not answer at" in problem
    assert took < 30  # 3 s for Kafka; the machine is shared


def test_a_stack_as_it_should_be_has_nothing_wrong(settings: Settings) -> None:
    asyncio.run(append(settings, [Raw("run-free", senders.SHOP, "order:1", b"{}")]))
    assert wrong(list(services.services(settings))) == []
