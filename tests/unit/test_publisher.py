"""The one producer of an ingress: what it hands over, and what ends the process."""

import asyncio
import os
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
)

from ingest import publisher as module
from ingest.partitions import partition_of
from ingest.publisher import EXIT_FATAL, KafkaPublisher, NotSentError, Record, leave
from runtime.settings import Settings

RECORD = Record("t_hookline.webhooks", b"spiffy/johns/cart:1", b"{}", [("a", b"b")])


class Producer:
    """What KafkaPublisher asks of aiokafka's producer."""

    def __init__(self) -> None:
        self.refuses_start: list[Exception] = []
        self.refuses_send: Exception | None = None
        self.sent: list[tuple[Any, ...]] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.asked = 0
        self.stopped = 0

    async def start(self) -> None:
        if self.refuses_start:
            raise self.refuses_start.pop(0)

    async def stop(self) -> None:
        self.stopped += 1

    async def partitions_for(self, _topic: str) -> set[int]:
        self.asked += 1
        return set(range(12))

    async def send(
        self, topic: str, value: bytes, key: bytes, *, partition: int, headers: Any
    ) -> "asyncio.Future[Any]":
        if self.refuses_send is not None:
            raise self.refuses_send
        self.sent.append((topic, value, key, partition, headers))
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Producer:
    made = Producer()
    monkeypatch.setattr(module, "new_producer", lambda _settings, **_overrides: made)
    monkeypatch.setattr(module, "CONNECT_PAUSE", 0)
    return made


@pytest.fixture
def fatal() -> list[str]:
    return []


@pytest.fixture
async def connected(producer: Producer, fatal: list[str]) -> KafkaPublisher:
    made = KafkaPublisher(Settings(), fatal.append)
    await made.connect()
    assert made._producer is producer
    return made


async def test_nothing_is_handed_over_before_kafka_was_reached(producer: Producer) -> None:
    made = KafkaPublisher(Settings())
    with pytest.raises(NotSentError, match="not been reached"):
        await made.send(RECORD)
    assert await made.close(0) is True
    assert (producer.sent, producer.stopped) == ([], 0)


async def test_kafka_is_waited_for_as_long_as_it_takes(
    producer: Producer, fatal: list[str]
) -> None:
    producer.refuses_start = [KafkaConnectionError("away"), OSError("away"), KafkaError("away")]
    made = KafkaPublisher(Settings(), fatal.append)
    await made.connect()
    assert (producer.refuses_start, producer.stopped, fatal) == ([], 3, [])


async def test_an_attempt_that_is_given_up_leaves_no_producer_behind(producer: Producer) -> None:
    producer.refuses_start = [asyncio.CancelledError()]  # type: ignore[list-item]
    with pytest.raises(asyncio.CancelledError):
        await KafkaPublisher(Settings()).connect()
    assert producer.stopped == 1


async def test_a_record_goes_to_the_partition_of_its_key(
    connected: KafkaPublisher, producer: Producer
) -> None:
    for _ in range(2):
        await connected.send(RECORD)
    place = partition_of(RECORD.key, 12)
    assert producer.sent == [(RECORD.topic, b"{}", RECORD.key, place, [("a", b"b")])] * 2
    assert producer.asked == 1


@pytest.mark.parametrize(
    ("error", "is_fatal"),
    [
        (KafkaTimeoutError(), False),
        (MessageSizeTooLargeError(), False),
        (KafkaConnectionError(), False),
        (OutOfOrderSequenceNumber(), True),
        (KafkaError("spent"), True),
    ],
)
async def test_only_an_error_that_spends_the_producer_ends_the_process(
    connected: KafkaPublisher,
    producer: Producer,
    fatal: list[str],
    error: KafkaError,
    is_fatal: bool,
) -> None:
    producer.refuses_send = error
    with pytest.raises(NotSentError):
        await connected.send(RECORD)
    assert bool(fatal) == is_fatal


async def test_an_unanswered_record_that_fails_ends_the_process(
    connected: KafkaPublisher, producer: Producer, fatal: list[str]
) -> None:
    for _ in range(3):
        await connected.send(RECORD)
    good, bad, given_up = producer.futures
    good.set_result(None)
    given_up.cancel()
    await asyncio.sleep(0)
    assert fatal == []
    bad.set_exception(KafkaTimeoutError())
    await asyncio.sleep(0)
    assert len(fatal) == 1


async def test_closing_waits_for_what_is_unanswered_and_flushes_nothing(
    connected: KafkaPublisher, producer: Producer
) -> None:
    future = await connected.send(RECORD)
    assert await connected.close(0.01) is False
    assert producer.stopped == 0
    future.set_result(None)
    assert await connected.close(0.01) is True
    assert producer.stopped == 1


def test_leaving_ends_the_process_at_once_with_its_own_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(module.logging, "shutdown", lambda: None)
    leave("a batch was given up")
    assert codes == [EXIT_FATAL] == [70]
