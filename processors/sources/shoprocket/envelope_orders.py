"""Orders, payments and carts in Shoprocket's newer envelope."""

from decimal import Decimal
from functools import partial
from typing import Any

from processors.sources.contract import Delivery
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import attributes, merged
from processors.sources.readers.contact import email_hash, reference
from processors.sources.readers.fields import (
    flag,
    identifier,
    mapping,
    names,
    read_rows,
    required_id,
    text,
    units,
)
from processors.sources.readers.times import Moment, micros
from schemas.events import (
    Cart,
    Change,
    CustomerRef,
    LineItem,
    Meta,
    Order,
    OrderStatus,
    Payment,
    PaymentKind,
    PaymentStatus,
)

SETTLED = {
    "order.paid": OrderStatus.PAID,
    "order.cancelled": OrderStatus.CANCELLED,
    "order.deleted": OrderStatus.DELETED,
}
"""Events whose name alone decides the status."""

MONEY_VERBS = names("created paid refunded cancelled deleted")
"""Last parts of event names that serve as the status of an order that gives none."""

STATUSES = {
    "pending": OrderStatus.PENDING,
    "payment_pending": OrderStatus.PENDING,
    "paid": OrderStatus.PAID,
    "partially_refunded": OrderStatus.PARTIALLY_REFUNDED,
    "refunded": OrderStatus.REFUNDED,
    "cancelled": OrderStatus.CANCELLED,
}
_ORDER = names(
    """
    id orderNumber currency totals customer items status fulfillmentStatus createdAt
    updatedAt cartId refund payment email
    """
)
_CART = names("id currency totals customer items createdAt updatedAt email")
_LINE = names("id productId variantId sku productName quantity price subtotal")
_PAYMENT = names("id amount status method currency")


def _money(values: dict[str, Any], key: str, path: str, currency: str | None) -> Decimal | None:
    """Read ``{"amount": 12400, "currency": "GBP"}`` as 124.00."""
    price = mapping(values, key, path)
    code = text(price, "currency", f"{path}{key}.") or currency
    return money.minor(price, "amount", f"{path}{key}.", code)


def _owner(delivery: Delivery, data: dict[str, Any], path: str) -> CustomerRef | None:
    customer = mapping(data, "customer", path)
    inner = f"{path}customer."
    email = text(customer, "email", inner) or text(data, "email", path)
    return reference(
        identifier(customer, "id", inner),
        email_hash(email, delivery.contact_key),
        accepts_marketing=flag(customer, "acceptsMarketing", inner),
    )


def _line(currency: str | None, line: dict[str, Any], path: str) -> LineItem:
    return LineItem(
        line_id=identifier(line, "id", path),
        product_id=identifier(line, "productId", path),
        variant_id=identifier(line, "variantId", path),
        sku=text(line, "sku", path),
        name=text(line, "productName", path),
        quantity=units(line, "quantity", path),
        unit_price=_money(line, "price", path, currency),
        line_total=_money(line, "subtotal", path, currency),
        attributes=attributes(line, _LINE),
    )


def _items_total(
    totals: dict[str, Any], path: str, code: str | None, lines: tuple[LineItem, ...] | None
) -> Decimal | None:
    given = _money(totals, "subtotal", f"{path}totals.", code)
    if given is not None or lines is None:
        return given
    return money.total((line.line_total for line in lines), f"{path}items")


def order(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, kept: dict[str, str]
) -> Order:
    """Build an order. ``kept``: the envelope's attributes."""
    shop = delivery.shop
    code, source = money.currency(data, "currency", path, shop)
    totals = mapping(data, "totals", path)
    lines = read_rows(data, "items", path, partial(_line, code))
    verb = head.source_event.partition(".")[2]
    status_text = text(data, "status", path) or (verb if verb in MONEY_VERBS else None)
    created = micros(data, "createdAt", path, shop)
    if created is None and head.change is Change.CREATED:
        created = head.occurred_at
    settled = SETTLED.get(head.source_event)
    total = _money(totals, "total", f"{path}totals.", code)
    refunded = _money(totals, "refunded", f"{path}totals.", code)
    status = settled or STATUSES.get((status_text or "").lower(), OrderStatus.UNKNOWN)
    if status is OrderStatus.REFUNDED and data.get("status") is None and refunded != total:
        status = OrderStatus.PARTIALLY_REFUNDED  # the event name implies only some refund
    return Order(
        meta=head,
        order_id=required_id(data, "id", path),
        order_number=text(data, "orderNumber", path),
        customer=_owner(delivery, data, path),
        cart_id=identifier(data, "cartId", path),
        status=status,
        status_word=status_text,
        fulfillment_word=text(data, "fulfillmentStatus", path),
        placed_at=created,
        created_at=created,
        updated_at=micros(data, "updatedAt", path, shop),
        cancelled_at=head.occurred_at if settled is OrderStatus.CANCELLED else None,
        items=lines,
        items_total=_items_total(totals, path, code, lines),
        discount_total=_money(totals, "discount", f"{path}totals.", code),
        tax_total=_money(totals, "tax", f"{path}totals.", code),
        shipping_total=_money(totals, "shipping", f"{path}totals.", code),
        total=total,
        refunded_total=refunded,
        currency=code,
        currency_source=source,
        attributes=merged(kept, attributes(data, _ORDER)),
    )


def cart(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, kept: dict[str, str]
) -> Cart:
    """Build an abandoned cart. ``kept``: the envelope's attributes."""
    shop = delivery.shop
    code, source = money.currency(data, "currency", path, shop)
    lines = read_rows(data, "items", path, partial(_line, code))
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


def payment(
    delivery: Delivery, order: Order, data: dict[str, Any], path: str, when: Moment | None
) -> Payment | None:
    """Build the refund or the payment that an order contains, if it has an id."""
    event = order.meta.source_event
    for key, kind, status in (
        ("refund", PaymentKind.REFUND, PaymentStatus.REFUNDED),
        ("payment", PaymentKind.PAYMENT, PaymentStatus.SUCCEEDED),
    ):
        values = mapping(data, key, path)
        inner = f"{path}{key}."
        payment_id = identifier(values, "id", inner)
        if payment_id is None:
            continue
        is_settled = event in ("order.paid", "order.refunded")
        is_priced = type(values.get("amount")) is dict
        return Payment(
            meta=meta.build(
                delivery,
                entity=meta.other_entity(delivery, "payment", payment_id),
                slot="payment",
                event=event,
                change=Change.REPORTED,
                when=when,
                adapter_version=order.meta.adapter_version,
                is_test=order.meta.is_test,
            ),
            payment_id=payment_id,
            kind=kind,
            status=status if is_settled else PaymentStatus.UNKNOWN,
            status_word=text(values, "status", inner),
            order_id=order.order_id,
            customer=order.customer,
            amount=_money(values, "amount", inner, order.currency)
            if is_priced
            else money.minor(values, "amount", inner, order.currency),
            currency=order.currency,
            currency_source=order.currency_source,
            method_word=text(values, "method", inner),
            attributes=attributes(values, _PAYMENT),
        )
    return None
