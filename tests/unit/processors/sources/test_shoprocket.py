"""Shoprocket: both formats, texts for numbers, naive times, three marks of a test."""

from decimal import Decimal
from typing import Any

import pytest

from processors.sources.contract import Rule
from schemas.envelopes import Reject
from schemas.events import (
    Cart,
    Change,
    Customer,
    CustomerContact,
    Order,
    OrderStatus,
    Payment,
    PaymentKind,
    TimeBasis,
)
from tests.example_files import RECEIVED_AT
from tests.unit.processors.sources.deliveries import (
    changed,
    delivery,
    outcome,
    refused,
    run,
    sample,
)

SAMPLE = "shoprocket/order-created"
LIVE = "shoprocket/order-updated"


def order(name: str = SAMPLE, change: Any = lambda _: None, **rest: Any) -> Order:
    made = run("shoprocket", "", changed(name, change), **rest)["order"]
    assert isinstance(made, Order)
    return made


def rule(name: str) -> Rule:
    made = outcome(delivery("shoprocket", "", sample(name)))
    assert not isinstance(made, Reject)
    return made[0].rule


def test_the_sample_is_a_pending_test_order_of_12_and_9_95_shipping() -> None:
    made = order()
    assert made.meta.is_test is True
    assert (made.status, made.status_word) == (OrderStatus.PENDING, "payment_pending")
    assert (made.items_total, made.shipping_total) == (Decimal(12), Decimal("9.95"))
    assert made.total == Decimal("21.95")
    assert (made.order_id, made.order_number, made.currency) == ("716", "#186", "USD")


@pytest.mark.parametrize(
    "mark",
    [
        lambda d: d.update(webhook_environment="Test"),
        lambda d: d["data"].update(store_environment="test"),
        lambda d: d["data"]["payment_payload"].update(livemode="test"),
        lambda d: d["data"]["payment_payload"].update(livemode=False),
    ],
)
def test_any_one_of_three_fields_makes_a_test(mark: Any) -> None:
    assert order(LIVE).meta.is_test is False
    assert order(LIVE, mark).meta.is_test is True


@pytest.mark.parametrize(
    ("native", "status"),
    [
        ("paid", OrderStatus.PAID),
        ("Refunded", OrderStatus.REFUNDED),
        ("partially_refunded", OrderStatus.PARTIALLY_REFUNDED),
        ("on_the_moon", OrderStatus.UNKNOWN),
    ],
)
def test_a_status_is_mapped_and_its_text_kept(native: str, status: OrderStatus) -> None:
    made = order(LIVE, lambda d: d["data"].update(status_raw=native))
    assert (made.status, made.status_word) == (status, native)


def test_naive_times_are_of_the_zone_that_the_shop_says_and_item_times_count_nothing() -> None:
    made = order(shop={"naive_times_in": "Asia/Kolkata"})
    assert made.meta.time_basis is TimeBasis.SHOP_ZONE
    assert made.placed_at == order().placed_at - int(5.5 * 3_600_000_000)  # type: ignore[operator]


def test_an_update_with_its_time_is_content_and_else_state() -> None:
    assert rule("shoprocket/order-updated") is Rule.CONTENT
    assert rule("shoprocket/order-updated-undated") is Rule.STATE
    assert order("shoprocket/order-updated-undated").meta.occurred_at == RECEIVED_AT


def test_a_clock_that_runs_ahead_dates_no_state_after_its_append() -> None:
    made = order(LIVE, lambda d: d["data"].update(updated_at="2026-03-01 12:30:00")).meta
    assert made.version_at == made.raw_appended_at
    assert made.source_time == RECEIVED_AT + 1800_000_000 - 250_000
    assert made.occurred_at == RECEIVED_AT


def test_a_draft_was_placed_by_nobody() -> None:
    made = order(LIVE, lambda d: d["data"].update(is_draft="1"))
    assert (made.is_draft, made.placed_at) == (True, None)
    assert made.created_at is not None


def test_a_subtotal_with_the_discount_already_off_is_not_taken_for_goods() -> None:
    made = order(LIVE, lambda d: d["data"].update(subtotal="10.00", discount_amount="2.00"))
    assert (made.items_total, made.discount_total) == (Decimal(12), Decimal(2))
    made = order(LIVE, lambda d: d["data"].update(discount_amount="2.00"))
    assert (made.items_total, made.discount_total) == (Decimal(12), Decimal(2))


def test_a_deleted_order_is_deleted_whatever_its_status_text() -> None:
    made = order("shoprocket/order-deleted")
    assert (made.status, made.meta.change) == (OrderStatus.DELETED, Change.DELETED)


def test_the_newer_envelope_has_money_in_the_smallest_unit_of_its_currency() -> None:
    made = order("shoprocket/order-paid")
    assert (made.items_total, made.total) == (Decimal(96), Decimal(124))

    def yen(document: dict[str, Any]) -> None:
        document["data"]["currency"] = "JPY"
        for part in document["data"]["totals"].values():
            part["currency"] = "JPY"

    assert order("shoprocket/order-paid", yen).total == Decimal(12400)


def test_a_refund_in_the_newer_envelope_is_a_payment_beside_the_order() -> None:
    slots = run("shoprocket", "", sample("shoprocket/order-refunded"))
    refund = slots["payment"]
    assert isinstance(refund, Payment)
    assert (refund.kind, refund.amount, refund.order_id) == (
        PaymentKind.REFUND,
        Decimal(24),
        "ord_01",
    )
    assert refund.meta.entity == "shoprocket/demo/payment:ref_01"


@pytest.mark.parametrize(
    ("event", "values", "expected"),
    [
        ("order.refunded", {}, (OrderStatus.PARTIALLY_REFUNDED, "refunded")),
        ("order.refunded", {"status": "refunded"}, (OrderStatus.REFUNDED, "refunded")),
        ("order.fulfilled", {}, (OrderStatus.UNKNOWN, None)),
        ("order.created", {}, (OrderStatus.UNKNOWN, None)),
        ("order.refunded", {"status": "failed"}, (OrderStatus.CANCELLED, "failed")),
        ("order.paid", {"status": "pending"}, (OrderStatus.PAID, "pending")),
        ("order.cancelled", {}, (OrderStatus.CANCELLED, "cancelled")),
        ("order.deleted", {}, (OrderStatus.DELETED, "deleted")),
    ],
)
def test_an_event_name_of_the_envelope_decides_the_status_only_if_it_is_about_money(
    event: str, values: dict[str, str], expected: tuple[OrderStatus, str | None]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["type"] = event
        del document["data"]["status"]
        document["data"].update(values)

    made = order("shoprocket/order-paid", change)
    assert (made.status, made.status_word) == expected


def test_the_newer_format_has_customers_too() -> None:
    body = {
        "id": "evt_9",
        "type": "customer.created",
        "createdAt": "2026-02-20T12:00:00Z",
        "data": {"customer": {"id": "cus_1", "email": "Sam@example.com", "firstName": "Sam"}},
    }
    slots = run("shoprocket", "", body)
    made, contact = slots["customer"], slots["contact"]
    assert isinstance(made, Customer)
    assert (made.meta.entity, made.customer_id) == ("shoprocket/demo/customer:cus_1", "cus_1")
    assert made.contact is None
    assert isinstance(contact, CustomerContact)
    assert contact.contact.first_name == "Sam"


@pytest.mark.parametrize("form", [{"id": "evt_9"}, {}])
def test_a_customer_that_is_deleted_leaves_no_contact_data(form: dict[str, str]) -> None:
    data = {"id": "cus_1", "email": "sam@example.com", "firstName": "Sam", "first_name": "Sam"}
    body = {**form, "type": "customer.deleted", "data": data}
    assert list(run("shoprocket", "", body)) == ["customer"]


def test_a_cart_reported_abandoned_is_dated_by_the_event() -> None:
    made = run("shoprocket", "", sample("shoprocket/cart-abandoned"))["cart"]
    assert isinstance(made, Cart)
    assert (made.abandoned, made.meta.change) == (True, Change.REPORTED)
    assert made.meta.occurred_at == 1_771_590_600_000_000


@pytest.mark.parametrize("native", ["product.created", "order.exploded", "", "order"])
@pytest.mark.parametrize("name", ["shoprocket/order-created", "shoprocket/order-paid"])
def test_an_unknown_name_in_either_format_is_an_unknown_event(native: str, name: str) -> None:
    assert refused("shoprocket", "", changed(name, lambda d: d.update(type=native))) == (
        "unknown-event",
        "type",
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["data"].pop("id"), ("invalid-payload", "data.id")),
        (lambda d: d["data"].update(subtotal="twelve"), ("invalid-payload", "data.subtotal")),
        (lambda d: d["data"].update(total_amount=1e30), ("out-of-range", "data.total_amount")),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(change: Any, expected: tuple[str, str]) -> None:
    assert refused("shoprocket", "", changed("shoprocket/order-created", change)) == expected


def test_the_key_is_the_id_and_the_other_numbers_are_none() -> None:
    made = order()
    assert (made.meta.entity, made.order_id) == ("shoprocket/demo/order:716", "716")
    assert made.order_number == "#186"
    assert (made.attributes["raw_order_id"], made.attributes["invoice_number"]) == ("186", "183")
    (line,) = made.items or ()
    assert line.line_id == "20860"
    assert "order_id" not in line.attributes


def test_texts_for_numbers_flags_as_digits_and_an_int_beside_them_are_read_alike() -> None:
    def typed(document: dict[str, Any]) -> None:
        document["data"].update(
            id=716, customer_id=568, subtotal=12, total_amount=21.95, is_draft=False
        )
        document["data"]["order_items"][0].update(id=20860, quantity=1, unit_price=12.0)
        document["data"]["fulfillment_status"] = "1"

    assert order(change=typed) == order()


def test_the_times_of_items_change_nothing() -> None:
    def shift(document: dict[str, Any]) -> None:
        document["data"]["order_items"][0].update(
            created_at="2035-01-01 00:00:00", updated_at="yesterday", deleted_at=[]
        )

    assert order(change=shift) == order()


def test_an_order_at_14_37_utc_and_its_item_at_20_07_in_kolkata_are_one_sale() -> None:
    """The item's clock is 2 s ahead; the order's own time, in UTC, dates it."""
    placed = order().placed_at
    assert placed == 1_653_316_644_000_000
    item = order(
        change=lambda d: d["data"].update(created_at="2022-05-23 20:07:22"),
        shop={"naive_times_in": "Asia/Kolkata"},
    ).placed_at
    assert placed - item == 2_000_000  # type: ignore[operator]


def test_the_cart_session_links_nothing_and_goes_nowhere() -> None:
    made = order()
    assert (made.cart_id, made.cart_token) == (None, None)
    assert "sr_live_pk" not in str(made)


def test_a_test_in_the_newer_envelope_is_marked_by_its_livemode() -> None:
    name = "shoprocket/order-paid"
    assert [
        order(name, lambda d, mode=mode: d.update(livemode=mode)).meta.is_test  # type: ignore[misc]
        for mode in (True, False, None)
    ] == [False, True, False]
    slots = run("shoprocket", "", changed(name, lambda d: d["data"].update(livemode=False)))
    assert [event.meta.is_test for event in slots.values()] == [True, True]


def test_goods_without_a_subtotal_are_the_sum_of_the_lines() -> None:
    made = order(LIVE, lambda d: d["data"].pop("subtotal"))
    assert made.items_total == Decimal(12)
    assert made.attributes["items_total_is"] == "sum of the lines"
    bare = order(LIVE, lambda d: d["data"].update(subtotal=None, order_items=None))
    assert (bare.items, bare.items_total) == (None, None)
