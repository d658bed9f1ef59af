"""What becomes of live carts: every outcome occurs, and none depends on repeated deliveries."""

from collections import defaultdict
from random import Random
from typing import NamedTuple

import pytest

from hookline.simulate import world
from hookline.simulate.payloads import render
from hookline.simulate.world import Knobs
from hookline.simulate.world.facts import SECOND, CartState, OrderState, Step, entity_key
from schemas.events import Cart, Order
from sinks.carts.fold import fold
from sinks.carts.records import Activity, CandidateOrder, CartHistory, Generation, activity_of
from tests.unit.hookline.simulate.payloads.through_adapters import START, read


class Outcome(NamedTuple):
    """What decides about a cart's generation."""

    status: str
    abandon_count: int
    order_key: str | None
    link_method: str | None
    item_count: int | None


def outcomes(knobs: Knobs, latest: float) -> dict[tuple[str, int], Outcome]:
    """The generations of all carts; deliveries come up to ``latest`` seconds late."""
    chance = Random(1)  # noqa: S311 - a seed repeats it
    activities: defaultdict[str, list[Activity]] = defaultdict(list)
    carts: dict[str, Cart] = {}
    orders: dict[str, CandidateOrder] = {}
    arrived: dict[tuple[str, str, int | str], int] = {}
    for number, step in enumerate(world.steps(knobs)):
        fact = step.fact
        key = entity_key(fact)
        due = max(step.due + int(chance.random() * latest * SECOND), arrived.get(key, -1) + 1)
        arrived[key] = due
        if not isinstance(fact, OrderState | CartState):
            continue
        payload = render(fact)
        assert payload is not None
        _, _, events = read(Step(due, fact), payload, number)
        cart, order = events.get("cart"), events.get("order")
        if isinstance(cart, Cart):
            activities[cart.meta.entity].append(activity_of(cart))
            carts[cart.meta.entity] = cart
        elif isinstance(order, Order) and isinstance(fact, OrderState) and fact.reason == "placed":
            orders[order.meta.entity] = _candidate(order, fact)
    end = START + knobs.length + 1000 * SECOND
    found: list[Generation] = []
    for shop in world.shops(knobs):
        own = [cart for cart in carts.values() if cart.meta.shop == shop.id]
        histories = [_history(cart, activities[cart.meta.entity]) for cart in own]
        placed = [order for order in orders.values() if order.shop == shop.id]
        found += fold(histories, placed, end)
    return {
        (row.cart_key, row.generation): Outcome(
            row.status, row.abandon_count, row.order_key, row.link_method, row.item_count
        )
        for row in found
    }


def _candidate(order: Order, fact: OrderState) -> CandidateOrder:
    customer = order.customer
    return CandidateOrder(
        order_key=order.meta.entity,
        source=order.meta.source,
        shop=order.meta.shop,
        placed_at=fact.placed_at,
        may_close_cart=not (fact.is_test or fact.is_renewal),
        value=fact.total,
        currency=fact.shop.currency,
        standing="COUNTED",
        items=order.items,
        customer_id=customer.customer_id if customer else None,
        email_hash=customer.email_hash if customer else None,
        cart_token=order.cart_token,
        cart_id=order.cart_id,
    )


def _history(cart: Cart, activities: list[Activity]) -> CartHistory:
    customer = cart.customer
    return CartHistory(
        cart_key=cart.meta.entity,
        source=cart.meta.source,
        shop=cart.meta.shop,
        native_cart_id=cart.cart_id,
        customer_id=customer.customer_id if customer else None,
        email_hash=customer.email_hash if customer else None,
        cart_token=cart.cart_token,
        activities=tuple(activities),
    )


@pytest.mark.parametrize("skew", [0.0, 4.0])
def test_no_outcome_depends_on_deliveries_that_are_repeated_for_three_seconds(skew: float) -> None:
    knobs = Knobs(seed=5, start=START, seconds=150, rate=20, live_share=1, clock_skew=skew)
    at_once = outcomes(knobs, 0.0)
    assert outcomes(knobs, 3.0) == at_once
    assert len(at_once) > 300


def test_every_outcome_of_a_cart_occurs() -> None:
    knobs = Knobs(seed=7, start=START, seconds=150, rate=30, live_share=1)
    found = outcomes(knobs, 0.0)
    kinds = {(key[0].partition("/")[0], row.status, row.link_method) for key, row in found.items()}
    for source, method in (("spiffy", "cart-token"), ("run-free", "customer-id")):
        assert {(source, "EMPTIED", None), (source, "EXPIRED", None)} <= kinds
        assert {(source, "CONVERTED", method), (source, "RECOVERED", method)} <= kinds
    for source, method in (
        ("ciklik", "customer-id"), ("shoprocket", "cart-id"), ("shoprocket", "customer-id"),
        ("shoprocket", "email-hash"),
    ):  # fmt: skip
        assert {(source, "EXPIRED", None), (source, "RECOVERED", method)} <= kinds
    assert max(number for _, number in found) > 1
    assert {row.abandon_count for row in found.values()} == {0, 1, 2}
