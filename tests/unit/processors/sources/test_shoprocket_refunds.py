"""Shoprocket: refunds, deleted lines, cancellations taken back, the time of a state."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import Order, OrderStatus, PaymentStatus, Refund
from tests.unit.processors.sources.deliveries import changed, run, sample

REFUNDED = "shoprocket/order-refunded"
UPDATED = "shoprocket/order-updated-envelope"
OLDER = "shoprocket/order-updated"


def slots(name: str, event: str | None = None, **values: Any) -> dict[str, Any]:
    def change(document: dict[str, Any]) -> None:
        document["type"] = event or document["type"]
        document["data"].update(values)

    return dict(run("shoprocket", "", changed(name, change)))


def order(name: str, event: str | None = None, **values: Any) -> Order:
    made = slots(name, event, **values)["order"]
    assert isinstance(made, Order)
    return made


def refunds(**values: Any) -> tuple[Refund, ...]:
    made = order(REFUNDED, refund=None, **values).refunds
    assert made is not None
    return made


def money(amount: int, currency: str = "GBP") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def at(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp()) * 1_000_000


def test_the_running_total_and_the_refund_are_given_apart() -> None:
    made = order(REFUNDED)
    assert made.refunded_total == Decimal(24)
    assert [(r.refund_id, r.status, r.amount) for r in made.refunds or ()] == [
        ("ref_01", PaymentStatus.SUCCEEDED, Decimal(24))
    ]
    assert made.refunded_goods is None


def test_one_delivery_with_several_refunds() -> None:
    given = [
        {"id": 1, "amount": 100, "status": "Succeeded", "createdAt": "2026-02-21T10:00:00Z"},
        {"id": "2", "amount": money(200), "status": "FAILED"},
        {"amount": "300", "status": "pending"},
        {"id": 4, "amount": money(400), "status": "lost in the post"},
    ]
    made = slots(REFUNDED, refund={"id": "1", "amount": money(100)}, refunds=given)
    assert [(r.refund_id, r.status.value, r.amount) for r in made["order"].refunds] == [
        ("1", "SUCCEEDED", 1),
        ("2", "FAILED", 2),
        (None, "PENDING", 3),
        ("4", "UNKNOWN", 4),
    ]
    assert made["order"].refunds[0].refunded_at == at("2026-02-21T10:00:00Z")
    assert [(slot, p.payment_id, p.status.value) for slot, p in list(made.items())[1:]] == [
        ("payment", "1", "REFUNDED"),
        ("payment-2", "2", "FAILED"),
        ("payment-3", "4", "UNKNOWN"),
    ]


@pytest.mark.parametrize(
    ("currency", "amount", "expected"),
    [("JPY", 1200, "1200"), ("BHD", 1200, "1.200"), ("GBP", 1200, "12"), ("KWD", 5, "0.005")],
)
@pytest.mark.parametrize("is_object", [True, False])
def test_refunds_are_in_the_smallest_unit_of_their_currency(
    currency: str, amount: int, expected: str, is_object: bool
) -> None:
    given = money(amount, currency) if is_object else amount
    (made,) = refunds(currency=currency, refunds=[{"id": 1, "amount": given}])
    assert made.amount == Decimal(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"subtotal": money(1500), "quantity": 1}, "15"),
        ({"amount": 700}, "7"),
        ({"price": money(300), "quantity": 2}, "6"),
        ({"itemId": "oitm_01", "quantity": 3}, "72"),
        ({"id": "oitm_01", "quantity": 1}, "24"),
        ({"id": "unheard of", "quantity": 1}, None),
    ],
)
def test_the_goods_of_a_refund_are_its_lines_at_their_own_or_the_orders_price(
    line: dict[str, Any], expected: str | None
) -> None:
    for key in ("lines", "items"):
        (made,) = refunds(refunds=[{"id": 1, "amount": 1, key: [line, "x", None]}])
        assert made.goods == (expected and Decimal(expected))


def test_a_refund_has_the_tax_of_its_lines_and_its_shipping() -> None:
    lines = [{"subtotal": 1000, "tax": 200}, {"subtotal": 500, "tax": money(100)}]
    (made,) = refunds(
        refunds=[{"id": 1, "amount": 2300, "lines": lines, "shipping": 500, "tax": 999}]
    )
    assert (made.goods, made.tax, made.shipping) == (15, 3, 5)
    (untaxed,) = refunds(refunds=[{"id": 1, "lines": [{"subtotal": 1000}], "tax": 200}])
    assert (untaxed.amount, untaxed.goods, untaxed.tax) == (None, 10, 2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"refund": None}, None),
        ({"refund": {}, "refunds": None}, None),
        ({"refund": "yes", "refunds": "none"}, None),
        ({"refund": None, "refunds": []}, ()),
        ({"refund": [], "refunds": [None, "x"]}, ()),
    ],
)
def test_no_refund_and_none_at_all(values: dict[str, Any], expected: Any) -> None:
    assert order(REFUNDED, **values).refunds == expected


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, OrderStatus.PARTIALLY_REFUNDED),
        ({"totals": {"total": money(12400), "refunded": money(12400)}}, OrderStatus.REFUNDED),
        ({"totals": {"total": money(2400)}}, OrderStatus.REFUNDED),
        ({"totals": {"total": money(2400)}, "status": "paid"}, OrderStatus.REFUNDED),
        ({"totals": {}, "refund": None}, OrderStatus.PARTIALLY_REFUNDED),
        (
            {"totals": {}, "refund": {"id": 1, "amount": 5, "status": "failed"}},
            OrderStatus.UNKNOWN,
        ),
        (
            {"totals": {}, "status": "paid", "refund": {"amount": 5, "status": "pending"}},
            OrderStatus.PAID,
        ),
        ({"status": "voided"}, OrderStatus.CANCELLED),
    ],
)
def test_order_refunded_means_all_or_some_by_the_amounts(
    values: dict[str, Any], status: OrderStatus
) -> None:
    assert order(REFUNDED, **values).status is status


@pytest.mark.parametrize(
    ("deleted", "count"),
    [
        ("2026-02-20T13:30:00Z", 1),
        (1_771_590_600, 1),
        (True, 1),
        (None, 2),
        ("", 2),
        ("0000-00-00 00:00:00", 2),
        (False, 2),
    ],
)
def test_a_deleted_line_is_no_line(deleted: Any, count: int) -> None:
    for name, items, key in ((UPDATED, "items", "deletedAt"), (OLDER, "order_items", "deleted_at")):
        (line,) = sample(name)["data"][items]
        made = order(name, **{items: [line, line | {"id": "2", key: deleted}]})
        assert len(made.items or ()) == count
    cart = sample("shoprocket/cart-abandoned")
    cart["data"]["items"].append({**cart["data"]["items"][0], "deletedAt": deleted})
    assert len(run("shoprocket", "", cart)["cart"].items) == count  # type: ignore[union-attr, arg-type]


def test_goods_without_a_subtotal_leave_deleted_lines_out() -> None:
    (line,) = sample(OLDER)["data"]["order_items"]
    gone = line | {"id": "2", "deleted_at": "2022-05-23 20:07:22"}
    assert order(OLDER, subtotal=None, order_items=[line, gone]).items_total == Decimal(12)
    (line,) = sample(UPDATED)["data"]["items"]
    gone = line | {"id": "2", "deletedAt": "2026-02-20T13:30:00Z"}
    assert order(UPDATED, totals={}, items=[line, gone]).items_total == Decimal(96)


def test_negative_lines_are_adjustments() -> None:
    line = {"id": "adj", "quantity": -1, "price": money(500), "subtotal": money(-500)}
    (made,) = order(UPDATED, items=[line]).items or ()
    assert (made.quantity, made.unit_price, made.line_total) == (-1, 5, -5)
    old = sample(OLDER)["data"]["order_items"][0] | {"quantity": "-1"}
    (made,) = order(OLDER, order_items=[old]).items or ()
    assert (made.quantity, made.line_total) == (-1, -12)


@pytest.mark.parametrize(
    ("event", "values", "cleared"),
    [
        ("order.updated", {"cancelledAt": None, "status": None}, True),
        ("order.updated", {"cancelledAt": None, "status": "paid"}, True),
        ("order.updated", {"status": "paid"}, True),
        ("order.paid", {"status": None}, True),
        ("order.updated", {"status": "partially_refunded"}, True),
        ("order.updated", {"status": "on the moon"}, False),
        ("order.updated", {"status": "shipped"}, False),
        ("order.refunded", {"status": None}, False),
        ("order.cancelled", {"status": "paid", "cancelledAt": None}, False),
        ("order.updated", {"status": "canceled"}, False),
        ("order.updated", {"status": "paid", "cancelledAt": "2026-02-20T13:00:00Z"}, False),
        ("order.deleted", {"status": "paid"}, False),
        ("order.created", {"status": "paid"}, False),
    ],
)
def test_a_newer_full_state_takes_a_cancellation_back(
    event: str, values: dict[str, Any], cleared: bool
) -> None:
    made = order(UPDATED, event, **values)
    assert made.cleared == (("cancelled_at",) if cleared else ())


def test_a_cancellation_is_dated_by_the_order_else_by_the_event() -> None:
    given = order(UPDATED, cancelledAt="2026-02-20T13:00:00Z")
    assert given.cancelled_at == at("2026-02-20T13:00:00Z")
    assert order(UPDATED, status="voided").cancelled_at == at("2026-02-20T13:22:00Z")
    older = order(OLDER, cancelled_at="2022-05-24 10:00:00")
    assert (older.cancelled_at, older.cleared) == (at("2022-05-24T10:00:00Z"), ())
    assert order(OLDER, cancelled_at=None).cleared == ("cancelled_at",)
    assert order(OLDER).cleared == ()


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ("paid", OrderStatus.PAID),
        ("on the moon", OrderStatus.UNKNOWN),
        (None, OrderStatus.UNKNOWN),
        ("canceled", OrderStatus.CANCELLED),
    ],
)
def test_a_cancellation_with_a_time_leaves_the_status_as_it_is(
    status: str | None, kept: OrderStatus
) -> None:
    dated = order(UPDATED, "order.cancelled", status=status, cancelledAt="2026-02-20T13:00:00Z")
    assert (dated.status, dated.status_word, dated.cleared) == (kept, status, ())
    assert dated.cancelled_at == at("2026-02-20T13:00:00Z")
    by_name = order(UPDATED, "order.cancelled", status=status)
    assert by_name.status is OrderStatus.CANCELLED


def test_a_deletion_is_no_order_that_a_refund_brings_back() -> None:
    deleted = order(UPDATED, "order.deleted", status="paid")
    assert deleted.status is OrderStatus.DELETED
    assert deleted.cancelled_at == at("2026-02-20T13:22:00Z")
    assert order(UPDATED, "order.refunded", status=None).cleared == ()
    assert order(UPDATED, "order.refunded", status="paid").cleared == ("cancelled_at",)


@pytest.mark.parametrize("event", ["order.created", "order.updated", "order.paid"])
def test_the_state_is_as_old_as_the_order_and_the_change_as_the_event(event: str) -> None:
    meta = order(UPDATED, event, updatedAt="2026-02-20T13:21:00Z").meta
    assert meta.occurred_at == at("2026-02-20T13:22:00Z")
    assert meta.version_at == meta.source_time == at("2026-02-20T13:21:00Z")
    undated = order(UPDATED, event, updatedAt=None).meta
    assert undated.version_at == at("2026-02-20T13:22:00Z")


def test_a_clock_in_2040_outlives_nothing() -> None:
    for name, values in (
        (UPDATED, {"updatedAt": "2040-02-01T00:00:00Z"}),
        (OLDER, {"updated_at": "2040-02-01 00:00:00"}),
    ):
        meta = order(name, **values).meta
        assert meta.version_at == meta.raw_appended_at
        assert meta.source_time == at("2040-02-01T00:00:00Z")


def test_an_older_order_created_has_the_time_of_its_own_update() -> None:
    meta = order("shoprocket/order-created", updated_at="2022-05-23 14:40:00").meta
    assert meta.occurred_at == at("2022-05-23T14:37:24Z")
    assert meta.version_at == at("2022-05-23T14:40:00Z")


def test_an_order_names_its_cart_by_an_id_and_its_customer_by_an_address() -> None:
    made = order(UPDATED, cartId="cart_9", cart_session="sr_live_pk_1", customerId="cus_1")
    assert made.cart_id == "cart_9"
    assert "sr_live_pk_1" not in str(made)
    assert made.customer is not None
    assert made.customer.customer_id == "cus_1"
    assert made.customer.email_hash is not None


def test_money_in_another_currency_is_no_amount_of_the_order() -> None:
    given = [
        {"id": 1, "amount": money(2000, "EUR")},
        {"id": 2, "amount": 2000, "currency": "EUR"},
        {"id": 3, "amount": money(2000, "gbp")},
        {"id": 4, "amount": 2000, "currency": "GBP"},
    ]
    made = slots(REFUNDED, refund=None, refunds=given)
    assert [each.amount for each in made["order"].refunds] == [None, None, 20, 20]
    assert made["order"].attributes["unread:data.refunds[0].amount.currency"] == "EUR"
    paid_back = [(made[slot].amount, made[slot].currency) for slot in ("payment", "payment-2")]
    assert paid_back == [(20, "EUR"), (20, "EUR")]


def test_a_running_total_in_another_currency_is_not_given() -> None:
    totals = {"subtotal": money(2400), "total": money(2400), "refunded": money(2400, "EUR")}
    made = order(REFUNDED, refund=None, totals=totals, status=None)
    assert (made.refunded_total, made.status) == (None, OrderStatus.PARTIALLY_REFUNDED)


def test_an_order_that_names_no_currency_has_that_of_its_totals() -> None:
    yen = {"subtotal": money(2400, "jpy"), "total": money(2400, "jpy")}
    made = order(UPDATED, currency=None, totals=yen)
    assert (made.currency, made.items_total) == ("JPY", Decimal(2400))
