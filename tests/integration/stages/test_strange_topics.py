"""Foreign records and transaction markers in every topic of ours: every command still answers."""

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from hookline.audit.report import Report, audit
from hookline.cli import app
from hookline.console.errors import CommandError
from runtime.kafka.topics_admin import find_topics
from runtime.settings import Settings
from schemas import envelopes
from schemas.events import CartSignal
from schemas.json_records import decisions, heartbeats
from schemas.json_records.decisions import ContactKey
from schemas.json_records.heartbeats import Heartbeat
from schemas.topics import ALL, MIB, OUTCOMES, WEBHOOKS, Topic
from tests import senders
from tests.conftest import LiveStack
from tests.integration.neighbours.test_among_strangers import orders, running
from tests.raw import append
from tests.sink_events import CODEC, NOON, cart
from tests.strange_records import LETTER, OUTCOME, RAW

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(420)]

LIMIT = 90.0
"""Seconds within which each command must end."""
DEEP = b'{"x":' + b"[" * 5000
SIGNAL = CartSignal(
    signal_id="none\0", cart_key="", generation=1, source="", shop="", abandoned_at=0,
    occurred_at=0, detected_at=0, is_test=False, source_event_id="",
)  # fmt: skip
BODIES: tuple[bytes | None, ...] = (
    None, b"", b"\0", b"\xff", DEEP, b'{"type":"\xff"}', b"\0\0\0\xff\xffnewer",
    CODEC.encode(SIGNAL),
    CODEC.encode(cart("1", NOON, [])),
    decisions.encode(ContactKey(fingerprint="", replaces="x", at=0)),
    heartbeats.encode(Heartbeat(ingress="a\0", started=1, at=1, healthy=False, accepted={"\0": 9})),
)  # fmt: skip
NUMBERS = (envelopes.ORIGINAL, envelopes.RECEIVED_US, envelopes.RAW_TIME)


def header_sets(topic: Topic) -> list[list[tuple[str, bytes | None]]]:
    """None of ours; all of ours, spoiled in one place each."""
    ours = RAW if topic == WEBHOOKS else OUTCOME if topic in OUTCOMES else LETTER
    spoiled: list[dict[str, bytes | None]] = [dict.fromkeys(ours, b"\xff\x00")]
    spoiled.append({**ours, "other": None, envelopes.SHOP: b"\0"})
    spoiled.append({**dict.fromkeys(ours, b"x"), **dict.fromkeys(NUMBERS, b"9" * 25)})
    spoiled.append({name: value for name, value in ours.items() if name != envelopes.DIGEST})
    spoiled.append({envelopes.RAW_OFFSET: b"1", envelopes.REASON: b"malformed-body"})
    spoiled.append({**dict.fromkeys(ours, None), envelopes.SLOTS: b"," * 70_000})
    return [[], *(list(each.items()) for each in spoiled)]


async def write_foreign(settings: Settings, turn: int) -> dict[str, int]:
    """One transaction that ends, one that is taken back, in every partition; by topic."""
    partitions = {name: found.partitions for name, found in (await find_topics(settings)).items()}
    written = dict.fromkeys(partitions, 0)
    for ending in ("commit", "abort"):
        producer = AIOKafkaProducer(
            **settings.kafka(),
            transactional_id=f"{settings.prefix}{turn}-{ending}",
            max_batch_size=MIB,
            max_request_size=4 * MIB,
        )
        await producer.start()
        await producer.begin_transaction()
        for topic in ALL:
            name = settings.topic(topic)
            every = header_sets(topic)
            for number in range(partitions[name]):
                batch = producer.create_batch()
                for at, value in enumerate(BODIES):
                    headers = every[(at + turn + number) % len(every)]
                    # The broker itself refuses a record without a key in a compacted topic.
                    key = None if at % 3 == 0 and not topic.is_compacted else b"\xff\0"
                    added = batch.append(key=key, value=value, timestamp=None, headers=headers)
                    assert added is not None
                await (await producer.send_batch(batch, name, partition=number))
                written[name] += len(BODIES)
        await getattr(producer, f"{ending}_transaction")()
        await producer.stop()
    return written


def command(settings: Settings, reader_url: str, *arguments: str) -> Any:
    """Run a command as an operator does; it must end, and not with an error of Python's."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("HOOKLINE_")}
    with ThreadPoolExecutor(1) as thread:
        own = {**settings.environment(), "HOOKLINE_READER_URL": reader_url}
        runner = CliRunner(env={**env, **own})
        ended = thread.submit(runner.invoke, app, list(arguments)).result(LIMIT)
    assert ended.exception is None or isinstance(ended.exception, SystemExit | CommandError), (
        arguments,
        ended.exc_info,
    )
    return ended


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    made = replace(stack.settings(), shops_file=str(shops), partitions=1, shop_wait=1.0)
    return prepared(replace(made, session_timeout=6.0, heartbeat_interval=0.5))


def test_every_command_answers_and_the_stages_go_on(
    settings: Settings, stack: LiveStack, tmp_path: Path
) -> None:
    raw = settings.topic(WEBHOOKS)
    foreign = asyncio.run(write_foreign(settings, 0))[raw]
    with running(settings, tmp_path / "logs", processors=1, sinks=1) as pipeline:
        asyncio.run(append(settings, orders(1, 20)))
        foreign += asyncio.run(write_foreign(settings, 1))[raw]
        asyncio.run(append(settings, orders(21, 20)))
        foreign += asyncio.run(write_foreign(settings, 2))[raw]
        report = asyncio.run(all_counted(settings, 40 + foreign))
        assert (report.total.canonical, report.total.missing, report.is_balanced) == (40, 0, True)
        letter = next(iter(letters_of(settings, stack.reader_url)))
        for arguments in (
            ("audit",), ("dead", "list"), ("dead", "list", "--group"), ("dead", "show", letter),
            ("dead", "replay", "--all", "--dry-run"), ("dead", "discard", letter, "--because", "x"),
            ("topics",), ("why", "carts", "none"), ("why", "customers", "none"), ("shops",),
            ("shops", "drift"), ("doctor",), ("status",), ("rebuild", "--check"), ("rebuild",),
            ("accept-loss", "0", "--until", "3", "--yes"),
            *(("topics", "tail", topic.name, "--from-start", "--no-follow") for topic in ALL),
        ):  # fmt: skip
            command(settings, stack.reader_url, *arguments)
        asyncio.run(append(settings, orders(41, 20)))
        report = asyncio.run(all_counted(settings, 60 + foreign))
        assert (report.total.canonical, report.is_balanced) == (60, True)
        assert set(pipeline.restarts_of().values()) == {0}


async def all_counted(settings: Settings, records: int) -> Report:
    """The audit, once every raw record has its verdict and the sinks are level."""
    report: Report | None = None
    try:
        async with asyncio.timeout(150):
            while True:
                report = await audit(settings)
                total = report.total
                seen = total.accepted + total.foreign + total.replays
                behind = report.sinks.behind if report.sinks else 0
                if (seen, total.in_flight, behind) == (records, 0, 0):
                    return report
                await asyncio.sleep(0.5)
    except TimeoutError as error:
        raise AssertionError(f"not {records} records: {report}") from error


def letters_of(settings: Settings, reader_url: str) -> list[str]:
    listed = json.loads(command(settings, reader_url, "dead", "list", "--json").stdout)
    return [letter["letter"] for letter in listed]
