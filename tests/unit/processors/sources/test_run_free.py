"""Run Free: what its three events mean, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Cart, Change, CurrencySource, Customer, Order, OrderStatus, TimeBasis
from tests.example_files import APPENDED_MS, RECEIVED_AT
from tests.unit.processors.sources.deliveries import (
    changed,
    delivery,
    outcome,
    refused,
    run,
    sample,
)

COST = "data.items[0].cost"


def order(change: Any = lambda _: None, **rest: Any) -> Order:
    made = run("run-free", "", changed("run-free/order-created", change), **rest)["order"]
    assert isinstance(made, Order)
    return made


def cart(change: Any = lambda _: None) -> Cart:
    made = run("run-free", "", changed("run-free/cart-change", change))["cart"]
    assert isinstance(made, Cart)
    return made


def with_lines(*lines: tuple[Any, Any], subtotal: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        data = document["data"]
        data["subtotal"] = subtotal
        data["items"] = [
            {**data["items"][0], "cost": cost, "quantity": quantity} for cost, quantity in lines
        ]

    return change


def test_the_sample_order_is_worth_104_net() -> None:
    made = order()
    assert made.items_total == Decimal(130)
    assert made.discount_total == Decimal(26)
    assert made.tax_total == Decimal("8.32")
    assert made.shipping_total is None
    assert made.total is None
    assert made.status is OrderStatus.PLACED
    assert (made.currency, made.currency_source) == ("USD", CurrencySource.SHOP)


@pytest.mark.parametrize(
    ("lines", "subtotal", "fits", "expected"),
    [
        ([(130, 1)], 130, "either", [("130", "130")]),
        ([(10, 3), (5, 1)], 35, "unit", [("10", "30"), ("5", "5")]),
        ([(30, 3), (5, 1)], 35, "line", [("10", "30"), ("5", "5")]),
        ([(10, 3)], 10, "line", [(None, "10")]),
        ([(10, 3)], 99, "neither", [(None, None)]),
        ([(10, 3)], None, "unknown", [(None, None)]),
        ([(10, 1)], None, "either", [("10", "10")]),
        ([(0, 3)], 0, "either", [("0", "0")]),
    ],
)
def test_the_subtotal_decides_whether_cost_is_of_a_unit_or_of_a_line(
    lines: Any, subtotal: Any, fits: str, expected: list[tuple[str | None, str | None]]
) -> None:
    made = order(with_lines(*lines, subtotal=subtotal))
    found = [(line.unit_price, line.line_total) for line in made.items or ()]
    assert found == [(unit and Decimal(unit), total and Decimal(total)) for unit, total in expected]
    assert made.attributes["cost_fits"] == fits


def test_a_cost_that_fits_nothing_is_kept_as_given() -> None:
    made = order(with_lines((10, 3), subtotal=99))
    assert made.items is not None
    assert made.items[0].attributes["cost"] == "10.0000"


def test_a_gift_card_spent_is_tender_and_its_number_goes_nowhere() -> None:
    def change(document: dict[str, Any]) -> None:
        document["data"].update(giftCard=25, giftCardNumber="6006-4911-2999")

    made = order(change)
    assert made.gift_card_redeemed == Decimal(25)
    assert made.discount_total == Decimal(26)
    assert "6006" not in str(made)


@pytest.mark.parametrize(
    ("kind", "is_gift_card"),
    [
        ("gift_card", True),
        ("Gift Card", True),
        ("product", False),
        ("bundle", None),
        ("service", None),
        ("", None),
    ],
)
def test_a_gift_card_sold_is_flagged_and_an_unknown_kind_may_be_one(
    kind: str, is_gift_card: bool | None
) -> None:
    made = order(lambda document: document["data"]["items"][0].update(type=kind))
    assert made.items is not None
    assert made.items[0].is_gift_card is is_gift_card


def test_the_order_time_dates_it_and_is_its_placement() -> None:
    made = order()
    assert made.meta.occurred_at == made.placed_at == 1_722_304_688_163_000
    assert made.meta.time_basis is TimeBasis.PAYLOAD
    assert made.meta.version_at == made.placed_at


def test_an_order_without_its_time_is_dated_by_receipt_and_placed_at_no_known_time() -> None:
    made = order(lambda document: document["data"].pop("ordered"))
    assert (made.meta.occurred_at, made.meta.time_basis) == (RECEIVED_AT, TimeBasis.RECEIVED)
    assert made.meta.version_at == APPENDED_MS * 1000
    assert made.placed_at is None


def test_an_order_from_the_future_occurs_when_received_and_its_version_is_the_append() -> None:
    made = order(lambda document: document["data"].update(ordered="2026-03-01T12:00:01Z"))
    assert (made.meta.occurred_at, made.meta.time_basis) == (RECEIVED_AT, TimeBasis.RECEIVED)
    assert made.meta.version_at == APPENDED_MS * 1000
    assert made.placed_at == RECEIVED_AT + 750_000


def test_a_cart_is_its_customers_open_cart() -> None:
    made = cart()
    assert made.meta.entity == "run-free/demo/cart:1"
    assert made.cart_id == "1"
    assert made.customer is not None
    assert made.customer.customer_id == "1"
    assert made.total is None
    assert made.currency == "USD"
    assert made.meta.change is Change.UPDATED
    assert made.meta.time_basis is TimeBasis.RECEIVED


def test_an_emptied_cart_has_no_items_and_items_that_are_missing_are_null() -> None:
    assert cart(lambda document: document["data"].update(items=[])).items == ()
    assert cart(lambda document: document["data"].pop("items")).items is None


def test_empty_text_and_empty_objects_tell_nothing() -> None:
    made = run("run-free", "", sample("run-free/customer-created"))["customer"]
    assert isinstance(made, Customer)
    assert made.attributes == {}
    assert made.accepts_marketing is False


def test_the_same_address_has_one_hash_on_every_customer() -> None:
    one = run("run-free", "", sample("run-free/customer-created"))["customer"]
    assert isinstance(one, Customer)
    other = order().customer
    assert other is not None
    assert one.customer_id != other.customer_id
    assert one.email_hash == other.email_hash is not None


def test_a_replay_keeps_its_first_coordinates() -> None:
    made = order(original=(1, 7, APPENDED_MS - 5000), partition=2, offset=900).meta
    assert (made.raw_partition, made.raw_offset) == (1, 7)
    assert made.raw_appended_at == (APPENDED_MS - 5000) * 1000


def test_a_test_shop_marks_its_deliveries() -> None:
    assert order(shop={"is_test": True}).meta.is_test is True
    assert order().meta.is_test is False


def test_settings_in_force_are_stamped_in_seconds() -> None:
    made = order(shop={"abandon_after": 90, "taxes_included": True}).meta.settings
    assert (made.abandon_after_s, made.expire_after_s, made.checkout_grace_s) == (
        90,
        30 * 86400,
        1800,
    )
    assert (made.taxes_included, made.counts_as_sale) == (True, True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["data"].pop("id"), ("invalid-payload", "data.id")),
        (lambda d: d["data"].update(id=1.5), ("invalid-payload", "data.id")),
        (lambda d: d.pop("data"), ("invalid-payload", "data")),
        (lambda d: d.update(data=[1]), ("invalid-payload", "data")),
        (lambda d: d.update(action="lost"), ("unknown-event", "type")),
        (
            lambda d: d["data"]["items"][0].update(cost="x"),
            ("invalid-payload", COST),
        ),
        (
            lambda d: d["data"]["items"][0].update(cost=True),
            ("invalid-payload", COST),
        ),
        (lambda d: d["data"]["items"][0].update(cost=1e15), ("out-of-range", COST)),
        (lambda d: d["data"].update(taxes=-8.32), ("invalid-payload", "data.taxes")),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(change: Any, expected: tuple[str, str]) -> None:
    assert refused("run-free", "", changed("run-free/order-created", change)) == expected


def test_an_unknown_event_is_named_in_the_reject() -> None:
    made = outcome(delivery("run-free", "", {"type": "test", "action": "ping"}))
    assert "'test/ping'" in str(made)


@pytest.mark.parametrize("body", [{}, {"type": "", "action": ""}, {"type": None}])
def test_a_delivery_that_names_no_event_is_refused_with_the_field_that_would(body: Any) -> None:
    assert "unknown event: type is missing or empty" in str(outcome(delivery("run-free", "", body)))


def test_a_cart_of_nobody_is_refused() -> None:
    for change in (
        lambda d: d["data"].pop("customer"),
        lambda d: d["data"].update(customer={}),
        lambda d: d["data"]["customer"].pop("id"),
    ):
        reason, path = refused("run-free", "", changed("run-free/cart-change", change))
        assert (reason, path in ("data.customer", "data.customer.id")) == ("invalid-payload", True)


def test_an_order_has_no_status_and_is_placed() -> None:
    made = order()
    assert (made.status, made.status_word, made.cancelled_at) == (OrderStatus.PLACED, None, None)


def test_the_sentinel_latitude_and_all_that_an_address_says_go_nowhere() -> None:
    made = order(lambda d: d["data"].update(note="at the door"))
    assert not [name for name in made.attributes if name.startswith(("shipping", "billing"))]
    assert "-1" not in made.attributes.values()


def test_a_till_knows_one_customer_under_two_numbers_and_neither_is_the_key() -> None:
    bought, filled = order(), cart()
    assert bought.customer is not None
    assert filled.customer is not None
    assert bought.customer.customer_id == filled.customer.customer_id == "1"
    for made in (bought, filled):  # a till's number is the person's: nothing keeps it
        assert not {"110252", "100005"} & set(made.attributes.values())


@pytest.mark.parametrize(
    ("change", "noted"),
    [
        (lambda d: d["data"]["items"].append(7), {"unread:data.items[1]": "7"}),
        (
            lambda d: d["data"]["items"][0].update(quantity=1.5),
            {"unread:data.items[0].quantity": "1.5"},
        ),
        (
            lambda d: d["data"].update(taxes=8.319999999999999),
            {"rounded:data.taxes": "8.319999999999999"},
        ),
        (lambda d: d["data"].update(ordered="yesterday"), {"unread:data.ordered": "yesterday"}),
        (
            lambda d: d["data"]["customer"].update(email=["x@example.com"]),
            {"unread:data.customer.email": "(left out)"},
        ),
        (lambda d: d["data"].update(note="\0"), {}),
        (lambda d: d["data"].update(note=[{"\ud83d": "\ud83d"}]), {}),
    ],
)
def test_what_no_column_needs_refuses_nothing(change: Any, noted: dict[str, str]) -> None:
    made = run("run-free", "", changed("run-free/order-created", change))["order"]
    assert isinstance(made, Order)
    assert (made.items_total, made.tax_total) == (Decimal(130), Decimal("8.32"))
    assert noted.items() == {n: v for n, v in made.attributes.items() if ":" in n}.items()


def test_a_line_below_0_is_an_adjustment() -> None:
    line = {"id": 2, "quantity": -1, "cost": 30, "taxes": -1.5}

    def change(document: dict[str, Any]) -> None:
        document["data"]["items"].append(line)
        document["data"]["subtotal"] = 100

    made = run("run-free", "", changed("run-free/order-created", change))["order"]
    assert isinstance(made, Order)
    assert made.items is not None
    adjustment = made.items[1]
    assert (adjustment.quantity, adjustment.unit_price) == (-1, Decimal(30))
    assert (adjustment.line_total, adjustment.tax) == (Decimal(-30), Decimal("-1.5"))
    assert made.items_total == Decimal(100)
