"""Rendered bodies: accepted by the adapters, with what the facts say and no more."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from hookline.simulate import world
from hookline.simulate.payloads import Payload, render
from hookline.simulate.payloads.ciklik_subscriptions import uuid_of
from hookline.simulate.payloads.gooten import order_id
from hookline.simulate.payloads.spiffy_orders import cart_token
from hookline.simulate.world import Behaviour, Knobs
from hookline.simulate.world.facts import (
    CartState,
    CustomerState,
    OrderState,
    Repayment,
    Step,
    SubscriptionState,
)
from processors.sources.contract import Parsed, Rule, Slots
from schemas.events import Cart, Consent, Customer, Order, Payment, Subscription
from tests.unit.hookline.simulate.payloads.through_adapters import START, read

OFTEN = Behaviour(
    refunds=0.5, cancels=0.2, edits=0.2, gift_cards=0.2, tests=0.1, customer_deletions=0.1
)
Seen = tuple[Step, Payload, bytes, Parsed, Slots]


@cache
def seen() -> list[Seen]:
    """More than 4,000 steps of all platforms with their bodies, as the adapters read them."""
    knobs = Knobs(seed=21, start=START, seconds=60, rate=75, live_share=0.5, behaviour=OFTEN)
    found: list[Seen] = []
    for number, step in enumerate(world.steps(knobs)):
        payload = render(step.fact)
        assert payload is not None, step.fact
        found.append((step, payload, *read(step, payload, number)))
    return found


def test_no_body_is_refused_and_no_field_remains_unread() -> None:
    assert len(seen()) > 4000
    for step, _, _, _, events in seen():
        for event in events.values():
            attributes: dict[str, str] = getattr(event, "attributes", {})
            odd = [name for name in attributes if name.startswith(("unread:", "rounded:"))]
            assert not odd, (odd, step)


@pytest.mark.parametrize(
    ("source", "kind", "first", "others"),
    [
        ("spiffy", CartState, "cart", set()),
        ("spiffy", OrderState, "order", {"shipment"}),
        ("spiffy", CustomerState, "customer", {"contact"}),
        ("run-free", CartState, "cart", set()),
        ("run-free", OrderState, "order", set()),
        ("run-free", CustomerState, "customer", {"contact"}),
        ("shoprocket", CartState, "cart", set()),
        ("shoprocket", OrderState, "order", {"payment"}),
        ("shoprocket", CustomerState, "customer", {"contact"}),
        ("ciklik", CartState, "cart", set()),
        ("ciklik", OrderState, "order", set()),
        ("ciklik", Repayment, "payment", set()),
        ("ciklik", SubscriptionState, "subscription", set()),
        ("gooten", OrderState, "order", {"shipment"}),
    ],
)
def test_each_delivery_becomes_the_slots_of_the_mapping(
    source: str, kind: type, first: str, others: set[str]
) -> None:
    count = 0
    for step, _, _, _, events in seen():
        if step.fact.shop.source == source and type(step.fact) is kind:
            slots = [slot.partition("-")[0] for slot in events]
            assert slots[0] == first
            assert set(slots[1:]) <= others
            count += 1
    assert count > 10


def test_a_ciklik_user_with_a_consent_is_an_optin_and_without_one_a_user() -> None:
    kinds: Counter[str] = Counter()
    for step, _, _, parsed, events in seen():
        fact = step.fact
        if fact.shop.source == "ciklik" and isinstance(fact, CustomerState):
            kinds[parsed.event] += 1
            first = next(iter(events.values()))
            if fact.accepts_marketing is None:
                assert isinstance(first, Customer)
                [totals] = first.reported
                assert totals.revenue == fact.spent
            else:
                assert isinstance(first, Consent)
                assert first.granted is fact.accepts_marketing
    assert set(kinds) == {"created_user", "updated_user", "updated_optin"}


def test_repeats_of_a_fact_give_equal_bytes() -> None:
    for step, payload, *_ in seen():
        assert render(step.fact) == payload


def test_changes_of_one_entity_have_one_key_and_entities_different_ones() -> None:
    keys: dict[bytes, tuple[Any, ...]] = {}
    for step, _, key, parsed, _ in seen():
        fact = step.fact
        number = getattr(fact, "number", fact.customer.number)
        noun = parsed.event if parsed.event.endswith("optin") else type(fact)
        entity = fact.shop.key, noun, number
        assert keys.setdefault(key, entity) == entity


def test_only_what_dates_itself_follows_the_content_rule() -> None:
    states = {parsed.event for _, _, _, parsed, _ in seen() if parsed.rule is Rule.STATE}
    assert states == {
        "carts/create", "carts/update", "cart/change", "updated_checkoutorder", "abandoned_cart",
        "updated_subscription", "deleted_subscription", "updated_checkouttransaction",
        "updated_user", "updated_optin", "order-item-changed",
    }  # fmt: skip


def test_orders_have_the_money_of_their_facts() -> None:
    compared = 0
    for step, _, _, _, events in seen():
        fact, order = step.fact, events.get("order")
        if not (isinstance(fact, OrderState) and isinstance(order, Order)) or order.items is None:
            continue
        units = [(line.unit_price or Decimal(0)) * (line.quantity or 0) for line in order.items]
        if fact.shop.source == "gooten" and fact.paid == "cancelled":
            assert not units
            continue
        assert units == [line.total for line in fact.lines]
        assert order.discount_total == fact.discount
        assert order.tax_total in (None, fact.tax)
        assert (order.tax_total is None) == (fact.shop.source == "gooten")
        assert order.shipping_total in (None, fact.shipping)
        paid = order.paid_total if fact.shop.source == "ciklik" else order.total
        assert paid == (None if fact.shop.source == "run-free" else fact.total)
        assert order.meta.is_test is fact.is_test
        compared += 1
    assert compared > 2000


def test_orders_name_their_cart_and_their_subscription() -> None:
    carts: Counter[str] = Counter()
    for step, _, _, _, events in seen():
        fact, order = step.fact, events.get("order")
        if not isinstance(fact, OrderState) or not isinstance(order, Order):
            continue
        if fact.subscription is not None:
            assert order.subscription_id == uuid_of(fact.subscription)
            assert order.successful_transactions == (2 if fact.is_renewal else 1)
        match fact.shop.source:
            case "spiffy" if order.items is not None:
                expected = None if fact.cart is None else cart_token(fact.cart)
                assert order.cart_token == expected
                carts["spiffy"] += expected is not None
            case "shoprocket" if fact.shop.format == "envelope" and order.items is not None:
                assert order.cart_id == (None if fact.cart is None else f"cart_{fact.cart}")
                carts["shoprocket"] += order.cart_id is not None
            case "run-free":
                assert order.customer is not None
                assert fact.cart in (None, fact.customer.number)
                carts["run-free"] += fact.cart is not None
            case "gooten":
                assert order.order_id == order_id(fact.number)
    assert min(carts[source] for source in ("spiffy", "shoprocket", "run-free")) > 20


def test_carts_have_the_lines_of_their_facts_where_the_platform_gives_lines() -> None:
    for step, _, _, _, events in seen():
        fact, cart = step.fact, events.get("cart")
        if isinstance(fact, CartState) and isinstance(cart, Cart):
            assert cart.abandoned is fact.is_reported
            if fact.shop.source == "ciklik":
                assert cart.items is None
                continue
            assert cart.items is not None
            assert [line.quantity for line in cart.items] == [x.quantity for x in fact.lines]
            assert [line.sku for line in cart.items] == [line.sku for line in fact.lines]
            if fact.is_reported:
                assert cart.created_at == fact.opened_at


def test_changes_are_dated_as_the_facts_are_or_not_at_all() -> None:
    dated: Counter[str] = Counter()
    for step, _, _, _, events in seen():
        fact, first = step.fact, next(iter(events.values()))
        at = first.meta.occurred_at
        if at == START + step.due:
            continue
        assert at == fact.changed_at, (step, at)
        dated[fact.shop.source] += 1
    assert set(dated) == {"spiffy", "run-free", "shoprocket", "ciklik"}


def test_customers_and_subscriptions_have_what_their_facts_say() -> None:
    for step, _, _, _, events in seen():
        fact = step.fact
        customer, subscription = events.get("customer"), events.get("subscription")
        if isinstance(fact, CustomerState) and isinstance(customer, Customer):
            if fact.shop.source != "ciklik":
                assert customer.accepts_marketing is fact.accepts_marketing
            if fact.orders is not None:
                [totals] = customer.reported
                assert (totals.orders_count, totals.revenue) == (fact.orders, fact.spent)
        if isinstance(fact, SubscriptionState) and isinstance(subscription, Subscription):
            status = "deleted" if fact.change == "deleted" else fact.status
            assert subscription.status.value.lower() == status
            assert subscription.customer is not None


def test_transactions_name_their_order_and_what_went_back() -> None:
    for step, _, _, _, events in seen():
        fact, payment = step.fact, events.get("payment")
        if isinstance(fact, Repayment) and isinstance(payment, Payment):
            assert payment.order_id == str(fact.order)
            assert payment.amount == fact.amount
            assert (payment.refunded_amount or 0) == fact.refunded


def test_what_a_platform_does_not_report_is_not_rendered() -> None:
    by_source: dict[str, list[Any]] = {}
    for step, *_ in seen():
        by_source.setdefault(step.fact.shop.source, []).append(step.fact)
    gootens = by_source["gooten"][0].shop
    for fact in by_source["spiffy"]:
        if not isinstance(fact, OrderState):
            assert render(replace(fact, shop=gootens)) is None
    shop = by_source["run-free"][0].shop
    later = [fact for fact in by_source["spiffy"] if getattr(fact, "reason", "") == "paid"]
    assert later
    assert all(render(replace(fact, shop=shop)) is None for fact in later)
