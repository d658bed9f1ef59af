"""The publisher of an ingress: what it sends, and which errors end the process."""

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
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from msgspec.structs import replace

from ingest import publisher as module
from ingest.partitioner import partition_of
from ingest.publisher import EXIT_FATAL, KafkaPublisher, NotSentError, Record, exit_without_flush
from runtime.settings import Settings
from schemas.topics import INGRESS, WEBHOOKS, Topic
from tests.batches import Batch

RECORD = Record("t_hookline.webhooks", b"spiffy/johns/cart:1", b"{}", [("a", b"b")])


class Producer:
    """A fake of aiokafka's producer."""

    def __init__(self) -> None:
        self.refuses_start: list[Exception] = []
        self.refuses_send: Exception | None = None
        self.batches: list[tuple[str, int, list[dict[str, Any]]]] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.asked: list[str] = []
        self.unseen: list[str] = []
        self.partitions = 12
        self.stopped = 0

    async def start(self) -> None:
        if self.refuses_start:
            raise self.refuses_start.pop(0)

    async def stop(self) -> None:
        self.stopped += 1

    async def partitions_for(self, topic: str) -> set[int]:
        self.asked.append(topic)
        if topic in self.unseen:
            self.unseen.remove(topic)
            raise TopicAuthorizationFailedError(topic)
        return set(range(self.partitions))

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(
        self, batch: Batch, topic: str, *, partition: int
    ) -> "asyncio.Future[Any]":
        if self.refuses_send is not None:
            raise self.refuses_send
        assert batch.is_closed
        self.batches.append((topic, partition, batch.records))
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    @property
    def sizes(self) -> list[int]:
        """Records of each batch."""
        return [len(records) for _, _, records in self.batches]


async def turns(count: int = 5) -> None:
    """Let the loop go round a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


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
    producer.asked.clear()
    return made


async def test_nothing_is_sent_before_kafka_was_reached(producer: Producer) -> None:
    made = KafkaPublisher(Settings())
    with pytest.raises(NotSentError, match="not been reached"):
        made.send(RECORD)
    assert await made.close(0) is True
    assert (producer.batches, producer.stopped) == ([], 0)


async def test_kafka_is_waited_for_as_long_as_it_takes(
    producer: Producer, fatal: list[str]
) -> None:
    producer.refuses_start = [KafkaConnectionError("away"), OSError("away"), KafkaError("away")]
    made = KafkaPublisher(Settings(), fatal.append)
    await made.connect()
    assert (producer.refuses_start, producer.stopped, fatal) == ([], 3, [])


@pytest.mark.parametrize("topic", [WEBHOOKS.name, INGRESS.name])
async def test_a_right_to_write_that_is_missing_from_the_start_is_waited_for(
    producer: Producer, fatal: list[str], monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    seen: list[str] = []
    producer.unseen = [topic, topic]
    made = KafkaPublisher(Settings(), fatal.append)

    async def paused(_seconds: float) -> None:
        seen.append(made.obstacle)

    monkeypatch.setattr(module.asyncio, "sleep", paused)
    await made.connect()
    assert len(seen) == 2
    assert all(f"the right Write on the topic {topic};" in obstacle for obstacle in seen)
    assert (producer.stopped, producer.batches, fatal) == (2, [], [])


async def test_an_attempt_that_is_given_up_leaves_no_producer_behind(producer: Producer) -> None:
    producer.refuses_start = [asyncio.CancelledError()]  # type: ignore[list-item]
    with pytest.raises(asyncio.CancelledError):
        await KafkaPublisher(Settings()).connect()
    assert producer.stopped == 1


async def test_a_record_goes_to_the_partition_of_its_key_as_it_is(
    connected: KafkaPublisher, producer: Producer
) -> None:
    keys = [b"spiffy/johns/cart:%d" % number for number in range(40)]
    for key in keys:
        connected.send(replace(RECORD, key=key))
    await turns()
    partitions = {
        record["key"]: number for _, number, records in producer.batches for record in records
    }
    assert partitions == {key: partition_of(key, 12) for key in keys}
    topic, _, records = producer.batches[0]
    sent = {name: records[0][name] for name in ("value", "headers", "timestamp")}
    assert (topic, sent) == (
        RECORD.topic, {"value": b"{}", "headers": [("a", b"b")], "timestamp": None}
    )  # fmt: skip
    assert producer.asked == [RECORD.topic]


@pytest.mark.parametrize(("topic", "kept"), [(WEBHOOKS, 12), (INGRESS, 1)])
async def test_partitions_that_somebody_added_take_no_key_away(
    connected: KafkaPublisher, producer: Producer, topic: Topic, kept: int
) -> None:
    producer.partitions = 24
    keys = [b"spiffy/johns/cart:%d" % number for number in range(40)]
    for key in keys:
        connected.send(replace(RECORD, topic=Settings().topic(topic), key=key))
    await turns()
    partitions = {
        record["key"]: number for _, number, records in producer.batches for record in records
    }
    assert partitions == {key: partition_of(key, kept) for key in keys}


async def test_what_arrives_while_a_batch_is_unanswered_goes_as_the_next_one_in_order(
    connected: KafkaPublisher, producer: Producer
) -> None:
    futures = []
    for number in range(6):
        futures.append(connected.send(replace(RECORD, value=b"%d" % number)))
        if number != 1:
            await turns()
    assert producer.sizes == [1]
    producer.futures[0].set_result(None)
    await turns()
    assert producer.sizes == [1, 5]
    assert [future.done() for future in futures] == [True] + 5 * [False]
    producer.futures[1].set_result(None)
    await turns()
    assert all(future.done() for future in futures)
    values = [record["value"] for _, _, records in producer.batches for record in records]
    assert values == [b"%d" % number for number in range(6)]


async def test_partitions_do_not_wait_for_each_other(
    connected: KafkaPublisher, producer: Producer
) -> None:
    keys = [b"cart:%d" % number for number in range(40)]
    partitions = {partition_of(key, 12) for key in keys}
    for key in keys:
        connected.send(replace(RECORD, key=key))
    await turns()
    assert {number for _, number, _ in producer.batches} == partitions
    assert len(producer.batches) == len(partitions)


async def test_what_a_batch_has_no_room_for_goes_with_the_next(
    connected: KafkaPublisher, producer: Producer
) -> None:
    futures = [connected.send(replace(RECORD, value=b"x" * 4_000)) for _ in range(5)]
    for answered in range(3):
        await turns()
        assert len(producer.batches) == answered + 1
        producer.futures[answered].set_result(None)
    await turns()
    assert producer.sizes == [2, 2, 1]
    assert all(future.result() is None for future in futures)


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
    producer.refuses_send = None
    later = connected.send(RECORD)
    await turns()
    producer.futures[0].set_result(None)
    assert await later is None


async def test_an_unknown_topic_fails_each_record(
    connected: KafkaPublisher, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(_topic: str) -> set[int]:
        raise UnknownTopicOrPartitionError

    monkeypatch.setattr(producer, "partitions_for", unknown)
    for future in [connected.send(RECORD) for _ in range(2)]:
        with pytest.raises(NotSentError, match="UnknownTopic"):
            await future


async def test_a_bug_in_sending_ends_the_process(
    connected: KafkaPublisher, producer: Producer, fatal: list[str]
) -> None:
    producer.refuses_send = AttributeError("a bug")
    connected.send(RECORD)
    await turns()
    assert fatal == ["AttributeError('a bug')"]


async def test_an_unanswered_batch_that_fails_ends_the_process(
    connected: KafkaPublisher, producer: Producer, fatal: list[str]
) -> None:
    good = connected.send(RECORD)
    await turns()
    producer.futures[0].set_result(None)
    await good
    left, bad = connected.send(RECORD), connected.send(RECORD)
    left.cancel()
    await turns()
    assert fatal == []
    producer.futures[1].set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await bad
    assert len(fatal) == 1


async def test_closing_waits_for_what_is_unanswered_and_flushes_nothing(
    connected: KafkaPublisher, producer: Producer
) -> None:
    connected.send(RECORD)
    assert await connected.close(0.01) is False
    assert producer.stopped == 0
    producer.futures[0].set_result(None)
    assert await connected.close(0.01) is True
    assert producer.stopped == 1


def test_an_exit_without_flush_ends_the_process_at_once_with_its_own_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(module.logging, "shutdown", lambda: None)
    exit_without_flush("a batch was given up")
    assert codes == [EXIT_FATAL] == [70]
