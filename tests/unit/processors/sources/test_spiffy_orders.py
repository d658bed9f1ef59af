"""Spiffy: an order's state, in JSON and XML alike: its time, status, nulls, lines, codes."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Customer, Order, OrderStatus, Shipment, ShipmentStatus
from tests.example_files import APPENDED_MS
from tests.rails_xml import to_xml
from tests.unit.processors.sources.deliveries import run

SECOND = 1_000_000
TEN = 1_770_717_600 * SECOND  # 2026-02-10T10:00:00Z
STATES = {
    "financial_status": "paid",
    "created_at": "2026-02-10T10:00:00Z",
    "updated_at": "2026-02-10T10:00:05Z",
}


def order(event: str = "orders/updated", **values: Any) -> Order:
    """The order of a payload, which must be the same in JSON and XML."""
    body = {"id": 7, **STATES, **values}
    body = {key: value for key, value in body.items() if value is not ...}
    made = run("spiffy", event, body)["order"]
    assert run("spiffy", event, to_xml(body, "order", dashed=len(event) % 2 == 0))["order"] == made
    assert isinstance(made, Order)
    return made


@pytest.mark.parametrize(
    ("event", "values", "version"),
    [
        ("orders/create", {}, TEN + 5 * SECOND),
        ("orders/create", {"updated_at": ...}, TEN),
        ("orders/updated", {}, TEN + 5 * SECOND),
        ("orders/paid", {"updated_at": "2026-02-10T10:00:01Z"}, TEN + SECOND),
        ("orders/cancelled", {"cancelled_at": "2026-02-10T10:00:04Z"}, TEN + 5 * SECOND),
        ("orders/updated", {"updated_at": "2040-02-01T00:00:00Z"}, APPENDED_MS * 1000),
        ("orders/create", {"updated_at": "2040-02-01T00:00:00Z"}, APPENDED_MS * 1000),
        ("orders/updated", {"updated_at": ...}, APPENDED_MS * 1000),
        ("orders/delete", {}, APPENDED_MS * 1000),
        ("orders/delete", {"deleted_at": "2026-02-10T10:00:09Z"}, TEN + 9 * SECOND),
    ],
)
def test_the_state_is_dated_by_its_own_time(event: str, values: Any, version: int) -> None:
    assert order(event, **values).meta.version_at == version


def test_a_creation_occurs_when_created_and_is_versioned_by_its_state() -> None:
    meta = order("orders/create").meta
    assert (meta.occurred_at, meta.source_time) == (TEN, TEN + 5 * SECOND)


@pytest.mark.parametrize(
    ("event", "version"),
    [
        ("customers/create", TEN + 5 * SECOND),
        ("customers/update", TEN + 5 * SECOND),
        ("customers/delete", APPENDED_MS * 1000),
    ],
)
def test_a_customer_is_dated_likewise(event: str, version: int) -> None:
    made = run("spiffy", event, {"id": 6, **STATES})["customer"]
    assert isinstance(made, Customer)
    assert made.meta.version_at == version


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("pending", OrderStatus.PENDING),
        ("Authorized", OrderStatus.PENDING),
        ("partially-paid", OrderStatus.PENDING),
        ("PAID", OrderStatus.PAID),
        ("Partially Refunded", OrderStatus.PARTIALLY_REFUNDED),
        ("REFUNDED", OrderStatus.REFUNDED),
        ("Voided", OrderStatus.CANCELLED),
        ("completed", OrderStatus.UNKNOWN),
        ("unpaid", OrderStatus.UNKNOWN),
        ("paid?", OrderStatus.UNKNOWN),
        ("x" * 5000, OrderStatus.UNKNOWN),
        (None, OrderStatus.UNKNOWN),
    ],
)
def test_a_status_is_on_the_list_or_unknown_and_kept(given: str, status: OrderStatus) -> None:
    made = order(financial_status=given)
    assert (made.status, made.status_word) == (status, given)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("Out for delivery", ShipmentStatus.SHIPPED),
        ("DELIVERED", ShipmentStatus.DELIVERED),
        ("lost", ShipmentStatus.UNKNOWN),
    ],
)
def test_a_parcels_status_likewise(given: str, status: ShipmentStatus) -> None:
    body = {"id": 7, "fulfillments": [{"id": 1, "status": "open", "shipment_status": given}]}
    made = run("spiffy", "orders/fulfilled", body)["shipment-1"]
    assert isinstance(made, Shipment)
    assert (made.status, made.status_word) == (status, given)


def test_null_takes_a_cancellation_back_and_a_missing_field_does_not() -> None:
    made = order(cancelled_at=None)
    assert (made.status, made.cancelled_at, made.cleared) == (
        OrderStatus.PAID, None, ("cancelled_at",),
    )  # fmt: skip
    assert order(cancelled_at="").cleared == ("cancelled_at",)
    assert order().cleared == ()
    again = order(cancelled_at="2026-02-10T10:00:04Z")
    assert again.cancelled_at is not None
    assert (again.status, again.cleared) == (OrderStatus.PAID, ())


def test_null_takes_a_fulfilment_back_and_no_link() -> None:
    made = order(fulfillment_status=None, cart_token=None, customer=None, order_number=None)
    assert made.cleared == ("fulfillment_word",)


def test_a_deletion_clears_nothing() -> None:
    made = order("orders/delete", cancelled_at=None, fulfillment_status=None)
    assert (made.status, made.cleared) == (OrderStatus.DELETED, ())


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, OrderStatus.CANCELLED),
        ({"cancelled_at": None}, OrderStatus.PAID),  # reinstated before the payload was made
        ({"cancelled_at": "2026-02-10T10:00:04Z"}, OrderStatus.PAID),  # the time cancels it
        (
            {"financial_status": "disputed", "cancelled_at": "2026-02-10T10:00:04Z"},
            OrderStatus.UNKNOWN,
        ),
        ({"financial_status": "voided", "cancelled_at": None}, OrderStatus.CANCELLED),
    ],
)
def test_the_payload_decides_before_the_events_name(values: Any, status: OrderStatus) -> None:
    assert order("orders/cancelled", **values).status is status


LINE = {"id": 1, "quantity": 1, "price": "10.00"}


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ({"deleted_at": "2026-02-10T10:00:04Z"}, 1),
        ({"deleted_at": None}, 2),
        ({"removed": True}, 1),
        ({"removed": False}, 2),
        ({"is_deleted": "1"}, 1),
        ({"quantity": 0, "current_quantity": 0}, 1),
        ({"quantity": 0, "fulfillable_quantity": 0}, 1),
        ({"quantity": 0}, 2),
        ({"quantity": 1, "current_quantity": 0}, 2),  # returned: the refund gives it
        ({"quantity": 1, "fulfillable_quantity": 0}, 2),  # sent
        ({"quantity": 2, "current_quantity": 1}, 2),
    ],
)
def test_a_line_that_gives_its_removal_is_none(line: dict[str, Any], count: int) -> None:
    made = order(line_items=[LINE, {"id": 2, "price": "5.00", "quantity": 1, **line}])
    assert len(made.items or ()) == count
    assert made.items_total == sum(each.line_total or 0 for each in made.items or ())
    cart = {"token": "t", "line_items": [LINE, {"key": "2", "quantity": 1, **line}]}
    assert len(getattr(run("spiffy", "carts/update", cart)["cart"], "items", ())) == count


@pytest.mark.parametrize(
    ("line", "total"),
    [
        ({"quantity": -1, "price": "4.00"}, "-4.00"),
        ({"quantity": 1, "price": "-2.50"}, "-2.50"),
        ({"quantity": 2, "price": "-2.50", "total_discount": "-1.00"}, "-5.00"),
    ],
)
def test_a_negative_line_is_an_adjustment(line: dict[str, Any], total: str) -> None:
    made = order(line_items=[LINE, {"id": 2, **line}])
    assert [each.line_total for each in made.items or ()] == [Decimal(10), Decimal(total)]
    assert made.items_total == 10 + Decimal(total)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([{"code": "SPRING", "amount": "5.00"}, {"code": "VIP"}], "SPRING,VIP"),
        (["SPRING"], "SPRING"),
        ("SPRING", "SPRING"),
        ([], None),
        (None, None),
        ([{"code": ""}, {"code": "frodo@theshire.com"}], None),
    ],
)
def test_discount_codes_and_the_gateway_are_kept(given: Any, kept: str | None) -> None:
    made = order(discount_codes=given, gateway="stripe")
    assert made.attributes.get("discount_codes") == kept
    assert made.attributes["gateway"] == "stripe"
    assert "frodo" not in str(made.attributes)


def test_codes_and_gateway_are_within_the_bound_however_much_else_is_given() -> None:
    more = {f"extra_{number}": str(number) for number in range(100)}
    codes = [{"code": "LATE", "amount": "1.00", "type": "fixed"} for _ in range(64)]
    made = order(**more, discount_codes=codes, gateway="paypal")
    assert made.attributes["discount_codes"].startswith("LATE,LATE")
    assert made.attributes["gateway"] == "paypal"
    assert len(made.attributes) == 65  # with the count of those left out
