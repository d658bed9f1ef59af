"""The platforms' lists of statuses: any spelling, and texts that are on no list."""

from typing import Any

import pytest

from processors.sources.statuses import folded
from schemas.events import OrderStatus, PaymentStatus, ShipmentStatus
from tests.unit.processors.sources.deliveries import changed, run

SHOPROCKET = {
    OrderStatus.PENDING: "pending payment_pending",
    OrderStatus.PAID: "paid processing completed disputed",
    OrderStatus.PARTIALLY_REFUNDED: "partially_refunded",
    OrderStatus.REFUNDED: "refunded",
    OrderStatus.CANCELLED: "failed canceled cancelled voided",
}
OF_FULFILMENT = (
    "fulfilled", "partially_fulfilled", "shipped", "delivered", "failed_delivery", "returned",
)  # fmt: skip
CIKLIK_ORDERS = {
    OrderStatus.COMPLETED: "completed",
    OrderStatus.PENDING: "pending in_creation in_process need_action",
    OrderStatus.CANCELLED: "failed canceled",
}
CIKLIK_BOXES = {
    ShipmentStatus.NEW: "created scheduled pending",
    ShipmentStatus.SHIPPED: "shipped",
    ShipmentStatus.DELIVERED: "delivered",
    ShipmentStatus.CANCELLED: "canceled",
}
GOOTEN = {
    ShipmentStatus.NEW: "New,Pending,Hold,Hold By Image Issue,Image Issue,Needs Customization,"
    "Needs Personalization,Needs Manual Approval,Ready For Image Dl,Address Issue,"
    "Vendor API Issue,Payment Issue,Payment Processing,Pre-Payment,Accounting Issue",
    ShipmentStatus.IN_PRODUCTION: "Ready For Print,Printing,In Production,"
    "Manually In Production,Ready For Accounting,Out For Delivery",
    ShipmentStatus.SHIPPED: "Shipped",
    ShipmentStatus.DELIVERED: "Delivered",
    ShipmentStatus.CANCELLED: "Cancelled,Canceled,Canceled Refunded,Billed Refunded",
}


def spellings(text: str) -> list[str]:
    """Spell a status in each way that means the same."""
    words = text.replace("-", " ").replace("_", " ").split()
    return [
        text,
        text.upper(),
        " ".join(words),
        "".join(word.title() for word in words),
        "_".join(words),
        "-".join(words).lower(),
        f" {text} ",
    ]


def listed(texts: dict[Any, str], separator: str | None = None) -> list[tuple[str, Any]]:
    return [(text, status) for status, given in texts.items() for text in given.split(separator)]


def older(status: Any, **values: Any) -> Any:
    body = changed(
        "shoprocket/order-updated", lambda d: d["data"].update(status_raw=status, **values)
    )
    return run("shoprocket", "", body)["order"]


def newer(status: Any, event: str = "order.updated", **values: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        document["type"] = event
        document["data"].update(status=status, **values)

    return run("shoprocket", "", changed("shoprocket/order-updated-envelope", change))["order"]


@pytest.mark.parametrize(("text", "status"), listed(SHOPROCKET))
def test_both_formats_of_shoprocket_share_one_list(text: str, status: OrderStatus) -> None:
    for spelled in spellings(text):
        assert {older(spelled).status, newer(spelled).status} == {status}
        assert older(spelled).status_word == newer(spelled).status_word == spelled


@pytest.mark.parametrize("text", OF_FULFILMENT)
def test_a_status_of_the_fulfilment_is_no_status_of_the_money(text: str) -> None:
    for made in (older(text.title(), fulfillment_status_raw=None), newer(text.title())):
        assert (made.status, made.status_word) == (OrderStatus.UNKNOWN, None)
        assert made.fulfillment_word == text.title()
        assert made.cancelled_at is None
        assert made.cleared == ()
    both = newer(text, fulfillmentStatus="on its way")
    assert (both.fulfillment_word, both.attributes["status"]) == ("on its way", text)


@pytest.mark.parametrize("text", ["on the moon", "3", "paid!", "refund", "Bezahlt", "x" * 300])
def test_an_unlisted_status_is_unknown_and_its_text_kept(text: str) -> None:
    for made in (older(text), newer(text)):
        assert (made.status, made.status_word) == (OrderStatus.UNKNOWN, text)
        assert made.cleared == ()


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_no_status_is_none(nothing: Any) -> None:
    for made in (older(nothing), newer(nothing)):
        assert (made.status, made.status_word) == (OrderStatus.UNKNOWN, None)


@pytest.mark.parametrize("text", ["on the moon", "shipped", "pending", None, 7])
def test_the_name_of_a_shoprocket_event_decides_whatever_the_status(text: Any) -> None:
    assert newer(text, "order.paid").status is OrderStatus.PAID
    assert newer(text, "order.cancelled").status is OrderStatus.CANCELLED
    assert newer(text, "order.refunded").status is OrderStatus.PARTIALLY_REFUNDED
    assert newer(text, "order.deleted").status is OrderStatus.DELETED


@pytest.mark.parametrize(("text", "status"), listed(CIKLIK_ORDERS))
def test_the_statuses_of_ciklik_orders(text: str, status: OrderStatus) -> None:
    for spelled in spellings(text):
        body = {"order_id": 1, "status": spelled}
        made = run("ciklik", "updated_checkoutorder", body)["order"]
        assert (made.status, made.status_word) == (status, spelled)


@pytest.mark.parametrize("text", ["shipped", "refunded", "en attente", 4])
def test_an_unlisted_status_of_a_ciklik_order_is_kept(text: Any) -> None:
    made = run("ciklik", "created_checkoutorder", {"order_id": 1, "status": text})["order"]
    assert (made.status, made.status_word) == (OrderStatus.UNKNOWN, str(text))


@pytest.mark.parametrize(("text", "status"), listed(CIKLIK_BOXES))
def test_the_statuses_of_ciklik_boxes(text: str, status: ShipmentStatus) -> None:
    for spelled in spellings(text):
        made = run("ciklik", "updated_shippingbox", {"id": 1, "status": spelled})["shipment"]
        assert (made.status, made.status_word) == (status, spelled)


@pytest.mark.parametrize(("text", "status"), listed(GOOTEN, ","))
def test_the_statuses_of_gooten_items(text: str, status: ShipmentStatus) -> None:
    for spelled in spellings(text):
        slots = gooten(spelled)
        assert (slots["shipment-1"].status, slots["order"].fulfillment_word) == (status, spelled)
        is_cancelled = status is ShipmentStatus.CANCELLED
        expected = OrderStatus.CANCELLED if is_cancelled else OrderStatus.PLACED
        assert slots["order"].status is expected
        assert slots["order"].meta.is_test is False


@pytest.mark.parametrize("text", ["Test", "TEST", " te-st"])
def test_a_gooten_item_of_a_test_makes_it_one(text: str) -> None:
    slots = gooten(text)
    assert [event.meta.is_test for event in slots.values()] == [True, True]


@pytest.mark.parametrize(
    ("texts", "status", "kept"),
    [
        (("Vanished", "Cancelled"), OrderStatus.UNKNOWN, "Vanished"),
        (("Cancelled", "Gone", "Vanished"), OrderStatus.UNKNOWN, "Gone"),
        (("Vanished", "New"), OrderStatus.PLACED, None),
        (("Cancelled", "Canceled Refunded"), OrderStatus.CANCELLED, None),
        (("Vanished", "Test"), OrderStatus.PLACED, None),
        ((), OrderStatus.PLACED, None),
    ],
)
def test_a_gooten_order_is_unknown_only_where_all_that_is_left_is_unlisted(
    texts: tuple[str, ...], status: OrderStatus, kept: str | None
) -> None:
    items = [{"Sku": text, "Quantity": 1, "Status": text} for text in texts]
    made = run("gooten", "order-item-changed", {"Id": "1", "Items": items})["order"]
    assert (made.status, made.status_word) == (status, kept)


@pytest.mark.parametrize("text", ["Vanished", "In Production 2", None, "", [], 5])
def test_an_unlisted_status_of_a_gooten_item_takes_no_money_away(text: Any) -> None:
    slots = gooten(text)
    status = OrderStatus.UNKNOWN if text else OrderStatus.PLACED
    assert (slots["order"].status, slots["order"].items_total) == (status, 25.5)
    assert slots["order"].status_word == (str(text) if text else None)
    assert slots["order"].cleared == (() if text else ("status_word",))
    assert slots["shipment-1"].status is ShipmentStatus.UNKNOWN


def gooten(status: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        del document["Items"][1:]
        document["Items"][0]["Status"] = status

    return run("gooten", "", changed("gooten/order-item-changed", change))


@pytest.mark.parametrize(
    ("values", "status", "refunded"),
    [
        ({"paid": True, "refunded": False, "amount_refunded": "0.00"}, "SUCCEEDED", 0),
        ({"paid": 1, "refunded": 0}, "SUCCEEDED", None),
        ({"paid": "1", "refunded": "0", "amount_refunded": None}, "SUCCEEDED", None),
        ({"paid": False, "refunded": False}, "PENDING", None),
        ({"paid": True, "refunded": True, "amount_refunded": "50.00"}, "REFUNDED", 50),
        ({"paid": True, "refunded": True, "amount_refunded": "0.00"}, "REFUNDED", None),
        ({"paid": True, "refunded": True}, "REFUNDED", None),
        ({"paid": True, "refunded": False, "amount_refunded": "10,50"}, "SUCCEEDED", 10.5),
        ({"paid": True, "refunded": None, "amount_refunded": 50}, "REFUNDED", 50),
        ({"amount_refunded": "-12.50"}, "SUCCEEDED", 12.5),
        ({"paid": "perhaps", "refunded": []}, "UNKNOWN", None),
        ({}, "UNKNOWN", None),
    ],
)
def test_a_ciklik_transaction_has_flags_and_amounts_for_a_status(
    values: dict[str, Any], status: str, refunded: float | None
) -> None:
    body = {"id": 1, "order_id": 2, "amount": "50.00", "gateway": "Stripe", **values}
    made = run("ciklik", "updated_checkouttransaction", body)["payment"]
    assert (made.status, made.refunded_amount) == (PaymentStatus(status), refunded)
    assert (made.order_id, made.method_word) == ("2", "Stripe")


def test_a_ciklik_invoice_is_never_refunded() -> None:
    body = {"id": 1, "order_id": 2, "paid": True, "refunded": True, "amount_refunded": "50.00"}
    made = run("ciklik", "created_checkoutinvoice", body)["payment"]
    assert (made.status, made.refunded_amount) == (PaymentStatus.SUCCEEDED, None)


def test_a_folded_status_is_bounded() -> None:
    assert folded("In - Pro_duction") == "inproduction"
    assert folded("x" * 101) == folded(None) == ""
