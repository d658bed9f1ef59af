"""A worker whose Kafka client gets no answer ends where a new client gets one, and else waits."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from hookline.local.process import free_port
from runtime.consumer.watchdog import EXIT_STALLED
from runtime.settings import Settings
from schemas.topics import WEBHOOKS
from tests.conftest import LiveStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(90)]

WORKER = """
import asyncio, sys
from types import SimpleNamespace
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP
from runtime.consumer import watchdog
from runtime.health import Health
from runtime.settings import Settings

watchdog.ENDS_INTERVAL, watchdog.KAFKA_TIMEOUT = 0.1, 4.0

class Thread:
    is_started, beats = True, 0
    def beat(self): self.beats += 1
    async def ask_ends(self, tps): raise KafkaTimeoutError("as a client without metadata")

async def main(brokers, topic):
    progress = SimpleNamespace(is_in_flight=False, acknowledged=0, acknowledged_ms=0, steps=0)
    consumer = SimpleNamespace(
        thread=Thread(),
        progress=lambda: {TP(topic, 0): progress}, stopped=dict, stage_label="x",
        joining_since=None, health=Health(),
        app=SimpleNamespace(consumer_generation_id=1, settings=Settings(brokers=brokers)),
    )
    consumer.health.waiting("kafka", "so that no other rule of the watchdog ends it")
    watching = watchdog.Watchdog(consumer, 3.0, 30.0, {topic: 60.0})
    try:
        async with asyncio.timeout(12):
            await watching.run()
    except TimeoutError:
        sys.exit(0)

asyncio.run(main(*sys.argv[1:]))
"""


def ended(brokers: str, topic: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WORKER, brokers, topic],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": "."},
        check=False,
    )


def test_a_worker_ends_whose_client_gets_no_answer_where_a_new_one_does(
    stack: LiveStack, prepared: Callable[[Settings], Settings]
) -> None:
    settings = prepared(stack.settings())
    found = ended(stack.brokers, settings.topic(WEBHOOKS))
    assert found.returncode == EXIT_STALLED, found.stderr
    assert "this process's own client of Kafka" in found.stdout + found.stderr


def test_a_worker_waits_on_where_kafka_answers_nobody() -> None:
    found = ended(f"127.0.0.1:{free_port()}", "webhooks")
    assert found.returncode == 0, found.stderr


def test_a_worker_waits_on_where_a_new_client_gets_no_answer_either(stack: LiveStack) -> None:
    """As for a partition without a leader: a restart would not help."""
    found = ended(stack.brokers, "no-such-topic")
    assert found.returncode == 0, found.stderr
    assert "kafka does not answer a new client either" in found.stdout + found.stderr
