"""Ciklik: subscriptions, orders, payments, boxes, users, consents, abandoned carts.

The URL names the event. ``created`` dates an object's creation on every event, so it dates
a change only where that change is the creation. Only updated_subscription's sample has a
heading on the page; which event the other samples belong to is inferred.
"""

from collections.abc import Callable
from typing import Any

from processors.sources.ciklik import people, subscriptions
from processors.sources.ciklik.parts import (
    VERSION,
    creation,
    head,
    owner,
    subscription_uuid,
    totals,
)
from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.readers import money
from processors.sources.readers.attributes import attributes
from processors.sources.readers.document import Document, from_json
from processors.sources.readers.fields import identifier, integer, mapping, names, rows, text, units
from processors.sources.readers.refusals import (
    invalid,
    refusing_events,
    refusing_parse,
    unknown_event,
)
from processors.sources.readers.times import micros
from schemas.events import (
    Cart,
    LineItem,
    Order,
    OrderStatus,
)

URL_EVENT = "hookline-event"
"""Where an unknown word stands: the raw record's header."""

CONTENT = names(
    """
    created_checkoutorder created_subscription created_checkouttransaction
    created_checkoutinvoice created_user
    """
)
"""Events whose ``created`` dates the change itself."""

STATUSES = {
    "completed": OrderStatus.COMPLETED,
    "pending": OrderStatus.PENDING,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,
    "refunded": OrderStatus.REFUNDED,
}
"""Only ``completed`` is published; another word is UNKNOWN and kept."""

_CART = names("cart_id id user_id first_name last_name phone email created")
_ORDER = names(
    """
    order_id user_id first_name last_name phone email status created created_at items
    total_tax_paid total_discount_inc total_paid total_shipping_paid subscription_uuid
    comments revenue refunded customerRevenue customerRefund totalTransactionsSuccess
    subTransactionsSuccess next_billing
    """
)
_LINE = names("id price quantity name")


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """The raw record's event word, from the URL, names the event."""
    word = delivery.raw.event
    if word not in _EVENTS:
        unknown_event(word, URL_EVENT)
    document = from_json(delivery.body)
    rule = Rule.CONTENT if word in CONTENT else Rule.STATE
    return Parsed(word, rule, document)


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """One event, in the slot of its kind."""
    return _EVENTS[parsed.event](delivery, parsed)


def _cart(delivery: Delivery, parsed: Parsed) -> Slots:
    """Already abandoned when told; ``created`` is the cart's creation, ``item`` text."""
    data: Document = parsed.payload
    currency, source = money.of_shop(delivery.shop)
    cart_id = identifier(data, "cart_id") or identifier(data, "id")
    if cart_id is None:
        invalid("cart_id", "the identifier is missing")
    cart = Cart(
        meta=head(delivery, parsed, "cart", None)[0],
        cart_id=cart_id,
        customer=owner(delivery, data),
        abandoned=True,
        created_at=micros(data, "created", "", delivery.shop),
        currency=currency,
        currency_source=source,
        attributes=attributes(data, _CART),
    )
    return {"cart": cart}


def _order(delivery: Delivery, parsed: Parsed) -> Slots:
    data: Document = parsed.payload
    created = creation(data, delivery)
    items = rows(data, "items")
    lines = None
    if items is not None:
        lines = tuple(_line(line, f"items[{i}].") for i, line in enumerate(items))
    order_id = identifier(data, "order_id") or identifier(data, "id")
    if order_id is None:
        invalid("order_id", "the identifier is missing")
    word = text(data, "status")
    currency, source = money.of_shop(delivery.shop)
    order = Order(
        meta=head(delivery, parsed, "order", created)[0],
        order_id=order_id,
        customer=owner(delivery, data),
        subscription_id=subscription_uuid(data),
        status=STATUSES.get((word or "").lower(), OrderStatus.UNKNOWN),
        status_word=word,
        placed_at=created.at if created else None,
        created_at=created.at if created else None,
        items=lines,
        items_total=money.total((line.line_total for line in lines), "items")
        if lines is not None
        else None,
        discount_total=money.amount(data, "total_discount_inc"),
        tax_total=money.amount(data, "total_tax_paid"),
        shipping_total=money.amount(data, "total_shipping_paid"),
        paid_total=money.amount(data, "total_paid"),
        currency=currency,
        currency_source=source,
        successful_transactions=integer(data, "subTransactionsSuccess"),
        next_billing_at=micros(data, "next_billing", "", delivery.shop),
        reported=totals(delivery, data),
        attributes=attributes(data, _ORDER),
    )
    return {"order": order}


def _line(line: dict[str, Any], path: str) -> LineItem:
    """``tax`` stands on two levels, amount or rate: it is kept as told."""
    price = money.amount(line, "price", path)
    quantity = units(line, "quantity", path)
    orderable = mapping(line, "orderable", path)
    return LineItem(
        line_id=identifier(line, "id", path),
        product_id=identifier(orderable, "id", f"{path}orderable."),
        name=text(line, "name", path),
        quantity=quantity,
        unit_price=price,
        line_total=money.times(price, quantity, f"{path}price"),
        attributes=attributes(line, _LINE),
    )


_READERS: dict[str, Callable[[Delivery, Parsed], Slots]] = {
    "subscription": subscriptions.subscription,
    "checkoutorder": _order,
    "checkouttransaction": subscriptions.payment,
    "shippingbox": subscriptions.box,
    "address": people.address,
    "user": people.customer,
    "optin": people.consent,
}
_EVENTS: dict[str, Callable[[Delivery, Parsed], Slots]] = {
    **{f"{verb}_{noun}": _READERS[noun] for noun in _READERS for verb in ("created", "updated")},
    "deleted_subscription": subscriptions.subscription,
    "deleted_shippingbox": subscriptions.box,
    "created_checkoutinvoice": subscriptions.payment,
    "abandoned_cart": _cart,
}
EVENTS = frozenset(_EVENTS)
"""The 17 event keys of the page, and our word for the URL of abandoned carts."""

ADAPTER = Adapter(VERSION, parse, events, known=EVENTS)
