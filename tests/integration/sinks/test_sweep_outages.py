"""The sweep through outages on a given clock: the real tables, and a broker that is told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.events import CustomerRef
from schemas.topics import CARTS, ORDERS, WEBHOOKS, Group, Topic
from sinks.postgres.migrate import migrate
from sinks.watermark.sweep import Sweep
from sinks.watermark.watermark import MARGIN_MS
from tests.sink_events import HOUR, MINUTE, NOON, SECOND, Tables, cart, line, order

pytestmark = pytest.mark.stack

ANNA, BERT = CustomerRef(customer_id="1"), CustomerRef(customer_id="2")
GRACE = 60 * MINUTE


@dataclass
class Broker:
    """What a sweep asks of Kafka, as a test tells it. Partition 1 of every topic is idle."""

    settings: Settings
    at: dict[Topic, int] = field(default_factory=dict)  # topic -> end of partition 0
    committed: int = 0
    beats: list[tuple[int, bool]] = field(default_factory=list)

    def beat(self, first: int, last: int, *, healthy: bool = True) -> None:
        """Heartbeats every 5 s, times in microseconds."""
        self.beats += [(at // 1000, healthy) for at in range(first, last + 1, 5 * SECOND)]

    async def heartbeats(
        self, offsets: Mapping[int, int]
    ) -> tuple[list[tuple[int, bool]], dict[int, int]]:
        return self.beats[offsets.get(0, 0) :], {0: len(self.beats)}

    async def ends(self, *topics: Topic) -> dict[Partition, int]:
        return {
            Partition(self.settings.topic(topic), number): self.at.get(topic, 0) * (not number)
            for topic in topics
            for number in (0, 1)
        }

    async def starts(self, *topics: Topic) -> dict[Partition, int]:
        return dict.fromkeys(await self.ends(*topics), 0)

    async def commits(self, _: Group) -> dict[Partition, int]:
        return {Partition(self.settings.topic(WEBHOOKS), 0): self.committed}

    async def close(self) -> None:
        return None


@dataclass
class Shop:
    """A sweep over real tables, and its broker."""

    tables: Tables
    broker: Broker
    sweep: Sweep

    async def look(self) -> str:
        """Sweep once; what holds the watermark, in its first word."""
        mark = await self.sweep.step()
        assert mark is not None
        return mark.holder.partition(":")[0]

    def watermark(self) -> int:
        """Microseconds."""
        [(at,)] = self.tables.rows(
            "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM watermark"
        )
        return int(at)

    def carts(self) -> dict[str, str]:
        return dict(self.tables.rows("SELECT native_cart_id, status FROM cart_generations"))

    def told(self) -> list[tuple[str, str]]:
        return self.tables.rows(
            "SELECT split_part(cart_key, ':', 2), record->>'kind' FROM outbox ORDER BY position"
        )


@pytest.fixture
async def shop(stack: Any) -> AsyncIterator[Shop]:
    settings = stack.settings(sender_grace=GRACE / SECOND)
    migrate(settings)
    async with _sweeping(settings) as ready:
        yield ready


@asynccontextmanager
async def _sweeping(settings: Settings) -> AsyncIterator[Shop]:
    broker = Broker(settings)
    sweep = Sweep(settings, Health(), lambda: NOON)
    sweep._log = broker  # type: ignore[assignment] - the same questions, other answers
    async with Tables(settings) as tables:
        yield Shop(tables, broker, sweep)
    await sweep._leader.close()


async def test_an_ingress_away_for_twenty_minutes_wrongs_nobody(shop: Shop) -> None:
    """The order of those minutes comes with the sender's retry, long after the cart was silent."""
    broker, back = shop.broker, NOON + 21 * MINUTE
    broker.beat(NOON - 5 * MINUTE, NOON + MINUTE)
    await shop.tables.put(
        [
            cart("bought", NOON, [line("a")], source="run-free", customer=ANNA),
            cart("left", NOON, [line("a")], source="run-free", customer=BERT),
        ]
    )
    broker.at = {WEBHOOKS: 2, CARTS: 2}
    broker.committed = 2
    assert await shop.look() == ""
    broker.beat(back, back + 55 * MINUTE)
    for _ in range(2):
        assert await shop.look() == "ingress"
        assert NOON + MINUTE - MARGIN_MS * 1000 == shop.watermark()
    assert {"bought": "ACTIVE", "left": "ACTIVE"} == shop.carts()
    held = order("9", NOON + 10 * MINUTE, source="run-free", customer=ANNA, of_meta={"offset": 2})
    await shop.tables.put([held])
    broker.at = {WEBHOOKS: 3, CARTS: 2, ORDERS: 1}
    broker.committed = 3
    broker.beat(back + 55 * MINUTE, back + GRACE - 5 * SECOND)
    assert await shop.look() == "ingress"
    assert {"bought": "CONVERTED", "left": "ACTIVE"} == shop.carts()
    broker.beat(back + GRACE, back + GRACE)
    assert await shop.look() == ""
    assert back + GRACE - MARGIN_MS * 1000 == shop.watermark()
    assert {"bought": "CONVERTED", "left": "ABANDONED"} == shop.carts()
    assert [("left", "ABANDONED")] == shop.told()


async def test_an_ingress_that_reaches_no_kafka_holds_it_as_one_that_is_away(shop: Shop) -> None:
    broker = shop.broker
    broker.beat(NOON, NOON + MINUTE)
    broker.beat(NOON + MINUTE, NOON + 21 * MINUTE, healthy=False)
    assert await shop.look() == "ingress"
    assert NOON + MINUTE - MARGIN_MS * 1000 == shop.watermark()


async def test_a_backlog_behind_stopped_processors_wrongs_nobody(shop: Shop) -> None:
    """50,000 deliveries wait, one of them the order; the idle partitions hold nothing."""
    broker, tables = shop.broker, shop.tables
    broker.beat(NOON, NOON + 2 * HOUR)
    await tables.put(
        [
            cart("bought", NOON, [line("a")], source="run-free", customer=ANNA),
            cart("left", NOON, [line("a")], source="run-free", customer=BERT),
        ]
    )
    broker.at = {WEBHOOKS: 50_002, CARTS: 2}
    broker.committed = 2
    for _ in range(2):
        assert await shop.look() == "processors"
    broker.committed = 50_001
    assert await shop.look() == "processors"
    # They have caught up, and the sinks have not: the order stands in its topic.
    broker.committed, broker.at = 50_002, {WEBHOOKS: 50_002, CARTS: 2, ORDERS: 1}
    assert await shop.look() == "sinks"
    assert {"bought": "ACTIVE", "left": "ACTIVE"} == shop.carts()
    await tables.put([order("9", NOON + 50 * MINUTE, source="run-free", customer=ANNA)])
    assert await shop.look() == ""
    assert NOON + 2 * HOUR - MARGIN_MS * 1000 == shop.watermark()
    assert {"bought": "CONVERTED", "left": "ABANDONED"} == shop.carts()
    assert [("left", "ABANDONED")] == shop.told()


async def test_a_cart_is_closed_by_the_step_that_moves_the_watermark_to_its_end(
    shop: Shop,
) -> None:
    """Not one second before, and not one step later."""
    broker = shop.broker
    last = NOON + HOUR + MARGIN_MS * 1000
    await shop.tables.put([cart("c", NOON, [line("a")])])
    broker.at, broker.committed = {WEBHOOKS: 1, CARTS: 1}, 1
    broker.beat(NOON, last - 5 * SECOND)
    broker.beats.append(((last - SECOND) // 1000, True))
    assert await shop.look() == ""
    assert {"c": "ACTIVE"} == shop.carts()
    broker.beats.append((last // 1000, True))
    assert await shop.look() == ""
    assert {"c": "ABANDONED"} == shop.carts()


async def test_many_that_fall_due_at_once_are_all_closed_by_one_step(shop: Shop) -> None:
    broker, many = shop.broker, 1200
    await shop.tables.put([cart(f"{number}", NOON, [line("a")]) for number in range(many)])
    broker.at, broker.committed = {WEBHOOKS: many, CARTS: many}, many
    broker.beat(NOON, NOON + 2 * HOUR)
    assert await shop.look() == ""
    assert [("ABANDONED", many)] == shop.tables.rows(
        "SELECT status, count(*)::int FROM abandoned_carts GROUP BY status"
    )
