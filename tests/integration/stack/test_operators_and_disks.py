"""Added partitions, deleted outcomes and broken state folders: said, and no process ends."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from runtime.kafka import log_reader, operator_decisions, topics_admin
from runtime.settings import Settings
from schemas.json_records.decisions import AcceptedHorizon
from schemas.topics import ORDERS, WEBHOOKS
from tests import senders
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, Shape, prepared
from tests.raw import Raw, append, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(400)]

SECONDS = 90
WITHIN = 60
"""Seconds until added partitions are shown."""
NO_FILES = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    "sys.argv = ['hookline', 'process']; from hookline.cli import main; main()"
)
"""A processor to which every disk is full, that of its log too."""


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
            state_dir=str(tmp_path / "state"),
        )
    )


@pytest.fixture
def pipeline(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    with prepared(settings, tmp_path / "logs", Shape(0, 0, 0)) as pipeline:
        pipeline.start()
        yield pipeline


def raws(first: int, count: int) -> list[Raw]:
    return [
        Raw("run-free", senders.SHOP, f"order:{order.number}", order.body)
        for order in senders.orders(first, count)
    ]


def page_with(pipeline: Pipeline, name: str, part: str, seconds: float) -> httpx.Response:
    """The page of a process, once it holds ``part``."""
    deadline = time.monotonic() + seconds
    while True:
        url = f"http://127.0.0.1:{pipeline.ports[name]}/readyz"
        answer = httpx.get(url, timeout=5, trust_env=False)
        if part in answer.text:
            return answer
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def hookline(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "hookline", *arguments],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def add_partitions(settings: Settings, count: int) -> None:
    async with topics_admin.admin_client(settings) as client:
        await client.create_partitions({settings.topic(WEBHOOKS): NewPartitions(count)})


async def write_to(settings: Settings, partition: int) -> None:
    producer = AIOKafkaProducer(**settings.kafka())
    await producer.start()
    await producer.send_and_wait(settings.topic(WEBHOOKS), b"x", partition=partition)
    await producer.stop()


async def append_to_first(settings: Settings, deliveries: list[Raw]) -> None:
    """Append as the ingress does: to the partitions that the pipeline was made with."""
    producer = AIOKafkaProducer(**settings.kafka())
    await producer.start()
    for number, raw in enumerate(deliveries):
        await producer.send_and_wait(
            settings.topic(WEBHOOKS),
            raw.body,
            raw.key,
            partition=number % settings.partitions,
            headers=raw.headers,
        )
    await producer.stop()


def test_added_partitions_are_said_within_a_minute_and_the_others_go_on(
    settings: Settings, pipeline: Pipeline
) -> None:
    name = pipeline.join("process")
    pipeline.wait_ready(SECONDS)
    asyncio.run(append(settings, raws(1, 20)))
    asyncio.run(add_partitions(settings, 6))
    page = page_with(pipeline, name, "has 6 partitions, not 4", WITHIN)
    assert (page.status_code, "are neither written nor processed" in page.text) == (200, True)
    pipeline.leave(name)
    later = pipeline.join("process")  # the group gives it the added ones too
    pipeline.wait_ready(SECONDS)
    asyncio.run(append_to_first(settings, raws(100, 20)))
    asyncio.run(wait_for_outcomes(settings, 40, SECONDS))
    page_with(pipeline, later, "has 6 partitions, not 4", WITHIN)
    assert pipeline.restarts_of() == {later: 0}
    time.sleep(2)  # commits
    audited = hookline(settings, "audit", "--json")
    found = json.loads(audited.stdout)
    assert (audited.returncode, found["accepted"], found["left_alone"]) == (0, 40, 0)
    assert "has 6 partitions, not 4" in found["added"][0]
    asyncio.run(write_to(settings, 5))
    audited = hookline(settings, "audit")
    assert (audited.returncode, "they hold 1 records" in " ".join(audited.stdout.split())) == (
        1,
        True,
    )


async def delete_outcomes(settings: Settings) -> int:
    """Delete the first outcome of a partition that holds several; its number."""
    async with (
        topics_admin.admin_client(settings) as admin,
        log_reader.consumer(settings) as reader,
    ):
        tps = [TopicPartition(settings.topic(ORDERS), n) for n in range(settings.partitions)]
        ends = await log_reader.end_offsets(reader, tps)
        tp = max(tps, key=lambda each: ends[each])
        await admin.delete_records({tp: RecordsToDelete(before_offset=1)})
    return tp.partition


def test_a_partition_whose_outcomes_were_deleted_goes_on_once_an_operator_accepts_it(
    settings: Settings, pipeline: Pipeline
) -> None:
    first = pipeline.join("process")
    pipeline.wait_ready(SECONDS)
    asyncio.run(append(settings, raws(1, 40)))
    asyncio.run(wait_for_outcomes(settings, 40, SECONDS))
    time.sleep(2)  # commits
    pipeline.leave(first)
    number = asyncio.run(delete_outcomes(settings))
    name = pipeline.join("process")
    while not pipeline.ports.get(name) or pipeline.unready().get(name, "Error").count("Error"):
        time.sleep(0.2)
    command = f"hookline accept-horizon {number}"
    assert page_with(pipeline, name, command, SECONDS).status_code == 503
    other = hookline(settings, "accept-horizon", str((number + 1) % 4), "--yes")
    assert (other.returncode, "nothing to accept" in other.stderr) == (1, True)
    accepted = hookline(settings, *command.split()[1:], "--yes")
    assert accepted.returncode == 0, accepted.stderr
    pipeline.wait_ready(30)
    asyncio.run(append(settings, raws(100, 40)))
    asyncio.run(wait_for_outcomes(settings, 79, SECONDS))
    assert pipeline.restarts_of() == {name: 0}
    (decision,) = [
        each
        for each in asyncio.run(operator_decisions.read_all(settings))
        if isinstance(each, AcceptedHorizon)
    ]
    assert (decision.partition, decision.starts) == (number, {settings.topic(ORDERS): 1})


def test_no_state_folder_ends_a_processor(
    settings: Settings, pipeline: Pipeline, tmp_path: Path
) -> None:
    """A file in its place, one that cannot be made, garbage in it, a full disk, and one gone."""
    file, garbage, gone = tmp_path / "file", tmp_path / "garbage", tmp_path / "gone"
    file.write_bytes(b"no folder")
    garbage.mkdir()
    for number in range(4):
        (garbage / f"index-{settings.prefix}{number}.cache").write_bytes(os.urandom(5000))
    (garbage / f"registry-{settings.prefix}.json").mkdir()
    folders = {
        "process-1": str(file),
        "process-2": "/proc/hookline",
        "process-3": str(garbage),
        "process-4": str(tmp_path / "full"),
    }
    pipeline.shape = replace(
        pipeline.shape,
        variables={name: {"HOOKLINE_STATE_DIR": path} for name, path in folders.items()},
        entries={"process-4": ("-c", NO_FILES)},
    )
    for _ in folders:
        pipeline.join("process")
    pipeline.wait_ready(SECONDS)
    asyncio.run(append(settings, raws(1, 40)))
    asyncio.run(wait_for_outcomes(settings, 40, SECONDS))
    for name in ("process-2", "process-3", "process-4"):
        pipeline.leave(name)  # in order: the indexes are saved, or not
    garbage.rename(gone)
    asyncio.run(append(settings, raws(100, 40)))
    asyncio.run(wait_for_outcomes(settings, 80, SECONDS))
    assert pipeline.exits == 0
