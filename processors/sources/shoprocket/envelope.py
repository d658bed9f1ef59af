"""Shoprocket's newer envelope: an ``evt_`` id, ``createdAt``, amounts in minor units.

Accepted by its shape. ``createdAt`` is the time of the event, so it dates every change.
"""

from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery, Parsed, Rule, Slots
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import attributes, merged
from processors.sources.readers.contact import contact, email_hash, reference
from processors.sources.readers.document import Document
from processors.sources.readers.fields import (
    flag,
    identifier,
    mapping,
    names,
    required_id,
    required_mapping,
    rows,
    text,
    units,
)
from processors.sources.readers.refusals import unknown_event
from processors.sources.readers.times import Moment, micros, moment
from schemas.events import (
    Cart,
    Change,
    Customer,
    CustomerRef,
    LineItem,
    Meta,
    Order,
    OrderStatus,
    Payment,
    PaymentKind,
    PaymentStatus,
)

ORDER_EVENTS = {
    "order.created": (Change.CREATED, None),
    "order.updated": (Change.UPDATED, None),
    "order.paid": (Change.UPDATED, OrderStatus.PAID),
    "order.fulfilled": (Change.UPDATED, None),
    "order.refunded": (Change.UPDATED, None),
    "order.cancelled": (Change.UPDATED, OrderStatus.CANCELLED),
    "order.deleted": (Change.DELETED, OrderStatus.DELETED),
}
"""What happened, and the status where the word alone settles it."""

TELLING = names("created paid refunded cancelled deleted")
"""Words that speak of the order as money, for orders that tell no status of their own."""

OTHER_EVENTS = {
    "cart.abandoned": Change.REPORTED,
    "customer.created": Change.CREATED,
    "customer.updated": Change.UPDATED,
    "customer.deleted": Change.DELETED,
}
EVENTS = frozenset(ORDER_EVENTS) | frozenset(OTHER_EVENTS)
STATUSES = {
    "pending": OrderStatus.PENDING,
    "payment_pending": OrderStatus.PENDING,
    "paid": OrderStatus.PAID,
    "partially_refunded": OrderStatus.PARTIALLY_REFUNDED,
    "refunded": OrderStatus.REFUNDED,
    "cancelled": OrderStatus.CANCELLED,
}
_ENVELOPE = names("type createdAt data livemode")
_ORDER = names(
    """
    id orderNumber currency totals customer items status fulfillmentStatus createdAt
    updatedAt cartId refund payment email
    """
)
_CART = names("id currency totals customer items createdAt updatedAt email")
_LINE = names("id productId variantId sku productName quantity price subtotal")
_PAYMENT = names("id amount status method currency")
_CUSTOMER = names(
    """
    id email firstName lastName name phone acceptsMarketing createdAt updatedAt
    """
)


def is_one(document: Document) -> bool:
    """True if a body is in the newer envelope."""
    told = document.get("id")
    return type(told) is str and told.startswith("evt_")


def parse(document: Document, word: str) -> Parsed:
    """The event's own id changes with every event: the content rule."""
    if word not in ORDER_EVENTS and word not in OTHER_EVENTS:
        unknown_event(word, "type")
    required_mapping(document, "data")
    return Parsed(word, Rule.CONTENT, document)


def events(delivery: Delivery, parsed: Parsed, version: int) -> Slots:
    """``order`` with ``payment`` where one is told; ``cart``; ``customer``."""
    document: Document = parsed.payload
    noun = parsed.event.partition(".")[0]
    data, path = _held(document, noun)
    when = moment(document, "createdAt", "", delivery.shop)
    is_test = document.get("livemode") is False or data.get("livemode") is False
    change = ORDER_EVENTS[parsed.event][0] if noun == "order" else OTHER_EVENTS[parsed.event]
    head = meta.primary(
        delivery,
        slot=noun,
        event=parsed.event,
        change=change,
        when=when,
        adapter_version=version,
        is_test=is_test,
    )
    said = attributes(document, _ENVELOPE, prefix="event.")
    if noun == "cart":
        return {noun: _cart(delivery, head, data, path, said)}
    if noun == "customer":
        return {noun: _customer(delivery, head, data, path, said)}
    order = _order(delivery, head, data, path, said)
    slots: Slots = {noun: order}
    payment = _payment(delivery, parsed.event, order, data, path, when, version)
    if payment is not None:
        slots["payment"] = payment
    return slots


def _held(document: Document, noun: str) -> tuple[dict[str, Any], str]:
    """The object the event is about: ``data`` itself or an object wrapped in it."""
    data = required_mapping(document, "data")
    if "id" not in data:
        for key in (noun, "object"):
            if type(data.get(key)) is dict:
                return required_mapping(data, key, "data."), f"data.{key}."
    return data, "data."


def _money(told: dict[str, Any], key: str, path: str, code: str | None) -> Decimal | None:
    """``{"amount": 12400, "currency": "GBP"}`` -> 124.00."""
    priced = mapping(told, key, path)
    spelled = text(priced, "currency", f"{path}{key}.") or code
    return money.minor(priced, "amount", f"{path}{key}.", spelled)


def _owner(delivery: Delivery, data: dict[str, Any], path: str) -> CustomerRef | None:
    customer = mapping(data, "customer", path)
    inner = f"{path}customer."
    email = text(customer, "email", inner) or text(data, "email", path)
    return reference(
        identifier(customer, "id", inner),
        email_hash(email, delivery.contact_key),
        accepts_marketing=flag(customer, "acceptsMarketing", inner),
    )


def _line(line: dict[str, Any], path: str, code: str | None) -> LineItem:
    return LineItem(
        line_id=identifier(line, "id", path),
        product_id=identifier(line, "productId", path),
        variant_id=identifier(line, "variantId", path),
        sku=text(line, "sku", path),
        name=text(line, "productName", path),
        quantity=units(line, "quantity", path),
        unit_price=_money(line, "price", path, code),
        line_total=_money(line, "subtotal", path, code),
        attributes=attributes(line, _LINE),
    )


def _lines(data: dict[str, Any], path: str, code: str | None) -> tuple[LineItem, ...] | None:
    items = rows(data, "items", path)
    if items is None:
        return None
    return tuple(_line(line, f"{path}items[{i}].", code) for i, line in enumerate(items))


def _items_total(
    totals: dict[str, Any], path: str, code: str | None, lines: tuple[LineItem, ...] | None
) -> Decimal | None:
    told = _money(totals, "subtotal", f"{path}totals.", code)
    if told is not None or lines is None:
        return told
    return money.total((line.line_total for line in lines), f"{path}items")


def _order(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, said: dict[str, str]
) -> Order:
    shop = delivery.shop
    code, source = money.currency(data, "currency", path, shop)
    totals = mapping(data, "totals", path)
    lines = _lines(data, path, code)
    verb = head.source_event.partition(".")[2]
    word = text(data, "status", path) or (verb if verb in TELLING else None)
    created = micros(data, "createdAt", path, shop)
    if created is None and head.change is Change.CREATED:
        created = head.occurred_at
    settled = ORDER_EVENTS[head.source_event][1]
    total = _money(totals, "total", f"{path}totals.", code)
    refunded = _money(totals, "refunded", f"{path}totals.", code)
    status = settled or STATUSES.get((word or "").lower(), OrderStatus.UNKNOWN)
    if status is OrderStatus.REFUNDED and data.get("status") is None and refunded != total:
        status = OrderStatus.PARTIALLY_REFUNDED  # the word says only that there was a refund
    return Order(
        meta=head,
        order_id=required_id(data, "id", path),
        order_number=text(data, "orderNumber", path),
        customer=_owner(delivery, data, path),
        cart_id=identifier(data, "cartId", path),
        status=status,
        status_word=word,
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
        attributes=merged(said, attributes(data, _ORDER)),
    )


def _cart(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, said: dict[str, str]
) -> Cart:
    shop = delivery.shop
    code, source = money.currency(data, "currency", path, shop)
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
        attributes=merged(said, attributes(data, _CART)),
    )


def _customer(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, said: dict[str, str]
) -> Customer:
    return Customer(
        meta=head,
        customer_id=required_id(data, "id", path),
        email_hash=email_hash(text(data, "email", path), delivery.contact_key),
        contact=contact(
            data,
            path,
            first_name="firstName",
            last_name="lastName",
            name="name",
            email="email",
            phone="phone",
        ),
        accepts_marketing=flag(data, "acceptsMarketing", path),
        created_at=micros(data, "createdAt", path, delivery.shop),
        updated_at=micros(data, "updatedAt", path, delivery.shop),
        attributes=merged(said, attributes(data, _CUSTOMER)),
    )


def _payment(
    delivery: Delivery,
    event: str,
    order: Order,
    data: dict[str, Any],
    path: str,
    when: Moment | None,
    version: int,
) -> Payment | None:
    """The payment or refund object in the order, where one with an id is told."""
    for key, kind, status in (
        ("refund", PaymentKind.REFUND, PaymentStatus.REFUNDED),
        ("payment", PaymentKind.PAYMENT, PaymentStatus.SUCCEEDED),
    ):
        told = mapping(data, key, path)
        inner = f"{path}{key}."
        payment_id = identifier(told, "id", inner)
        if payment_id is None:
            continue
        word = text(told, "status", inner)
        is_settled = event in ("order.paid", "order.refunded")
        priced = type(told.get("amount")) is dict
        return Payment(
            meta=meta.secondary(
                delivery,
                "payment",
                payment_id,
                slot="payment",
                event=event,
                change=Change.REPORTED,
                when=when,
                adapter_version=version,
                is_test=order.meta.is_test,
            ),
            payment_id=payment_id,
            kind=kind,
            status=status if is_settled else PaymentStatus.UNKNOWN,
            status_word=word,
            order_id=order.order_id,
            customer=order.customer,
            amount=_money(told, "amount", inner, order.currency)
            if priced
            else money.minor(told, "amount", inner, order.currency),
            currency=order.currency,
            currency_source=order.currency_source,
            method_word=text(told, "method", inner),
            attributes=attributes(told, _PAYMENT),
        )
    return None
