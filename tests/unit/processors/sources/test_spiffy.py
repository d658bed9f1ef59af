"""Spiffy: carts by token, JSON and XML alike, orders, customers, the credit."""

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas.envelopes import Reject
from schemas.events import (
    Cart,
    Change,
    CurrencySource,
    Customer,
    Order,
    OrderStatus,
    Payment,
    PaymentKind,
    Shipment,
    TimeBasis,
)
from tests.example_files import APPENDED_MS, FOLDER
from tests.rails_xml import to_xml
from tests.unit.processors.sources.deliveries import (
    changed,
    delivery,
    outcome,
    refused,
    run,
    sample,
)

XML = (FOLDER / "spiffy/carts-create-xml.xml").read_bytes()


def order(name: str, change: Any = lambda _: None, event: str = "orders/updated") -> Order:
    made = run("spiffy", event, changed(f"spiffy/{name}", change))["order"]
    assert isinstance(made, Order)
    return made


def cart(body: bytes | dict[str, Any], event: str = "carts/create") -> Cart:
    made = run("spiffy", event, body)["cart"]
    assert isinstance(made, Cart)
    return made


def test_the_sample_cart_is_worth_59_97() -> None:
    made = cart(sample("spiffy/carts-create"))
    assert made.total == Decimal("59.97")
    assert (made.currency, made.currency_source) == ("GBP", CurrencySource.SHOP)
    assert made.cart_token == "eeafa272cebfd4b22385bc4b645e762c"
    assert made.customer is None


def test_a_line_is_known_by_its_key_and_large_ids_keep_every_digit() -> None:
    line = (cart(sample("spiffy/carts-create")).items or ())[0]
    assert line.line_id == "1234567:f816dcc3b2e26822a28626a786eac953"
    assert line.product_id == "327475578523353102"


def test_a_cart_is_worth_what_its_lines_cost_now() -> None:
    made = cart(sample("spiffy/carts-update"), "carts/update")
    line = (made.items or ())[0]
    assert made.total == Decimal("14.99")
    assert (line.unit_price, line.line_total, line.discount) == (
        Decimal("19.99"),
        Decimal("19.99"),
        Decimal(5),
    )


def test_a_cart_with_an_unpriced_line_has_no_known_total() -> None:
    body = sample("spiffy/carts-create")
    body["line_items"].append({"key": "k", "quantity": 1})
    assert cart(body).total is None


def test_xml_says_the_same_as_json_dashed_or_underscored() -> None:
    expected = cart(sample("spiffy/carts-create"))
    underscored = XML.replace(b"line-", b"line_").replace(b"-price", b"_price")
    underscored = underscored.replace(b"product-id", b"product_id").replace(b"gift-", b"gift_")
    underscored = underscored.replace(b"variant-id", b"variant_id")
    for body in (XML, underscored, XML.replace(b' type="array"', b"")):
        assert cart(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (XML[:200], ("malformed-body", f"@{XML.index(b'<id type')}")),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><cart>&b;</cart>', ("unsupported-format", "@0")),
        (b"<cart>text</cart>", ("invalid-payload", "$")),
        (b"<a>" * 80 + b"</a>" * 80, ("out-of-range", "$")),
        (b"<a>" * 50_000 + b"</a>" * 50_000, ("out-of-range", "$")),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', ("malformed-body", "@0")),
        (
            b'<cart><id type="integer">' + b"9" * 9999 + b"</id></cart>",
            ("invalid-payload", "token"),
        ),
        (XML.replace(b"19.99<", b"nineteen<"), ("invalid-payload", "line_items[0].original_price")),
    ],
)
def test_xml_that_cannot_be_read_is_refused(body: bytes, expected: tuple[str, str]) -> None:
    assert refused("spiffy", "carts/create", body) == expected


def test_an_order_names_its_cart_by_token() -> None:
    made = order("orders-create", event="orders/create")
    assert made.cart_token == sample("spiffy/carts-create")["token"]
    assert made.meta.change is Change.CREATED


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"financial_status": "paid"}, OrderStatus.PAID),
        ({"financial_status": "authorized"}, OrderStatus.PENDING),
        ({"financial_status": "voided"}, OrderStatus.CANCELLED),
        ({"financial_status": "refunded"}, OrderStatus.REFUNDED),
        ({"financial_status": "bartered"}, OrderStatus.UNKNOWN),
        (
            {"financial_status": "paid", "cancelled_at": "2026-02-10T12:00:00Z"},
            OrderStatus.PAID,
        ),
    ],
)
def test_the_financial_status_is_read(values: dict[str, str], status: OrderStatus) -> None:
    assert order("orders-create", lambda d: d.update(values)).status is status


def test_a_cancellation_occurs_when_cancelled_and_is_versioned_by_the_update() -> None:
    made = order("orders-cancelled", event="orders/cancelled").meta
    assert made.version_at - made.occurred_at == 1_000_000


def test_a_customer_inside_an_order_has_an_event_only_with_a_version_of_its_own() -> None:
    body = sample("spiffy/orders-create")
    slots = run("spiffy", "orders/create", body)
    assert list(slots) == ["order", "customer", "contact"]
    entities = {slots[slot].meta.entity for slot in ("customer", "contact")}
    assert entities == {"spiffy/demo/customer:6"}
    del body["customer"]["updated_at"]
    slots = run("spiffy", "orders/create", body)
    assert list(slots) == ["order"]
    assert isinstance(slots["order"], Order)
    assert slots["order"].customer is not None
    assert slots["order"].customer.customer_id == "6"


def test_every_fulfilment_is_a_shipment() -> None:
    body = sample("spiffy/orders-fulfilled")
    body["fulfillments"].append({**body["fulfillments"][0], "id": 99})
    slots = run("spiffy", "orders/updated", body)
    assert list(slots) == ["order", "customer", "contact", "shipment-1", "shipment-2"]
    parcel = slots["shipment-2"]
    assert isinstance(parcel, Shipment)
    assert (parcel.meta.entity, parcel.order_id) == ("spiffy/demo/shipment:99", "450789469")


def test_the_platforms_own_totals_ride_on_the_customer() -> None:
    made = run("spiffy", "customers/update", sample("spiffy/customers-update"))["customer"]
    assert isinstance(made, Customer)
    assert [(t.revenue, t.orders_count) for t in made.reported] == [(Decimal("11230.63"), 512)]


def test_a_customer_credit_has_neither_amount_nor_sign_nor_order() -> None:
    slots = run("spiffy", "customer_credits/create", sample("spiffy/customer_credits-create"))
    payment, customer = slots["payment"], slots["customer"]
    assert isinstance(payment, Payment)
    assert (payment.kind, payment.amount, payment.order_id) == (PaymentKind.CREDIT, None, None)
    assert payment.meta.entity == "spiffy/demo/credit:6-2015-10-24T18:26:31Z"
    assert customer.meta.version_at < payment.meta.version_at


def test_a_test_order_is_marked_with_all_that_it_brings() -> None:
    slots = run("spiffy", "orders/updated", {**sample("spiffy/orders-fulfilled"), "test": True})
    assert {event.meta.is_test for event in slots.values()} == {True}
    assert len(slots) == 4


def test_a_deletion_is_versioned_by_its_append() -> None:
    made = order("orders-delete", event="orders/delete")
    assert (made.meta.change, made.meta.version_at) == (Change.DELETED, APPENDED_MS * 1000)


@pytest.mark.parametrize(
    "topic", ["", "carts/explode", "products/create", "orders", "orders/", "orders/" + "x" * 100]
)
def test_an_unknown_topic_is_an_unknown_event(topic: str) -> None:
    assert refused("spiffy", topic, sample("spiffy/carts-create"))[0] == "unknown-event"


def test_a_body_may_be_wrapped_in_its_noun() -> None:
    wrapped = {"cart": sample("spiffy/carts-create")}
    assert cart(json.dumps(wrapped).encode()) == cart(sample("spiffy/carts-create"))


@pytest.mark.parametrize(
    ("event", "body", "expected"),
    [
        ("carts/create", {"line_items": []}, ("invalid-payload", "token")),
        ("orders/paid", {"name": "#1"}, ("invalid-payload", "id")),
        ("customers/update", {"email": "a@b.example"}, ("invalid-payload", "id")),
        ("customer_credits/create", {"customer": {"id": 6}}, ("invalid-payload", "created_at")),
        ("customer_credits/create", {"created_at": "2020-01-01"}, ("invalid-payload", "customer")),
    ],
)
def test_what_is_missing_is_named(event: str, body: dict[str, Any], expected: Any) -> None:
    assert refused("spiffy", event, body) == expected


def test_a_cart_has_no_time_and_is_dated_by_its_receipt() -> None:
    made = cart(sample("spiffy/carts-create"))
    assert (made.created_at, made.updated_at) == (None, None)
    assert (made.meta.time_basis, made.meta.version_at) == (
        TimeBasis.RECEIVED,
        APPENDED_MS * 1000,
    )


def test_an_order_without_a_token_names_no_cart() -> None:
    made = order("orders-create", lambda d: d.pop("cart_token"), event="orders/create")
    assert (made.cart_token, made.cart_id) == (None, None)


def test_no_number_is_read_out_of_a_credits_text() -> None:
    slots = run("spiffy", "customer_credits/create", sample("spiffy/customer_credits-create"))
    payment = slots["payment"]
    assert isinstance(payment, Payment)
    assert payment.attributes == {}
    assert "12345" not in str(payment.order_id)


def test_fragments_with_no_break_spaces_are_no_json() -> None:
    pasted = '{ "description"\u00a0: "Goods returned" }'.encode()
    assert refused("spiffy", "customer_credits/create", pasted) == ("malformed-body", "@15")


@pytest.mark.parametrize("dashed", [True, False])
@pytest.mark.parametrize("name", ["carts-create", "orders-updated", "customers-update"])
def test_any_example_reads_the_same_in_xml(name: str, dashed: bool) -> None:
    document = sample(f"spiffy/{name}")
    event = name.replace("-", "/")
    assert run("spiffy", event, to_xml(document, "any_root", dashed=dashed)) == run(
        "spiffy", event, document
    )


def test_a_cart_without_lines_has_no_items_and_no_total() -> None:
    made = cart({"token": "t"})
    assert (made.items, made.total) == (None, None)
    empty = cart({"token": "t", "line_items": []})
    assert (empty.items, empty.total) == ((), 0)


def test_an_empty_number_in_xml_is_null() -> None:
    body = XML.replace(b'<quantity type="integer">3</quantity>', b'<quantity type="integer"/>')
    (line,) = cart(body).items or ()
    assert line.quantity is None


def test_goods_without_a_total_are_the_sum_of_the_lines() -> None:
    made = order("orders-create", lambda d: d.pop("total_line_items_price"))
    assert made.items_total == Decimal("59.97")
    bare = order("orders-create", lambda d: [d.pop("total_line_items_price"), d.pop("line_items")])
    assert (bare.items, bare.items_total) == (None, None)


@pytest.mark.parametrize("at", [0, 63, 64, 70])
def test_a_refusal_names_the_line_however_many_there_are(at: int) -> None:
    lines: list[dict[str, Any]] = [{"key": str(number), "line_price": "1"} for number in range(71)]
    lines[at]["line_price"] = "one"
    body = {"token": "t", "line_items": lines}
    assert refused("spiffy", "carts/update", body) == (
        "invalid-payload", f"line_items[{at}].line_price",
    )  # fmt: skip


CREDIT = {"created_at": "2026-02-10T10:00:00Z", "updated_at": "2026-02-10T10:00:05Z"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"id": 77, "amount": "20.00", "order": {"id": 5}}, ("77", Decimal(20), "5", "6")),
        ({"id": "c-1", "amount": "-7.50", "order": 5}, ("c-1", Decimal("-7.5"), "5", "6")),
        ({"amount": -3, "order_id": 5}, ("6-2026-02-10T10:00:00Z", Decimal(-3), "5", "6")),
        ({"id": 77, "order": None, "amount": None}, ("77", None, None, "6")),
        ({"id": 77, "customer": None}, ("77", None, None, None)),
        ({"id": 77, "customer": 6, "created_at": None}, ("77", None, None, "6")),
    ],
)
def test_a_credit_with_an_id_and_an_amount(values: dict[str, Any], expected: Any) -> None:
    body = {"customer": {"id": 6}, **CREDIT, **values}
    for sent in (body, to_xml(body, "customer_credit")):
        payment = run("spiffy", "customer_credits/update", sent)["payment"]
        assert isinstance(payment, Payment)
        customer = payment.customer.customer_id if payment.customer else None
        assert (payment.payment_id, payment.amount, payment.order_id, customer) == expected
        assert payment.meta.version_at == 1_770_717_605_000_000


def test_a_credit_keeps_its_key_with_and_without_an_id() -> None:
    body = {"customer": {"id": 6}, **CREDIT}
    for given in (body, {"id": 77, **body}):
        payment = run("spiffy", "customer_credits/create", given)["payment"]
        assert payment.meta.entity == "spiffy/demo/credit:6-2026-02-10T10:00:00Z"


def test_a_missing_topic_is_refused_with_the_name_of_its_header() -> None:
    made = outcome(delivery("spiffy", "", sample("spiffy/carts-create")))
    assert isinstance(made, Reject)
    assert (made.reason.value, made.path) == ("unknown-event", "hookline-event")
    assert "X-Spiffy-Topic" in made.detail
