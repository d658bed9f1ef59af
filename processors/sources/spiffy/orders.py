"""Spiffy Stores: orders/*, in the style of the platform's wider documentation.

No order is published on the page about webhooks. A missing field is not told.
"""

from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import attributes
from processors.sources.readers.fields import (
    flag,
    identifier,
    names,
    required_id,
    rows,
    text,
    units,
)
from processors.sources.readers.times import micros, moment
from processors.sources.spiffy.customers import change_of, embedded, owner, when_of
from schemas.events import (
    Change,
    LineItem,
    Order,
    OrderStatus,
    Shipment,
    ShipmentStatus,
)

STATUSES = {
    "pending": OrderStatus.PENDING,
    "authorized": OrderStatus.PENDING,
    "partially_paid": OrderStatus.PENDING,
    "paid": OrderStatus.PAID,
    "partially_refunded": OrderStatus.PARTIALLY_REFUNDED,
    "refunded": OrderStatus.REFUNDED,
    "voided": OrderStatus.CANCELLED,
}
PARCELS = {
    "cancelled": ShipmentStatus.CANCELLED,
    "delivered": ShipmentStatus.DELIVERED,
    "in_transit": ShipmentStatus.SHIPPED,
    "out_for_delivery": ShipmentStatus.SHIPPED,
    "success": ShipmentStatus.SHIPPED,
}
_ORDER = names(
    """
    id name number order_number email contact_email phone customer buyer_accepts_marketing
    cart_token token checkout_token financial_status fulfillment_status created_at
    updated_at cancelled_at deleted_at line_items shipping_lines fulfillments refunds
    total_price subtotal_price total_tax total_discounts total_line_items_price
    taxes_included currency test billing_address shipping_address note note_attributes
    browser_ip client_details tax_lines landing_site referring_site discount_applications
    payment_details
    """
)
_LINE = names(
    """
    id product_id variant_id sku title name quantity price total_discount gift_card
    properties tax_lines fulfillment_status discount_allocations
    """
)
_PARCEL = names(
    """
    id order_id status shipment_status tracking_number tracking_numbers tracking_url
    tracking_urls tracking_company line_items created_at updated_at receipt destination
    """
)


def events(delivery: Delivery, parsed: Parsed, version: int) -> Slots:
    """``order``; ``customer`` where it has its own version; ``shipment-<n>`` per fulfilment."""
    data: dict[str, Any] = parsed.payload
    order = _order(delivery, parsed, version)
    slots: Slots = {"order": order}
    slots.update(embedded(delivery, parsed, data, version, is_test=order.meta.is_test))
    for index, parcel in enumerate(rows(data, "fulfillments") or ()):
        slot = f"shipment-{index + 1}"
        slots[slot] = _shipment(delivery, order, parcel, f"fulfillments[{index}].", slot)
    return slots


def _order(delivery: Delivery, parsed: Parsed, version: int) -> Order:
    data: dict[str, Any] = parsed.payload
    shop = delivery.shop
    change = change_of(parsed.event.partition("/")[2])
    cancelled = moment(data, "cancelled_at", "", shop)
    updated = moment(data, "updated_at", "", shop)
    when = when_of(delivery, data, change)
    version_at = None
    if parsed.event.endswith("/cancelled") and cancelled is not None:
        when, version_at = cancelled, (updated or cancelled).at
    created = micros(data, "created_at", "", shop)
    lines = _lines(data, "line_items", "")
    currency, source = money.currency(data, "currency", "", shop)
    refunded, refunded_goods = _refunds(data)
    word = text(data, "financial_status")
    return Order(
        meta=meta.primary(
            delivery,
            slot="order",
            event=parsed.event,
            change=change,
            when=when,
            version_at=version_at,
            adapter_version=version,
            is_test=flag(data, "test") is True,
        ),
        order_id=required_id(data, "id"),
        order_number=text(data, "order_number") or text(data, "number") or text(data, "name"),
        customer=owner(delivery, data),
        cart_token=identifier(data, "cart_token"),
        status=_status(change, word, cancelled is not None),
        status_word=word,
        fulfillment_word=text(data, "fulfillment_status"),
        placed_at=created,
        created_at=created,
        updated_at=updated.at if updated else None,
        cancelled_at=cancelled.at if cancelled else None,
        items=lines,
        items_total=_items_total(data, lines),
        discount_total=money.amount(data, "total_discounts"),
        tax_total=money.amount(data, "total_tax"),
        shipping_total=_sum(data, "shipping_lines", "price", ""),
        total=money.amount(data, "total_price"),
        refunded_total=refunded,
        refunded_goods=refunded_goods,
        taxes_included=flag(data, "taxes_included"),
        currency=currency,
        currency_source=source,
        attributes=attributes(data, _ORDER),
    )


def _status(change: Change, word: str | None, is_cancelled: bool) -> OrderStatus:
    if change is Change.DELETED:
        return OrderStatus.DELETED
    if is_cancelled:
        return OrderStatus.CANCELLED
    return STATUSES.get((word or "").lower(), OrderStatus.UNKNOWN)


def _lines(data: dict[str, Any], key: str, path: str) -> tuple[LineItem, ...] | None:
    items = rows(data, key, path)
    if items is None:
        return None
    return tuple(_line(line, f"{path}{key}[{i}].") for i, line in enumerate(items))


def _line(line: dict[str, Any], path: str) -> LineItem:
    price = money.amount(line, "price", path)
    quantity = units(line, "quantity", path)
    return LineItem(
        line_id=identifier(line, "id", path),
        product_id=identifier(line, "product_id", path),
        variant_id=identifier(line, "variant_id", path),
        sku=text(line, "sku", path),
        name=text(line, "title", path) or text(line, "name", path),
        quantity=quantity,
        unit_price=price,
        line_total=money.times(price, quantity, f"{path}price"),
        discount=money.amount(line, "total_discount", path),
        tax=_sum(line, "tax_lines", "price", path),
        is_gift_card=flag(line, "gift_card", path),
        status_word=text(line, "fulfillment_status", path),
        attributes=attributes(line, _LINE),
    )


def _items_total(data: dict[str, Any], lines: tuple[LineItem, ...] | None) -> Decimal | None:
    told = money.amount(data, "total_line_items_price")
    if told is not None or lines is None:
        return told
    return money.total((line.line_total for line in lines), "line_items")


def _sum(data: dict[str, Any], key: str, amount: str, path: str) -> Decimal | None:
    """Sum of an amount over a list; None where the list is not told."""
    told = rows(data, key, path)
    if told is None:
        return None
    return money.total(
        (money.amount(row, amount, f"{path}{key}[{i}].") for i, row in enumerate(told)),
        f"{path}{key}",
    )


def _refunds(data: dict[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """(refunded in all, its goods part): money of successful refunds, values of lines returned."""
    refunds = rows(data, "refunds")
    if refunds is None:
        return None, None
    money_back: list[Decimal | None] = []
    goods: list[Decimal | None] = []
    for index, refund in enumerate(refunds):
        path = f"refunds[{index}]."
        for number, paid in enumerate(rows(refund, "transactions", path) or ()):
            inner = f"{path}transactions[{number}]."
            failed = text(paid, "status", inner) in ("failure", "error", "pending")
            if text(paid, "kind", inner) in (None, "refund") and not failed:
                money_back.append(money.amount(paid, "amount", inner))
        returned = rows(refund, "refund_line_items", path)
        if returned is None:
            goods.append(None)
            continue
        for number, line in enumerate(returned):
            inner = f"{path}refund_line_items[{number}]."
            goods.append(money.amount(line, "subtotal", inner))
    return money.total(money_back, "refunds"), money.total(goods, "refunds")


def _shipment(
    delivery: Delivery, order: Order, parcel: dict[str, Any], path: str, slot: str
) -> Shipment:
    shipment_id = required_id(parcel, "id", path)
    created = micros(parcel, "created_at", path, delivery.shop)
    updated = moment(parcel, "updated_at", path, delivery.shop)
    word = text(parcel, "shipment_status", path) or text(parcel, "status", path)
    return Shipment(
        meta=meta.secondary(
            delivery,
            "shipment",
            shipment_id,
            slot=slot,
            event=order.meta.source_event,
            change=Change.UPDATED,
            when=updated,
            adapter_version=order.meta.adapter_version,
            is_test=order.meta.is_test,
        ),
        shipment_id=shipment_id,
        order_id=order.order_id,
        customer=order.customer,
        status=PARCELS.get((word or "").lower(), ShipmentStatus.UNKNOWN),
        status_word=word,
        tracking_number=text(parcel, "tracking_number", path),
        carrier=text(parcel, "tracking_company", path),
        items=_lines(parcel, "line_items", path),
        created_at=created,
        updated_at=updated.at if updated else None,
        attributes=attributes(parcel, _PARCEL),
    )
