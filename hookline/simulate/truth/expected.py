"""All rows that the tables and views must hold, from the facts that were accepted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.simulate.truth.carts.fold import shops_without_link
from hookline.simulate.truth.carts.life import CartLife
from hookline.simulate.truth.carts.rows import cart_row, groups
from hookline.simulate.truth.customers.people import (
    Known,
    active_subscriptions,
    first_receipts,
    known_customers,
)
from hookline.simulate.truth.customers.rows import CustomerFacts, customer_row, has_row
from hookline.simulate.truth.names import CustomerKey, customer_key
from hookline.simulate.truth.orders.rows import KnownOrder, known_orders, order_row, refund_rows
from hookline.simulate.truth.orders.state import order_lives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import UndecidedError
from hookline.simulate.truth.undecided import Undecided
from hookline.simulate.truth.views.carts import daily_rates, merged_carts
from hookline.simulate.truth.views.people import cohorts, people
from hookline.simulate.truth.views.shops import ShopDays, coverage, refund_days
from hookline.simulate.world.facts import Micros

Row = Mapping[str, Any]
Key = tuple[Any, ...]
_SALES = ("COUNTED", "PENDING", "CANCELLED")


@dataclass(slots=True)
class Expected:
    """Table -> key of a row -> column -> value; columns that are left out are not compared."""

    tables: dict[str, dict[Key, Row]] = field(default_factory=dict)
    undecided: Undecided = field(default_factory=Undecided)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(rows) for rows in self.tables.values())


def expected(received: Sequence[Received], as_of: Micros) -> Expected:
    """Return what the tables must hold once the watermark is at ``as_of``."""
    truth = Expected()
    orders = known_orders(order_lives(received, truth.undecided), truth.undecided)
    truth.tables["orders"] = {(order.key,): order_row(order) for order in orders}
    truth.tables["refunds"] = {k: row for order in orders for k, row in refund_rows(order).items()}
    known = known_customers(received, truth.undecided)
    lives = _carts(truth, received, orders, known, as_of)
    customers = _customers(truth, received, orders, known, as_of)
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
    rows: dict[Key, Row] = {}
    for group in groups(received, orders, truth.undecided.orders, as_of):
        try:
            found = group.fold()
            rows |= {(life.key, life.number): cart_row(life, known) for life in found}
            lives += found
        except UndecidedError as error:
            owners = {customer_key(each.fact.customer) for each in group.states}
            for key in (*group.cart_keys(), *owners):
                truth.undecided.note(group.shop, key, error)
    truth.tables["cart_generations"] = rows
    truth.tables["abandoned_carts"] = {
        key: row for key, row in rows.items() if row["abandon_count"]
    }
    return lives


def _customers(
    truth: Expected,
    received: Sequence[Received],
    orders: Sequence[KnownOrder],
    known: Mapping[CustomerKey, Known],
    as_of: Micros,
) -> list[tuple[CustomerFacts, Row]]:
    sales: dict[CustomerKey, list[KnownOrder]] = {}
    for order in orders:
        if order.customer is not None and order.money.standing in _SALES:
            sales.setdefault(order.customer, []).append(order)
    receipts = first_receipts(received)
    subscriptions = active_subscriptions(received, truth.undecided)
    left = Counter(row["customer_key"] for row in truth.tables["abandoned_carts"].values())
    found = []
    for key, own in known.items():
        facts = CustomerFacts(
            key=key,
            known=own,
            orders=tuple(sales.get(key, ())),
            first_receipt=receipts[own.shop.key],
            abandoned_carts=left[key],
            subscriptions=subscriptions.get(key, 0),
        )
        if not has_row(facts):
            continue
        try:
            found.append((facts, customer_row(facts, as_of)))
        except UndecidedError as error:
            truth.undecided.note(own.shop.key, key, error)
    truth.tables["customer_lifetime_value"] = {
        (facts.key, facts.known.shop.currency): row for facts, row in found
    }
    return found


def _views(  # all that is known
    truth: Expected,
    received: Sequence[Received],
    orders: Sequence[KnownOrder],
    lives: Sequence[CartLife],
    customers: Sequence[tuple[CustomerFacts, Row]],
    as_of: Micros,
) -> None:
    histories = {facts.key: row["history_complete"] for facts, row in customers}
    shops = {each.fact.shop.key: each.fact.shop for each in received}
    merged: set[tuple[str, int]] = set()

    def rates() -> Mapping[Any, Row]:
        merged.update(merged_carts(lives, received))
        return daily_rates(lives, merged, shops_without_link(orders))

    views: dict[str, Callable[[], Mapping[Any, Row]]] = {
        "people": lambda: people(customers),
        "monthly_cohorts": lambda: cohorts(customers, as_of),
        "daily_cart_rates": rates,
        "shop_days": lambda: ShopDays(histories).rows(orders, lives, merged),
        "refunds_by_day": lambda: refund_days(orders),
        "coverage": lambda: coverage(orders, lives, shops.values()),
    }
    for name, make in views.items():
        try:
            truth.tables[name] = dict(make())
        except UndecidedError as error:
            truth.undecided.note_view(name, error)
