"""Gooten: the whole order at each item's change, parcels by tracking number."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.envelopes import Reject
from schemas.events import (
    Change,
    CurrencySource,
    Order,
    OrderStatus,
    Shipment,
    ShipmentStatus,
    TimeBasis,
)
from tests.unit.processors.sources.deliveries import (
    changed,
    delivery,
    outcome,
    refused,
    run,
    sample,
)

NAME = "gooten/order-item-changed"


def slots(change: Any = lambda _: None, **rest: Any) -> dict[str, Any]:
    return dict(run("gooten", "", changed(NAME, change), **rest))


def order(change: Any = lambda _: None, **rest: Any) -> Order:
    made = slots(change, **rest)["order"]
    assert isinstance(made, Order)
    return made


def test_the_sample_is_93_30_of_items_and_15_61_of_shipping() -> None:
    made = order()
    assert made.items_total == Decimal("93.30")
    assert (made.shipping_total, made.total) == (Decimal("15.61"), Decimal("108.91"))
    assert made.tax_total is None
    assert made.meta.settings.counts_as_sale is False


def test_three_identifiers_are_kept_and_the_querys_is_part_of_the_digest() -> None:
    given = delivery("gooten", "", sample(NAME), query="orderid=12345&x=1")
    made = outcome(given)
    assert not isinstance(made, Reject)
    parsed, events = made
    assert parsed.query_identifiers == "orderid=12345"
    found = events["order"]
    assert isinstance(found, Order)
    assert (found.order_id, found.order_number, found.attributes["query.orderid"]) == (
        "7-501853e1-8d78-4e1e-83a0-be9fb432efe1",
        "Magic7-501",
        "12345",
    )


@pytest.mark.parametrize("query", ["orderid=%00", "orderid=" + "9" * 201])
def test_a_query_that_no_id_could_be_is_refused(query: str) -> None:
    assert refused("gooten", "", sample(NAME), query=query) == ("out-of-range", "query.orderid")


def test_nothing_in_the_body_dates_a_change() -> None:
    made = order().meta
    assert (made.change, made.time_basis) == (Change.UPDATED, TimeBasis.RECEIVED)


def test_items_with_one_tracking_number_are_one_shipment() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][1]["TrackingNumber"] = "B"
        document["Items"][2]["TrackingNumber"] = document["Items"][0]["TrackingNumber"]

    made = slots(change)
    assert list(made) == ["order", "shipment-1", "shipment-2"]
    first = made["shipment-1"]
    assert isinstance(first, Shipment)
    assert [line.sku for line in first.items or ()] == [
        "TabletCase-GalaxyNote10.0-Matte",
        "WovenBlanket_50x60",
    ]
    assert made["shipment-2"].meta.entity == "gooten/demo/shipment:B"


def test_an_item_in_several_parcels_is_in_a_shipment_for_each() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][0].update(
            ShipCarrierName="USPS",
            Shipments=[
                {"TrackingNumber": "9400115901344442556597"},
                {"Carrier": "DHL", "TrackingNumber": "D2"},
                {"TrackingNumber": 33},
                {"TrackingNumber": ""},
                "none",
            ],
        )
        document["Items"][1].update(Shipments=[{"TrackingNumber": "D2"}])
        document["Items"][2].update(Shipments={"TrackingNumber": "lost"})

    made = slots(change)
    parcels = [made[f"shipment-{number}"] for number in (1, 2, 3)]
    assert list(made) == ["order", "shipment-1", "shipment-2", "shipment-3"]
    assert [(p.tracking_number, p.carrier, len(p.items)) for p in parcels] == [
        ("9400115901344442556597", "USPS", 1),
        ("D2", "DHL", 2),
        ("33", "USPS", 1),
    ]
    assert parcels[1].meta.entity == "gooten/demo/shipment:D2"


def test_a_parcel_has_the_status_of_its_lines_that_are_not_cancelled() -> None:
    def change(document: dict[str, Any]) -> None:
        number = document["Items"][0]["TrackingNumber"]
        document["Items"][0].update(Status="Shipped")
        document["Items"][1].update(Status="Cancelled", TrackingNumber=number)

    made = slots(change)["shipment-1"]
    assert (made.status, made.status_word) == (ShipmentStatus.SHIPPED, None)


def test_what_an_item_gives_beside_is_kept_but_not_a_free_map() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][0].update(SourceId="s-1", Meta={"gift": "yes"}, Shipments=[])

    (line, *_) = order(change).items or ()
    assert line.attributes["SourceId"] == "s-1"
    assert not [name for name in line.attributes if name.startswith("Meta")]


@pytest.mark.parametrize(
    ("native", "status"),
    [
        ("NEW", ShipmentStatus.NEW),
        ("In Production", ShipmentStatus.IN_PRODUCTION),
        ("delivered", ShipmentStatus.DELIVERED),
        ("Vanished", ShipmentStatus.UNKNOWN),
    ],
)
def test_statuses_are_compared_without_case(native: str, status: ShipmentStatus) -> None:
    made = slots(lambda d: d["Items"][0].update(Status=native))["shipment-1"]
    assert (made.status, made.status_word) == (status, native)


def test_cancelled_items_are_no_goods_of_the_order() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][1].update(
            Status="Billed Refunded", DiscountAmount={"Price": 2.8, "CurrencyCode": "USD"}
        )

    made = order(change)
    assert [line.sku for line in made.items or ()] == [
        "TabletCase-GalaxyNote10.0-Matte",
        "WovenBlanket_50x60",
    ]
    assert (made.items_total, made.discount_total) == (Decimal("70.50"), 0)
    assert made.attributes["items_cancelled"] == "1"
    assert (made.status, made.fulfillment_word) == (OrderStatus.PLACED, "New")


def test_a_total_without_the_cancelled_items_decides_about_prices_too() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][0].update(Quantity=3)
        document["Items"][1].update(Status="Canceled")
        document["Total"]["Price"] = 137.11  # 3 x 25.50 + 45 + 15.61

    made = order(change)
    assert (made.attributes["price_fits"], made.items_total) == ("unit", Decimal("121.50"))


def test_an_order_cancelled_as_a_whole_has_no_goods() -> None:
    def change(document: dict[str, Any]) -> None:
        for item in document["Items"]:
            item["Status"] = "CanceledRefunded"

    made = order(change)
    assert (made.status, made.items, made.items_total) == (OrderStatus.CANCELLED, (), 0)
    assert made.fulfillment_word == "CanceledRefunded"


def test_an_order_is_cancelled_only_if_all_of_it_is() -> None:
    def cancel(count: int) -> OrderStatus:
        def change(document: dict[str, Any]) -> None:
            for item in document["Items"][:count]:
                item["Status"] = "Cancelled"

        return order(change).status

    assert [cancel(count) for count in (0, 2, 3)] == [
        OrderStatus.PLACED,
        OrderStatus.PLACED,
        OrderStatus.CANCELLED,
    ]


@pytest.mark.parametrize(
    ("total", "fits", "items_total"),
    [("159.91", "unit", "144.30"), ("108.91", "line", "93.30"), ("1.00", "neither", None)],
)
def test_the_total_decides_whether_a_price_is_of_a_unit_or_of_a_line(
    total: str, fits: str, items_total: str | None
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][0]["Quantity"] = 3
        document["Total"]["Price"] = float(total)

    made = order(change)
    assert made.attributes["price_fits"] == fits
    assert made.items_total == (items_total and Decimal(items_total))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.pop("Id"), ("invalid-payload", "Id")),
        (
            lambda d: d["Items"][2]["Price"].update(Price="free"),
            ("invalid-payload", "Items[2].Price.Price"),
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(change: Any, expected: tuple[str, str]) -> None:
    assert refused("gooten", "", changed(NAME, change)) == expected


def test_an_item_priced_in_another_currency_has_no_known_price() -> None:
    made = order(lambda d: d["Items"][1]["Price"].update(CurrencyCode="EUR"))
    assert (made.currency, made.items_total) == ("USD", None)
    assert [line.line_total for line in made.items or ()] == [Decimal("25.5"), None, Decimal(45)]
    assert made.attributes["unread:Items[1].Price.CurrencyCode"] == "EUR"


def test_an_item_reduced_in_another_currency_has_no_known_price() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][0]["DiscountAmount"].update(Price=1, CurrencyCode="EUR")

    first, *_ = order(change).items or ()
    assert (first.line_total, first.discount) == (None, None)


def test_shipping_in_another_currency_is_not_given() -> None:
    made = order(lambda d: d["ShippingTotal"].update(CurrencyCode="EUR"))
    assert (made.shipping_total, made.items_total) == (None, Decimal("93.30"))


def test_the_pages_test_button_sends_a_body_without_an_order() -> None:
    assert refused("gooten", "", {"test": True}) == ("invalid-payload", "Id")


def test_a_repeated_sku_is_two_lines_without_ids() -> None:
    def change(document: dict[str, Any]) -> None:
        document["Items"][1].update(Sku=document["Items"][0]["Sku"], Status="Shipped")

    lines = order(change).items or ()
    assert [line.line_id for line in lines] == [None, None, None]
    assert [line.sku for line in lines[:2]] == ["TabletCase-GalaxyNote10.0-Matte"] * 2
    assert [line.status_word for line in lines[:2]] == ["New", "Shipped"]


def test_a_status_that_goes_back_is_an_event_and_the_newest_by_its_arrival() -> None:
    def seen_as(native: str, appended_ms: int) -> tuple[Any, int]:
        made = slots(lambda d: d["Items"][0].update(Status=native), appended_ms=appended_ms)
        return made["shipment-1"].status, made["shipment-1"].meta.version_at

    (first, earlier), (second, later) = seen_as("Delivered", 1000), seen_as("New", 2000)
    assert (first, second) == (ShipmentStatus.DELIVERED, ShipmentStatus.NEW)
    assert earlier < later


def test_items_with_one_status_in_three_spellings_have_one_status_text() -> None:
    def change(document: dict[str, Any]) -> None:
        for item, native in zip(document["Items"], ("New", "NEW", "n e w"), strict=True):
            item["Status"] = native

    assert order(change).fulfillment_word == "New"
    assert order(lambda d: d["Items"][2].update(Status="Shipped")).fulfillment_word is None


def test_blank_address_lines_and_all_that_an_address_says_go_nowhere() -> None:
    made = order()
    assert not [name for name in made.attributes if "Address" in name]
    assert " " not in made.attributes.values()


@pytest.mark.parametrize(
    ("billing", "shipping", "known"),
    [(None, "a@b.example", True), ("a@b.example", None, True), (None, None, False)],
)
def test_a_guest_is_known_by_who_pays_else_by_who_receives(
    billing: str | None, shipping: str | None, known: bool
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["BillingAddress"]["Email"] = billing
        document["ShippingAddress"]["Email"] = shipping

    assert (order(change).customer is not None) == known


def test_an_order_that_names_no_currency_is_in_the_shops() -> None:
    def change(document: dict[str, Any]) -> None:
        for priced in (
            document["Total"],
            document["ShippingTotal"],
            *(item[key] for item in document["Items"] for key in ("Price", "DiscountAmount")),
        ):
            del priced["CurrencyCode"]

    made = order(change, shop={"currency": "EUR"})
    assert (made.currency, made.currency_source) == ("EUR", CurrencySource.SHOP)
    assert order(change).currency is None


def test_an_order_without_items_or_total_has_no_items_total() -> None:
    assert order(lambda d: d.pop("Items")).items is None
    assert order(lambda d: d.pop("Items")).items_total is None
    assert order(lambda d: d.pop("Total")).attributes["price_fits"] == "either"
