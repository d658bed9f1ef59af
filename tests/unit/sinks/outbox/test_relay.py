"""Signals are marked as sent one by one, in order, and only after Kafka's answer."""

import asyncio
from functools import partial
from typing import Any

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError, LeaderNotAvailableError
from aiokafka.partitioner import DefaultPartitioner

from runtime.health import Health
from runtime.settings import Settings
from schemas.events import CartSignal, SignalKind
from sinks.outbox import relay
from sinks.outbox.relay import Relay, UnsentSignal
from tests.toy_platform import CODEC


def signal(number: int) -> CartSignal:
    return CartSignal(
        signal_id=f"00000000-0000-0000-0000-{number:012}",
        kind=SignalKind.ABANDONED,
        cart_key="spiffy/s/cart:1",
        generation=1,
        source="spiffy",
        shop="s",
        abandoned_at=1,
        occurred_at=1,
        detected_at=1,
        is_test=False,
        source_event_id="00000000-0000-0000-0000-000000000000",
    )


PARTITIONS = list(range(Settings().partitions))


class Outbox:
    """The leader's session: what waits in the outbox, and what was marked."""

    def __init__(self, count: int) -> None:
        self.waiting = [UnsentSignal(number, signal(number)) for number in range(count)]
        self.marked: list[int] = []
        self.terms = 0
        self.leads = True

    async def run(self, work: Any) -> Any:
        if not self.leads:
            return None
        if isinstance(work, partial) and work.func is relay._mark:
            self.marked += [each.position for each in work.args[0]]
            return True
        return self.waiting if work is relay._unsent else None


class Producer:
    """Acknowledges when the test does so."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[None]] = []
        self.refuses: list[KafkaError] = []
        self.sent: list[tuple[bytes, int]] = []

    async def send(self, _topic: str, **record: Any) -> "asyncio.Future[None]":
        if self.refuses:
            raise self.refuses.pop()
        self.sent.append((record["key"], record["partition"]))
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def relay_of(outbox: Outbox, producer: Producer) -> Relay:
    relay = Relay(Settings(), Health(), CODEC)
    for name, fake in {"_leader": outbox, "_producer": producer}.items():
        setattr(relay, name, fake)
    return relay


async def until_sent(producer: Producer, count: int) -> None:
    while len(producer.answers) < count:  # noqa: ASYNC110 - a list has no event
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


async def test_signals_are_marked_once_all_that_were_sent_together_are_answered() -> None:
    outbox, producer = Outbox(3), Producer()
    step = asyncio.ensure_future(relay_of(outbox, producer).step())
    await until_sent(producer, 3)
    seen = [list(outbox.marked)]
    for number in (1, 0, 2):
        producer.answers[number].set_result(None)
        await asyncio.sleep(0.01)
        seen.append(list(outbox.marked))
    assert seen == [[], [], [], [0, 1, 2]]
    assert await step == 3


async def test_a_relay_that_no_longer_leads_marks_nothing_more() -> None:
    outbox, producer = Outbox(2), Producer()
    step = asyncio.ensure_future(relay_of(outbox, producer).step())
    await until_sent(producer, 2)
    outbox.leads = False
    for answer in producer.answers:
        answer.set_result(None)
    assert await step == 0
    assert outbox.marked == []


async def test_a_signal_that_kafka_does_not_take_yet_is_sent_again_in_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "_PAUSE", 0.0)
    outbox, producer = Outbox(3), Producer()
    producer.refuses = [KafkaTimeoutError(), LeaderNotAvailableError()]
    made = relay_of(outbox, producer)
    step = asyncio.ensure_future(made.step())
    await until_sent(producer, 3)
    for answer in producer.answers:
        answer.set_result(None)
    assert await step == 3
    assert [key for key, _ in producer.sent] == [
        row.signal.cart_key.encode() for row in outbox.waiting
    ]
    assert made._health.is_ready


async def test_a_signal_goes_to_the_partition_of_its_key_among_those_declared() -> None:
    outbox, producer = Outbox(20), Producer()
    step = asyncio.ensure_future(relay_of(outbox, producer).step())
    await until_sent(producer, 20)
    step.cancel()
    assert {partition for _, partition in producer.sent} <= set(range(Settings().partitions))
    assert producer.sent == [
        (key, DefaultPartitioner()(key, PARTITIONS, PARTITIONS)) for key, _ in producer.sent
    ]
