"""Orders and carts in Shoprocket's newer envelope."""

from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery
from processors.sources.readers import money
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.contact import email_hash, reference
from processors.sources.readers.fields import (
    flag,
    goods_id,
    identifier,
    mapping,
    names,
    required_id,
    rows,
    text,
    units,
)
from processors.sources.readers.times import micros
from processors.sources.shoprocket.envelope_money import price, refund_objects, refunds
from processors.sources.shoprocket.lines import without_deleted
from processors.sources.shoprocket.statuses import order_status
from schemas.events import (
    Cart,
    Change,
    CurrencySource,
    CustomerRef,
    LineItem,
    Meta,
    Order,
    OrderStatus,
    PaymentStatus,
    Refund,
)
from schemas.shops import Shop

SETTLED = {
    "order.paid": OrderStatus.PAID,
    "order.cancelled": OrderStatus.CANCELLED,
    "order.deleted": OrderStatus.DELETED,
}
"""Events whose name alone decides the status, unless the payload dates the cancellation."""

MONEY_VERBS = names("paid refunded cancelled deleted")
"""Last parts of event names that serve as the status of an order that gives none."""

_ORDER = KnownFields(
    """
    id orderNumber currency totals customer customerId items status fulfillmentStatus
    createdAt updatedAt cancelledAt deletedAt cartId refund refunds payment email livemode
    """,
    path="data.",
)
_CART = KnownFields(
    """
    id currency totals customer customerId items createdAt updatedAt email
    """,
    path="data.",
)
_LINE = KnownFields(
    """
    id productId variantId sku productName quantity price subtotal deletedAt
    """,
    path="data.items[].",
)


def _owner(delivery: Delivery, data: dict[str, Any], path: str) -> CustomerRef | None:
    customer = mapping(data, "customer", path)
    inner = f"{path}customer."
    email = text(customer, "email", inner) or text(data, "email", path)
    return reference(
        identifier(customer, "id", inner) or identifier(data, "customerId", path),
        email_hash(email, delivery.contact_key),
        accepts_marketing=flag(customer, "acceptsMarketing", inner),
    )


def _lines(data: dict[str, Any], path: str, code: str | None) -> tuple[LineItem, ...] | None:
    given = rows(data, "items", path)
    if given is None:
        return None
    return tuple(_line(code, line, inner) for line, inner in without_deleted(given, f"{path}items"))


def _line(currency: str | None, line: dict[str, Any], path: str) -> LineItem:
    return LineItem(
        line_id=goods_id(line, "id", path),
        product_id=goods_id(line, "productId", path),
        variant_id=goods_id(line, "variantId", path),
        sku=text(line, "sku", path),
        name=text(line, "productName", path),
        quantity=units(line, "quantity", path, signed=True),
        unit_price=price(line, "price", path, currency, signed=True),
        line_total=price(line, "subtotal", path, currency, signed=True),
        attributes=attributes(line, _LINE),
    )


def _items_total(
    totals: dict[str, Any], path: str, code: str | None, lines: tuple[LineItem, ...] | None
) -> Decimal | None:
    given = price(totals, "subtotal", f"{path}totals.", code)
    if given is not None or lines is None:
        return given
    return money.total((line.line_total for line in lines), f"{path}items")


def _currency(data: dict[str, Any], path: str, shop: Shop) -> tuple[str | None, CurrencySource]:
    """Return the payload's currency, or that of its totals, else the shop's."""
    if data.get("currency") in (None, ""):
        totals, inner = mapping(data, "totals", path), f"{path}totals."
        for key in ("total", "subtotal"):
            total = mapping(totals, key, inner)
            if total.get("currency") not in (None, ""):
                return money.currency(total, "currency", f"{inner}{key}.", shop)
    return money.currency(data, "currency", path, shop)


def order(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, kept: dict[str, str]
) -> Order:
    """Build an order. ``kept``: the envelope's attributes."""
    shop = delivery.shop
    code, source = _currency(data, path, shop)
    totals = mapping(data, "totals", path)
    lines = _lines(data, path, code)
    native = order_status(data, "status", "fulfillmentStatus", path)
    total = price(totals, "total", f"{path}totals.", code)
    refunded = price(totals, "refunded", f"{path}totals.", code)
    returned = refunds(refund_objects(data, path), lines, code, shop)
    cancelled = micros(data, "cancelledAt", path, shop)
    status = native.status  # a cancellation with a time is none: a later null takes it back
    if head.source_event != "order.cancelled" or cancelled is None:
        status = _status(head.source_event, native.status, total, refunded, returned)
    verb = head.source_event.partition(".")[2]
    is_named = verb in MONEY_VERBS and status is not OrderStatus.UNKNOWN
    created = micros(data, "createdAt", path, shop)
    if created is None and head.change is Change.CREATED:
        created = head.occurred_at
    if cancelled is None and status in (OrderStatus.CANCELLED, OrderStatus.DELETED):
        cancelled = head.occurred_at
    is_full = "cancelledAt" in data
    is_cleared = cancelled is None and (is_full or _reinstates(head, native.status))
    return Order(
        meta=head,
        order_id=required_id(data, "id", path),
        order_number=text(data, "orderNumber", path),
        customer=_owner(delivery, data, path),
        cart_id=identifier(data, "cartId", path),
        status=status,
        status_word=native.text or (verb if is_named else None),
        fulfillment_word=native.fulfilment,
        placed_at=created,
        created_at=created,
        updated_at=micros(data, "updatedAt", path, shop),
        cancelled_at=cancelled,
        items=lines,
        items_total=_items_total(totals, path, code, lines),
        discount_total=price(totals, "discount", f"{path}totals.", code),
        tax_total=price(totals, "tax", f"{path}totals.", code),
        shipping_total=price(totals, "shipping", f"{path}totals.", code),
        total=total,
        refunded_total=refunded,
        currency=code,
        currency_source=source,
        attributes=merged(native.attributes, kept, attributes(data, _ORDER)),
        refunds=returned,
        cleared=("cancelled_at",) if is_cleared else (),
    )


def _reinstates(head: Meta, native: OrderStatus) -> bool:
    """Return whether a state ends a cancellation: a refund without a status does not."""
    is_named = native not in (OrderStatus.UNKNOWN, OrderStatus.CANCELLED)
    return head.change is Change.UPDATED and (is_named or head.source_event == "order.paid")


def _status(
    event: str,
    native: OrderStatus,
    total: Decimal | None,
    refunded: Decimal | None,
    returned: tuple[Refund, ...] | None,
) -> OrderStatus:
    """Return the status by the event's name, where that is about money, else by its text."""
    if (settled := SETTLED.get(event)) is not None:
        return settled
    is_final = native in (
        OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED, OrderStatus.CANCELLED,
    )  # fmt: skip
    if event != "order.refunded" or is_final:
        return native
    made = [refund for refund in returned or () if refund.status is PaymentStatus.SUCCEEDED]
    if returned and not made and not refunded:
        return native  # a refund that failed or is on its way takes nothing off
    if made and not refunded:  # a total of 0 may be from before the refund
        refunded = money.total((refund.amount for refund in made), "refunds")
    # The name implies only some refund.
    is_all = refunded is not None and refunded == total
    return OrderStatus.REFUNDED if is_all else OrderStatus.PARTIALLY_REFUNDED


def cart(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, kept: dict[str, str]
) -> Cart:
    """Build an abandoned cart. ``kept``: the envelope's attributes."""
    shop = delivery.shop
    code, source = _currency(data, path, shop)
    lines = _lines(data, path, code)
    return Cart(
        meta=head,
        cart_id=required_id(data, "id", path),
        customer=_owner(delivery, data, path),
        abandoned=True,
        created_at=micros(data, "createdAt", path, shop),
        updated_at=micros(data, "updatedAt", path, shop),
        items=lines,
        total=_items_total(mapping(data, "totals", path), path, code, lines),
        currency=code,
        currency_source=source,
        attributes=merged(kept, attributes(data, _CART)),
    )
