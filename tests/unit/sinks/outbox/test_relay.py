"""Signals are marked as sent one by one, in order, and only after Kafka's answer."""

import asyncio
from functools import partial
from typing import Any

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

    async def send(self, _topic: str, **_record: bytes) -> "asyncio.Future[None]":
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
