"""All rows that the tables and views must hold, from the facts that were accepted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.simulate.truth.carts.life import CartLife
from hookline.simulate.truth.carts.rows import cart_row, groups
from hookline.simulate.truth.customers.people import (
    Known,
    active_subscriptions,
    first_receipts,
    known_customers,
)
from hookline.simulate.truth.customers.rows import CustomerFacts, customer_row, has_row
from hookline.simulate.truth.names import CustomerKey
from hookline.simulate.truth.orders.rows import KnownOrder, known_orders, order_row, refund_rows
from hookline.simulate.truth.orders.state import lives as order_lives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import UndecidedError
from hookline.simulate.truth.views.carts import daily_rates, merged_carts
from hookline.simulate.truth.views.people import cohorts, people
from hookline.simulate.truth.views.shops import ShopDays, coverage, refund_days
from hookline.simulate.world.facts import Micros

Row = Mapping[str, Any]
Key = tuple[Any, ...]
_SALES = ("COUNTED", "PENDING", "CANCELLED")


@dataclass(slots=True)
class Expected:
    """Table -> key of a row -> column -> value; columns that are left out are not compared.

    ``undecided``: what the bounds of times leave open; such rows are in no table.
    """

    tables: dict[str, dict[Key, Row]] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(rows) for rows in self.tables.values())


def expected(received: Sequence[Received], as_of: Micros) -> Expected:
    """Return what the tables must hold once the watermark is at ``as_of``."""
    truth = Expected()
    orders = known_orders(order_lives(received).values())
    truth.tables["orders"] = {(order.key,): order_row(order) for order in orders}
    truth.tables["refunds"] = {k: row for order in orders for k, row in refund_rows(order).items()}
    known = known_customers(received)
    lives = _carts(truth, received, orders, known, as_of)
    customers = _customers(truth, received, orders, known, lives, as_of)
    _views(truth, received, orders, lives, customers, as_of)
    return truth


def _carts(
    truth: Expected,
    received: Sequence[Received],
    orders: Sequence[KnownOrder],
    known: Mapping[CustomerKey, Known],
    as_of: Micros,
) -> list[CartLife]:
    lives: list[CartLife] = []
    for group in groups(received, orders, as_of):
        try:
            lives += group.fold()
        except UndecidedError as error:
            truth.undecided.append(str(error))
    rows: dict[Key, Row] = {(life.key, life.number): cart_row(life, known) for life in lives}
    truth.tables["cart_generations"] = rows
    truth.tables["abandoned_carts"] = {
        key: row for key, row in rows.items() if row["abandon_count"]
    }
    return lives


def _customers(  # noqa: PLR0913 - all that is known
    truth: Expected,
    received: Sequence[Received],
    orders: Sequence[KnownOrder],
    known: Mapping[CustomerKey, Known],
    lives: Iterable[CartLife],
    as_of: Micros,
) -> list[tuple[CustomerFacts, Row]]:
    sales: dict[CustomerKey, list[KnownOrder]] = {}
    subscribers: dict[tuple[str, int], CustomerKey] = {}
    for order in orders:
        if order.customer is None:
            continue
        if order.state.subscription is not None:
            subscribers[order.state.shop.key, order.state.subscription] = order.customer
        if order.money.standing in _SALES:
            sales.setdefault(order.customer, []).append(order)
    subscriptions, receipts = active_subscriptions(received, subscribers), first_receipts(received)
    left: dict[Any, int] = {}
    for life in lives:
        row = truth.tables["cart_generations"][life.key, life.number]
        left[row["customer_key"]] = left.get(row["customer_key"], 0) + bool(row["abandon_count"])
    found = []
    for key, own in known.items():
        facts = CustomerFacts(
            key=key,
            known=own,
            orders=tuple(sales.get(key, ())),
            first_receipt=receipts[own.shop.key],
            abandoned_carts=left.get(key, 0),
            subscriptions=subscriptions.get(key, 0),
        )
        if not has_row(facts):
            continue
        try:
            found.append((facts, customer_row(facts, as_of)))
        except UndecidedError as error:
            truth.undecided.append(str(error))
    truth.tables["customer_lifetime_value"] = {
        (facts.key, facts.known.shop.currency): row for facts, row in found
    }
    return found


def _views(  # noqa: PLR0913 - all that is known
    truth: Expected,
    received: Sequence[Received],
    orders: Sequence[KnownOrder],
    lives: Sequence[CartLife],
    customers: Sequence[tuple[CustomerFacts, Row]],
    as_of: Micros,
) -> None:
    histories = {facts.key: row["history_complete"] for facts, row in customers}
    merged = merged_carts(lives, received)
    shops = {each.fact.shop.key: each.fact.shop for each in received}
    tables: dict[str, Mapping[Any, Row]] = {
        "people": people(customers),
        "monthly_cohorts": cohorts(customers, as_of),
        "shop_days": ShopDays(histories).rows(orders, lives, merged),
        "refunds_by_day": refund_days(orders),
        "daily_cart_rates": daily_rates(lives, merged),
        "coverage": coverage(orders, lives, shops.values()),
    }
    truth.tables.update({name: dict(rows) for name, rows in tables.items()})
