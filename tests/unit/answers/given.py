"""A handful of deliveries with answers computed by hand, and a whole quiet world."""

from decimal import Decimal
from typing import Any

import msgspec

from hookline.simulate.payloads import render
from hookline.simulate.sending.faults import Faults
from hookline.simulate.sending.schedule import Kind, Schedule
from hookline.simulate.truth.expected import expected
from hookline.simulate.truth.received import Received
from hookline.simulate.world import shops, steps
from hookline.simulate.world.facts import SECOND
from hookline.simulate.world.knobs import Behaviour, Knobs
from tests.answers.answer import Answer, Shop, from_json, known
from tests.answers.compare import Truth, truth_of
from tests.answers.deliveries import Delivery, parsed
from tests.answers.pipelines import faust_tables, plain, warehouse

JOHNS = Shop("spiffy/johns", "spiffy", "GBP", None, True, 3600, 14_400)
SHOPS = {JOHNS.key: JOHNS}
T0 = 1_700_000_000_000_000
HOUR = 3_600_000_000
ORDER: dict[str, Any] = {
    "id": 1,
    "customer": {"id": 7},
    "email": "Ann@example.com",
    "currency": "GBP",
    "financial_status": "paid",
    "cancelled_at": None,
    "test": False,
    "created_at": "2023-11-14T22:13:20Z",
    "updated_at": "2023-11-14T22:13:20Z",
    "total_price": "120.00",
    "subtotal_price": "90.00",
    "total_tax": "20.00",
    "taxes_included": False,
    "shipping_lines": [{"price": "10.00"}],
    "line_items": [{"price": "90.00", "quantity": 1, "gift_card": False}],
    "cart_token": None,
    "refunds": [],
}
REFUND = {
    "id": 5,
    "refund_line_items": [{"subtotal": "30.00", "total_tax": "6.00"}],
    "transactions": [{"status": "success", "amount": "36.00"}],
}


def order(event: str, at: int, **changed: Any) -> Delivery:
    """An order of the shop, received so many microseconds after the start."""
    return Delivery(JOHNS.key, f"orders/{event}", T0 + at, {**ORDER, **changed})


def cart(token: str, at: int, *quantities: int) -> Delivery:
    lines = [{"quantity": quantity} for quantity in quantities]
    return Delivery(JOHNS.key, "carts/update", T0 + at, {"token": token, "line_items": lines})


def answer(
    name: str, deliveries: list[Delivery], known_shops: dict[str, Shop], as_of: int
) -> Answer:
    """The answer of one of the four others."""
    if name == "plain":
        return plain.answer(deliveries, known_shops, as_of)
    if name == "faust":
        tables: list[dict[str, Any]] = [{} for _ in faust_tables.NAMES]
        pipeline = faust_tables.Pipeline(known_shops, *tables)
        for each in deliveries:
            pipeline.take(each)
        return from_json(msgspec.json.encode(pipeline.answer(as_of)))
    return warehouse.answer(f"{name}.sql", deliveries, known_shops, as_of)


def amounts(answer_: Answer) -> dict[str, tuple[int, Decimal | None]]:
    """Orders and net by customer, without the zeros behind."""
    return {
        key: (value.orders, None if value.net is None else value.net.normalize())
        for (key, _), value in answer_.customers.items()
        if value.orders
    }


World = tuple[list[Delivery], dict[str, Shop], int, Truth]
"""Deliveries, settings, when all of it is compared, and the truth."""


def quiet_world() -> World:
    """Shops of all platforms in which nothing is edited, cancelled, refunded, taxed or late."""
    behaviour = Behaviour(
        taxed=0, gift_cards=0, tests=0.05, edits=0, cancels=0, refunds=0, deletions=0
    )
    return _world(behaviour, Faults())


def wild_world() -> World:
    """Shops of all platforms as they usually are, with deliveries repeated, late and broken."""
    faults = Faults(duplicates=0.1, reorder=0.05, late=0.05, malformed=0.01, longest=SECOND)
    return _world(Behaviour(refunds=0.3, cancels=0.2), faults)


def _world(behaviour: Behaviour, faults: Faults) -> World:
    knobs = Knobs(seed=4, start=T0, seconds=30, rate=40, shops=3, days=60, behaviour=behaviour)
    received: dict[int, Received] = {}
    sent, at = [], T0
    for each in Schedule(steps(knobs), render, faults):
        at = max(at + 1, T0 + each.due)
        fact, payload = each.step.fact, each.payload
        if each.kind is not Kind.MALFORMED:
            received.setdefault(each.number, Received(fact, at, at, len(received)))
        body = parsed(payload.body, payload.content_type)
        sent.append(Delivery(fact.shop.key, payload.event, at, body))
    as_of = T0 + HOUR
    table = expected(list(received.values()), as_of)
    return sent, known(shops(knobs)), as_of, truth_of(table, list(received.values()), as_of)
