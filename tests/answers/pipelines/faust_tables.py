"""Stock Faust: an agent, event by event, and Tables, as Faust's documentation shows them.

An order that is paid adds to its customer once, a cancelled one is taken off again, a refund
takes its money off. Carts are in a table by id, each as it was last seen. It reads the raw topic
live, beside Hookline.

python -m tests.answers.pipelines.faust_tables FOLDER
"""

import json
import os
import sys
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from signal import SIGTERM
from typing import Any

import faust
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from runtime.settings import Settings, from_env
from schemas.topics import WEBHOOKS
from tests.answers.answer import ABANDONED, RECOVERED, Shop, read_shops
from tests.answers.deliveries import Delivery, of
from tests.answers.pipelines import payloads

SECOND = 1_000_000
Table = MutableMapping[str, Any]
"""A faust.Table; in tests a dict. Amounts are texts: tables are stored as JSON."""
NAMES = ("orders", "net", "counted", "refunds", "carts", "cart_of", "parts")


@dataclass(slots=True)
class Pipeline:
    """What the agent does with its tables.

    ``orders`` and ``net``: sums by customer and currency. ``counted``: order -> customer,
    currency and amount of what was added. ``refunds``: refund -> money taken off so far.
    ``parts``: as ``net`` by order, to find causes; no figure comes from it.
    """

    shops: Mapping[str, Shop]
    orders: Table
    net: Table
    counted: Table
    refunds: Table
    carts: Table
    cart_of: Table
    parts: Table

    def take(self, delivery: Delivery) -> None:
        """Take an event."""
        shop = self.shops.get(delivery.shop)
        if shop is None:
            return
        match payloads.read(delivery, shop):
            case payloads.Order(is_test=False) as order if shop.counts_as_sale:
                self._order(order)
                self._bought(order)
            case payloads.Repayment() as paid if paid.order in self.counted:
                self._refund(paid.order, f"{paid.order}/{paid.number}", paid.money)
            case payloads.Cart() as cart:
                self._cart(cart, shop, delivery)

    def _order(self, order: payloads.Order) -> None:
        if order.is_sale and order.key not in self.counted:
            self.counted[order.key] = [order.customer, order.currency, str(order.goods)]
            self._add(order.key, 1, order.goods)
        if (order.status in payloads.CANCELLED or order.is_deleted) and order.key in self.counted:
            self._add(order.key, -1, -Decimal(self.counted[order.key][2]))
            del self.counted[order.key]
        if order.key in self.counted:
            for number, money in order.refunds.items():
                self._refund(order.key, f"{order.key}/{number}", money)
            if order.status == "refunded" and not order.refunds:
                goods = Decimal(self.counted[order.key][2])
                self._refund(order.key, f"{order.key}/all", goods)

    def _refund(self, order: str, refund: str, money: Decimal) -> None:
        """Take off what was paid back beyond what is known."""
        known = Decimal(self.refunds.get(refund, "0"))
        if money > known:
            self.refunds[refund] = str(money)
            self._add(order, 0, known - money)

    def _add(self, order: str, count: int, money: Decimal) -> None:
        customer, currency, _ = self.counted[order]
        key = f"{customer}|{currency}"
        self.orders[key] = self.orders.get(key, 0) + count
        self.net[key] = str(Decimal(self.net.get(key, "0")) + money)
        _, _, before, net = self.parts.get(order, [customer, currency, 0, "0"])
        self.parts[order] = [customer, currency, before + count, str(Decimal(net) + money)]

    def _cart(self, cart: payloads.Cart, shop: Shop, delivery: Delivery) -> None:
        state = "left" if cart.is_reported else "open"
        seen = delivery.received_at
        self.carts[cart.key] = [state, seen, cart.items, shop.abandon_after, shop.expire_after]
        if owner := payloads.owner(delivery):
            self.cart_of[owner] = cart.key

    def _bought(self, order: payloads.Order) -> None:
        key = order.cart or self.cart_of.get(order.customer, "")
        if key not in self.carts:
            return
        state, seen, items, after, expires = self.carts[key]
        if seen <= order.placed_at <= seen + expires * SECOND and state in ("open", "left"):
            is_late = state == "left" or order.placed_at - seen >= after * SECOND
            bought = "recovered" if is_late and items else "bought"
            self.carts[key] = [bought, seen, items, after, expires]

    def answer(self, now: int) -> dict[str, list[Any]]:
        """Return the tables' rows, as JSON has them; carts that are silent by now are left."""
        states = {"left": ABANDONED, "recovered": RECOVERED}
        rows = {}
        for key, (state, seen, items, after, _) in self.carts.items():
            is_left = state == "open" and items and now - seen >= after * SECOND
            rows[key] = "left" if is_left else state
        return {
            "customers": [
                [*key.rsplit("|", 1), count, self.net[key]] for key, count in self.orders.items()
            ],
            "carts": [[key, states[state]] for key, state in rows.items() if state in states],
            "parts": [[order, *part] for order, part in self.parts.items()],
        }


APP = "answers-faust"


def create_topics(settings: Settings) -> None:
    """Create the tables' topics: an app that creates them itself may not see them at first."""
    client = AdminClient({"bootstrap.servers": settings.brokers})
    config = {"cleanup.policy": "compact"}
    names = [f"{settings.prefix}{APP}-{name}-changelog" for name in NAMES]
    topics = [NewTopic(name, settings.partitions, 1, config=config) for name in names]
    for created in client.create_topics(topics).values():
        created.result(60)


def application(settings: Settings, folder: Path) -> faust.App:
    """Make the app: an agent, its tables, and a timer."""
    app = faust.App(
        f"{settings.prefix}{APP}",
        broker=f"kafka://{settings.brokers}",
        datadir=str(folder / "faust"),
        store="memory://",
        topic_partitions=settings.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
    )
    arriving = app.topic(settings.topic(WEBHOOKS), value_type=bytes, value_serializer="raw")
    tables = {name: app.Table(name, partitions=settings.partitions) for name in NAMES}
    pipeline = Pipeline(read_shops(folder / "shops.jsonl"), **tables)
    seen = 0

    @app.agent(arriving)  # type: ignore[untyped-decorator]
    async def take(stream: faust.StreamT[bytes]) -> None:
        nonlocal seen
        async for event in stream.events():
            message = event.message
            record = (
                message.partition, message.offset, int(message.timestamp * 1000),
                message.key, message.value, message.headers,
            )  # fmt: skip
            pipeline.take(of(*record))
            seen += 1

    @app.timer(1.0)  # type: ignore[untyped-decorator]
    async def end() -> None:
        wanted = folder / "count"
        is_last = wanted.exists() and seen >= int(wanted.read_text())
        if is_last:
            now = time.time_ns() // 1000
            (folder / "answer.new").write_text(json.dumps(pipeline.answer(now)))
            (folder / "answer.new").rename(folder / "answer.json")
            os.kill(os.getpid(), SIGTERM)

    return app


if __name__ == "__main__":
    given = Path(sys.argv[1])
    faust.Worker(application(from_env(), given), loglevel="warning").execute_from_commandline()
