"""Rows of ``cart_generations`` and of ``abandoned_carts``."""

from collections.abc import Iterable, Mapping
from typing import Any

from hookline.simulate.truth.amounts import NOTHING, Amount
from hookline.simulate.truth.carts.fold import CartGroup
from hookline.simulate.truth.carts.life import CartLife, Row, names_goods, overlap
from hookline.simulate.truth.customers.people import Known
from hookline.simulate.truth.names import CustomerKey, customer_key
from hookline.simulate.truth.orders.rows import KnownOrder
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import UndecidedError, difference
from hookline.simulate.world.facts import CartState, Customer, Micros, OrderState


def groups(
    received: Iterable[Received],
    orders: Iterable[KnownOrder],
    open_orders: Iterable[OrderState],
    as_of: Micros,
) -> list[CartGroup]:
    """Gather the carts and orders of each customer, of Spiffy of each cart.

    ``open_orders``: states of orders that cannot be decided.
    """
    found: dict[tuple[str, str | int], CartGroup] = {}
    for each in received:
        if isinstance(each.fact, CartState):
            key = _group(each.fact, each.fact.number)
            found.setdefault(key, CartGroup(as_of)).states.append(each)
    for order in orders:
        key = _group(order.state, order.state.cart)
        if key in found and order.customer is not None:
            found[key].orders.append(order)
    for state in open_orders:
        key = _group(state, state.cart)
        if key in found:
            found[key].is_open = True
    return list(found.values())


def _group(fact: CartState | OrderState, cart: int | None) -> tuple[str, str | int]:
    customer: Customer = fact.customer
    if gives(fact.shop).cart_link == "token":
        return fact.shop.key, cart if cart is not None else -1
    return fact.shop.key, customer.email


def cart_row(life: CartLife, known: Mapping[CustomerKey, Known]) -> Row:
    """Return the row of a generation."""
    given, order = gives(life.shop), life.order
    owner = customer_key(life.cart.customer) if given.cart_customers else None
    abandoned = life.abandonments[-1] if life.abandonments else None
    row: dict[str, Any] = {
        "customer_key": owner,
        "person_key": known[owner].person if owner is not None else None,
        "is_contactable": known[owner].is_contactable if owner is not None else None,
        "status": life.status,
        "detection": "PLATFORM" if life.is_reported else "TIMER",
        "first_seen_at": life.first_seen,
        "last_activity_at": None if life.is_reported else life.last,
        "abandoned_at": abandoned,
        "closed_at": life.closed,
        "abandon_count": len(life.abandonments),
        "item_count": None,
        "cart_value": None,
        "currency": life.shop.currency,
        "order_key": order.key if order else None,
        "link_method": life.link,
        "order_standing": order.money.standing if order else None,
        "time_to_recover": None,
        "recovered_value": None,
        "item_overlap": None,
        "is_test": False,
    }
    if names_goods(life.shop):
        row["item_count"] = sum(line.quantity for line in life.content)
        if given.cart_prices:
            row["cart_value"] = Amount.of(sum(line.total for line in life.content))
        if order is not None:
            row["item_overlap"] = overlap(life.content, order.state.lines)
    if order is not None and abandoned is not None:
        passed = difference(order.placed_at, abandoned)
        if passed.first < 0 <= passed.last:
            raise UndecidedError(f"whether {order.key} was placed after its cart was abandoned")
        row["time_to_recover"] = passed if passed.first >= 0 else None
        row["recovered_value"] = _recovered(order)
    return row


def _recovered(order: KnownOrder) -> Amount | None:
    """Return the newest net of the order; of a pending one what it would be."""
    return NOTHING if order.money.standing == "CANCELLED" else order.money.net
