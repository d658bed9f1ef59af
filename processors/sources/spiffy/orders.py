"""Spiffy Stores: orders/* and their shipments, after the platform's wider documentation.

The page about webhooks has no sample of an order. A missing field counts as not given.
"""

from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import money
from processors.sources.readers.attributes import MAX_LENGTH, KnownFields, attributes, merged
from processors.sources.readers.fields import (
    flag,
    goods_id,
    identifier,
    read_rows,
    required_id,
    rows,
    text,
    units,
)
from processors.sources.readers.meta import other_entity
from processors.sources.readers.times import micros, moment
from processors.sources.spiffy.common import change_of, given_lines, head, when_of
from processors.sources.spiffy.customers import embedded, owner
from processors.sources.spiffy.refunds import refunds
from processors.sources.spiffy.statuses import order_status, parcel_status
from schemas.events import Change, LineItem, Order, OrderStatus, Shipment

CLEARED = {"cancelled_at": "cancelled_at", "fulfillment_status": "fulfillment_word"}
"""Fields that a later state may give as null -> the canonical fields that are then empty.

``cart_token`` is none of them: an order does not lose the cart that it came from.
"""
_FIRST = frozenset({"discount_codes", "gateway"})
_GATEWAY = KnownFields("", kept="gateway")
_ORDER = KnownFields(
    """
    id name number order_number email contact_email phone customer buyer_accepts_marketing
    cart_token token checkout_token financial_status fulfillment_status created_at
    updated_at cancelled_at deleted_at line_items shipping_lines fulfillments refunds
    total_price subtotal_price total_tax total_discounts total_line_items_price
    taxes_included currency test billing_address shipping_address note note_attributes
    browser_ip client_details tax_lines landing_site referring_site discount_applications
    payment_details tags
    """,
    kept="""
    discount_codes.code discount_codes.amount discount_codes.type gateway cancel_reason
    """,
)
_LINE = KnownFields(
    """
    id product_id variant_id sku title name quantity price total_discount gift_card
    properties tax_lines fulfillment_status discount_allocations
    """,
    kept="grams vendor",
    path="line_items[].",
)
_PARCEL = KnownFields(
    """
    id order_id status shipment_status tracking_number tracking_numbers tracking_url
    tracking_urls tracking_company line_items created_at updated_at receipt destination
    """,
    path="fulfillments[].",
)


def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``order``, ``customer`` if it has its own updated_at, a shipment per fulfilment."""
    data: dict[str, Any] = parsed.payload
    order = _order(delivery, parsed)
    slots: Slots = {"order": order}
    slots.update(embedded(delivery, parsed, data, is_test=order.meta.is_test))
    for index, parcel in enumerate(rows(data, "fulfillments") or ()):
        slot = f"shipment-{index + 1}"
        slots[slot] = _shipment(delivery, order, parcel, f"fulfillments[{index}].", slot)
    return slots


def _order(delivery: Delivery, parsed: Parsed) -> Order:
    data: dict[str, Any] = parsed.payload
    shop = delivery.shop
    change = change_of(parsed.event.partition("/")[2])
    cancelled = moment(data, "cancelled_at", "", shop)
    updated = micros(data, "updated_at", "", shop)
    when = when_of(delivery, data, change)
    if parsed.event.endswith("/cancelled") and cancelled is not None:
        when = cancelled
    created = micros(data, "created_at", "", shop)
    lines = _lines(data)
    currency, source = money.currency(data, "currency", "", shop)
    return Order(
        meta=head(
            delivery,
            parsed.event,
            "order",
            change,
            when,
            state_at=None if change is Change.DELETED else updated,
            is_test=flag(data, "test") is True,
        ),
        order_id=required_id(data, "id"),
        order_number=text(data, "order_number") or text(data, "number") or text(data, "name"),
        customer=owner(delivery, data),
        cart_token=identifier(data, "cart_token"),
        status=_status(change, parsed.event, data),
        status_word=text(data, "financial_status"),
        fulfillment_word=text(data, "fulfillment_status"),
        placed_at=created,
        created_at=created,
        updated_at=updated,
        cancelled_at=cancelled.at if cancelled else None,
        items=lines,
        items_total=_items_total(data, lines),
        discount_total=money.amount(data, "total_discounts"),
        tax_total=money.amount(data, "total_tax"),
        shipping_total=_sum(data, "shipping_lines", "price", ""),
        total=money.amount(data, "total_price"),
        taxes_included=flag(data, "taxes_included"),
        currency=currency,
        currency_source=source,
        attributes=merged(_kept(data), attributes(data, _ORDER)),
        refunds=refunds(data, lines, currency, shop),
        cleared=_cleared(data, change),
    )


def _status(change: Change, event: str, data: dict[str, Any]) -> OrderStatus:
    """Return the status by the payload; by the event's name where that alone is given.

    A cancellation with a time is no status: a later null of that time takes it back.
    """
    if change is Change.DELETED:
        return OrderStatus.DELETED
    if event.endswith("/cancelled") and "cancelled_at" not in data:
        return OrderStatus.CANCELLED
    return order_status(text(data, "financial_status"))


def _cleared(data: dict[str, Any], change: Change) -> tuple[str, ...]:
    if change is Change.DELETED:
        return ()
    return tuple([name for key, name in CLEARED.items() if data.get(key, ...) in (None, "")])


def _kept(data: dict[str, Any]) -> dict[str, str]:
    """Return the discount codes as one text, separated by commas, and the gateway.

    They come first, so that the bound on attributes never leaves them out.
    """
    if _FIRST.isdisjoint(data):
        return {}
    given = data.get("discount_codes")
    items = given if type(given) is list else [given]
    codes = [item.get("code") if type(item) is dict else item for item in items]
    listed = ",".join([code for code in codes if type(code) is str and code and "@" not in code])
    kept = {"discount_codes": listed[:MAX_LENGTH]} if listed else {}
    return kept | attributes({"gateway": data.get("gateway")}, _GATEWAY)


def _lines(values: dict[str, Any], path: str = "") -> tuple[LineItem, ...] | None:
    given = given_lines(values, path)
    return None if given is None else tuple([_line(line, where) for line, where in given])


def _line(line: dict[str, Any], path: str) -> LineItem:
    price = money.amount(line, "price", path, signed=True)
    quantity = units(line, "quantity", path, signed=True)
    return LineItem(
        line_id=goods_id(line, "id", path),
        product_id=goods_id(line, "product_id", path),
        variant_id=goods_id(line, "variant_id", path),
        sku=text(line, "sku", path),
        name=text(line, "title", path) or text(line, "name", path),
        quantity=quantity,
        unit_price=price,
        line_total=money.times(price, quantity, f"{path}price"),
        discount=money.amount(line, "total_discount", path, signed=True),
        tax=_sum(line, "tax_lines", "price", path),
        is_gift_card=flag(line, "gift_card", path),
        status_word=text(line, "fulfillment_status", path),
        attributes=attributes(line, _LINE),
    )


def _items_total(data: dict[str, Any], lines: tuple[LineItem, ...] | None) -> Decimal | None:
    given = money.amount(data, "total_line_items_price")
    if given is not None or lines is None:
        return given
    return money.total((line.line_total for line in lines), "line_items")


def _sum(data: dict[str, Any], key: str, amount: str, path: str) -> Decimal | None:
    """Sum an amount over a list; None where the list is not given."""
    amounts = read_rows(
        data, key, path, lambda row, row_path: money.amount(row, amount, row_path, signed=True)
    )
    return None if amounts is None else money.total(amounts, f"{path}{key}")


def _shipment(
    delivery: Delivery, order: Order, parcel: dict[str, Any], path: str, slot: str
) -> Shipment:
    shipment_id = required_id(parcel, "id", path)
    created = micros(parcel, "created_at", path, delivery.shop)
    updated = moment(parcel, "updated_at", path, delivery.shop)
    status = text(parcel, "shipment_status", path) or text(parcel, "status", path)
    return Shipment(
        meta=head(
            delivery,
            order.meta.source_event,
            slot,
            Change.UPDATED,
            updated,
            entity=other_entity(delivery, "shipment", shipment_id),
            is_test=order.meta.is_test,
        ),
        shipment_id=shipment_id,
        order_id=order.order_id,
        customer=order.customer,
        status=parcel_status(status),
        status_word=status,
        tracking_number=text(parcel, "tracking_number", path),
        carrier=text(parcel, "tracking_company", path),
        items=_lines(parcel, path),
        created_at=created,
        updated_at=updated.at if updated else None,
        attributes=attributes(parcel, _PARCEL),
    )
