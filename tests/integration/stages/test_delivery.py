"""Logs that are no longer what the processors stood on: each stops one partition and says why."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete

from runtime.kafka import operator_decisions, topics_admin
from runtime.kafka.topic_checks import topic_configs
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import WEBHOOKS
from tests import senders
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, Shape, command_environment, prepared
from tests.raw import Raw, append, outcomes, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

ALONE = Shape(ingresses=0, processors=1, sinks=0)
SECONDS = 90


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
            heartbeat_interval=1.0,
            commit_interval=0.2,
        )
    )


@pytest.fixture
def processor(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline whose processors a test starts."""
    with prepared(settings, tmp_path / "logs", replace(ALONE, processors=0)) as pipeline:
        pipeline.start()
        yield pipeline


def raws(first: int, count: int) -> list[Raw]:
    return [
        Raw("run-free", senders.SHOP, f"order:{order.number}", order.body)
        for order in senders.orders(first, count)
    ]


async def trim(settings: Settings, partition: int, before: int) -> None:
    """Delete what retention would."""
    place = TopicPartition(settings.topic(WEBHOOKS), partition)
    async with topics_admin.admin_client(settings) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=before)})


async def recreate(settings: Settings) -> None:
    """The raw topic under its old name, empty."""
    name = settings.topic(WEBHOOKS)
    async with topics_admin.admin_client(settings) as client:
        await client.delete_topics([name])
        await asyncio.sleep(1)
        await client.create_topics(
            [NewTopic(name, 4, 1, topic_configs=topic_configs(WEBHOOKS, settings))]
        )


def said(pipeline: Pipeline, word: str) -> str:
    """What the processor waits for, once it speaks of ``word``."""
    deadline = time.monotonic() + SECONDS
    (port,) = pipeline.ports.values()
    while time.monotonic() < deadline:
        try:
            text = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False).text
        except httpx.HTTPError as error:
            text = repr(error)
        if word in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"nothing of {word!r} but {text}")


def hookline(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "hookline", *arguments],
        env=command_environment(settings, arguments[0]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settled(found: list[object]) -> Counter[str]:
    return Counter(dict(r.headers)[envelopes.DELIVERY].decode() for r in found)  # type: ignore[attr-defined]


def test_a_gap_in_raw_stops_its_partition_until_its_loss_is_accepted(
    settings: Settings, processor: Pipeline
) -> None:
    early = raws(1, 80)
    asyncio.run(append(settings, early))
    name = processor.join("process")
    asyncio.run(wait_for_outcomes(settings, 80, SECONDS))
    time.sleep(1)
    processor.leave(name)
    late = raws(1000, 80)
    places = asyncio.run(append(settings, late))
    number = places[0][0]
    mine = [offset for partition, offset in places if partition == number]
    first, until = mine[0], mine[len(mine) // 2]
    asyncio.run(trim(settings, number, until))
    gone = {
        raw.delivery_id
        for raw, (partition, offset) in zip(late, places, strict=True)
        if partition == number and offset < until
    }
    others = [raw for raw, (p, _) in zip(late, places, strict=True) if p != number]

    processor.join("process")
    words = said(processor, "gone")
    asyncio.run(wait_for_outcomes(settings, 80 + len(others), SECONDS))
    refused = hookline(settings, "accept-loss", str(number), "--until", str(until + 1), "--yes")
    elsewhere = hookline(settings, "accept-loss", str((number + 1) % 4), "--until", "1", "--yes")
    before = asyncio.run(operator_decisions.read(settings))
    accepted = hookline(settings, "accept-loss", str(number), "--until", str(until), "--yes")
    wanted = {raw.delivery_id: 1 for raw in [*early, *late] if raw.delivery_id not in gone}
    found = asyncio.run(wait_for_outcomes(settings, len(wanted), SECONDS))
    processor.wait_ready(30)

    assert f"offsets {first} to {until - 1}" in words
    assert f"hookline accept-loss {number} --until {until}" in words
    assert (1, 1, []) == (refused.returncode, elsewhere.returncode, before)
    assert f"--until {until}, the first offset that still exists" in refused.stderr
    assert 0 == accepted.returncode, accepted.stderr
    assert wanted == settled(found)
    (decision,) = asyncio.run(operator_decisions.read(settings))
    assert (number, first, until) == (decision.partition, decision.first, decision.until)
    audited = json.loads(hookline(settings, "audit", "--json").stdout)
    assert [f"{number}:{first}-{until - 1}"] == audited["given_up"]
    assert [f"{number}:0-{first - 1}"] == audited["unknown"]  # processed, never audited, trimmed


def test_a_raw_topic_that_was_recreated_is_refused_with_what_to_do(
    settings: Settings, processor: Pipeline
) -> None:
    asyncio.run(append(settings, raws(1, 80)))
    name = processor.join("process")
    stood = asyncio.run(wait_for_outcomes(settings, 80, SECONDS))
    processor.leave(name)
    asyncio.run(recreate(settings))
    asyncio.run(append(settings, raws(1000, 8)))
    processor.join("process")
    assert "recreated" in said(processor, "recreated")
    assert len(stood) == len(asyncio.run(outcomes(settings)))


def test_a_worker_whose_partition_count_is_not_the_topics_says_so_and_ends(
    settings: Settings,
) -> None:
    found = hookline(replace(settings, partitions=5), "process")
    assert 70 == found.returncode
    assert "HOOKLINE_PARTITIONS=4" in found.stdout + found.stderr
