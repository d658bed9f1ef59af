"""What is sent, waited for, given up: the batch sender, with a producer that does as it is told."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    OutOfOrderSequenceNumber,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from runtime.health import Health
from runtime.kafka import producer
from runtime.kafka.producer import MAX_BATCH, Appended, BatchSender, new_producer
from runtime.settings import Settings
from runtime.stage import RefusedError
from schemas.envelopes import Outcome
from schemas.topics import MIB, OUTCOMES


class LeftError(Exception):
    """The process would have ended, with this code."""


@dataclass
class Producer:
    """Answers each batch with what is next in ``answers``: an offset, an error, or never."""

    answers: list[int | Exception | None] = field(default_factory=list)
    refusals: int = 0
    sent: list[tuple[str, int, int]] = field(default_factory=list)

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(MAX_BATCH, 0)

    async def send_batch(
        self, batch: BatchBuilder, topic: str, *, partition: int
    ) -> asyncio.Future[Any]:
        if self.refusals:
            self.refusals -= 1
            raise KafkaTimeoutError
        self.sent.append((topic, partition, batch.record_count()))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(SimpleNamespace(offset=answer))
        return future


def outcomes(*sizes: int, topic: str = "hookline.carts") -> list[Outcome]:
    return [Outcome(topic, b"key", b"x" * size) for size in sizes]


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []

    def leave(code: int) -> None:
        found.append(code)
        raise LeftError

    monkeypatch.setattr(producer.os, "_exit", leave)
    monkeypatch.setattr(producer, "PATIENCE", 0.01)
    return found


def sender(answering: Producer, health: Health | None = None) -> BatchSender:
    return BatchSender(Settings(prefix="t_"), health or Health(), answering)


async def sent(
    to: BatchSender, partition: int, made: Iterable[Outcome], is_current: Callable[[], bool]
) -> list[Appended]:
    return await to.send(partition, to.build_batches(made), is_current)


def always() -> bool:
    return True


def first_only(times: int) -> Callable[[], bool]:
    left = iter([True] * times)
    return lambda: next(left, False)


async def test_each_topic_is_one_batch_to_the_same_partition_number() -> None:
    kafka = Producer(answers=[7, 3])
    made = [*outcomes(10, 10), *outcomes(10, topic="hookline.consents")]
    appended = await sent(sender(kafka), 5, made, always)
    assert [("t_hookline.carts", 5, 2), ("t_hookline.consents", 5, 1)] == kafka.sent
    assert [("hookline.carts", 7), ("hookline.consents", 3)] == [
        (each.topic, each.base) for each in appended
    ]


async def test_a_record_larger_than_a_batch_goes_alone_and_the_order_stays() -> None:
    kafka = Producer()
    appended = await sent(sender(kafka), 0, outcomes(10, 2 * MAX_BATCH, 10), always)
    assert [1, 1, 1] == [count for _, _, count in kafka.sent]
    assert [10, 2 * MAX_BATCH, 10] == [len(each.last.value) for each in appended]


async def test_an_unanswered_send_is_waited_for_while_the_generation_lasts(
    codes: list[int],
) -> None:
    health = Health()
    sending = asyncio.create_task(sent(sender(Producer([None]), health), 0, outcomes(1), always))
    await asyncio.sleep(0.05)
    assert (False, [], True) == (sending.done(), codes, "produce" in health.unmet)
    sending.cancel()


async def test_a_send_unanswered_when_the_generation_ends_ends_the_process(
    codes: list[int],
) -> None:
    with pytest.raises(LeftError):
        await sent(sender(Producer([None])), 0, outcomes(1), first_only(1))
    assert [producer.EXIT_UNANSWERED] == codes


async def test_an_error_that_no_waiting_heals_ends_the_process(codes: list[int]) -> None:
    with pytest.raises(LeftError):
        await sent(sender(Producer([OutOfOrderSequenceNumber()])), 0, outcomes(1), always)
    assert [producer.EXIT_UNANSWERED] == codes


async def test_what_was_not_queued_is_tried_again_and_not_once_the_generation_is_over() -> None:
    kafka = Producer(refusals=2)
    assert 1 == len(await sent(sender(kafka), 0, outcomes(1), always))
    kafka = Producer(refusals=2)
    assert [] == await sent(sender(kafka), 0, outcomes(1), first_only(2))
    assert [] == kafka.sent


async def test_nothing_more_is_sent_once_the_generation_is_over() -> None:
    kafka = Producer()
    made = [*outcomes(1), *outcomes(1, topic="hookline.consents")]
    appended = await sent(sender(kafka), 0, made, first_only(1))
    assert ["hookline.carts"] == [each.topic for each in appended]
    assert 1 == len(kafka.sent)


async def test_a_topic_that_takes_less_than_it_should_stops_the_partition_not_the_process(
    codes: list[int],
) -> None:
    kafka = Producer([MessageSizeTooLargeError(), 4])
    made = [*outcomes(99), *outcomes(1, topic="hookline.consents")]
    with pytest.raises(RefusedError, match=r"t_hookline.carts refuses a batch of 172 bytes"):
        await sent(sender(kafka), 0, made, always)
    assert (2, []) == (len(kafka.sent), codes)


async def test_our_producers_are_idempotent_and_carry_the_largest_record() -> None:
    ours = new_producer(Settings())
    try:
        assert ours._txn_manager is not None
        assert -1 == ours._sender._acks
        assert ours._max_request_size > max(topic.max_message_bytes for topic in OUTCOMES)
        assert MIB > MAX_BATCH > 16 * 1024
        # A dead connection is noticed before a batch without a leader would be given up.
        assert ours.client._request_timeout_ms / 1000 < ours._message_accumulator._batch_ttl / 2
    finally:
        await ours.stop()


async def test_a_batch_whose_partition_has_no_leader_never_expires() -> None:
    """Its error would end the process: it waits as one on the wire does."""
    made = new_producer(Settings())
    await made._message_accumulator.add_message(
        TopicPartition("t", 0), b"k", b"v", timeout=1, timestamp_ms=None
    )
    [[batch]] = made._message_accumulator._batches.values()
    batch._ctime -= 86_400
    assert not batch.expired()
    made._closed = True  # it was never started


async def test_a_start_waits_for_kafka_with_a_new_producer_each_time_and_stops_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors: list[Exception | None] = [NodeNotReadyError(), OSError("reset"), None]
    made: list[Any] = []

    class Starting:
        def __init__(self) -> None:
            self.is_stopped = False
            made.append(self)

        async def start(self) -> None:
            if (error := errors.pop(0)) is not None:
                raise error

        async def stop(self) -> None:
            self.is_stopped = True

    monkeypatch.setattr(producer, "new_producer", lambda _settings: Starting())
    health = Health()
    settings = Settings(brokers="127.0.0.1:1")
    assert await producer.started_producer(settings, health) is made[-1]
    assert [each.is_stopped for each in made] == [True, True, False]
    assert health.is_ready
