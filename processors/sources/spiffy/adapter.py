"""Spiffy Stores: carts/*, orders/*, customers/* and the customer credit, as JSON or XML.

Only the cart and fragments of the customer credit are published; orders and customers are
read in the style of the platform's wider documentation (``spiffy_orders.py``).
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any

from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import attributes
from processors.sources.readers.document import Document, from_json
from processors.sources.readers.fields import flag, identifier, names, places, rows, text, units
from processors.sources.readers.refusals import (
    invalid,
    refusing_events,
    refusing_parse,
    unknown_event,
)
from processors.sources.readers.xml import from_xml
from processors.sources.spiffy import customers, orders
from schemas.events import Cart, Change, LineItem

VERSION = 1
CARTS = {"carts/create": Change.CREATED, "carts/update": Change.UPDATED}
EVENTS = names(
    """
    carts/create carts/update
    orders/create orders/updated orders/paid orders/partially_paid orders/fulfilled
    orders/partially_fulfilled orders/partially_refunded orders/cancelled orders/delete
    customers/create customers/update customers/enable customers/disable customers/delete
    customer_credits/create customer_credits/update
    """
)
"""Of the open families orders/*, customers/* and customer credits, the usual words."""

MAX_TOPIC = 100
TOPIC = "hookline-event"
"""Where an unknown word stands: the raw record's header."""

_CART = names("id token line_items note attributes")
_LINE = names(
    """
    id key product_id variant_id sku title quantity price original_price line_price
    original_line_price total_discount gift_card properties discounts discounted_price
    """
)


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """The topic header names the event; a customer credit, which has none, is known by shape."""
    topic = delivery.raw.event
    rule, wrapper = _known(topic)
    document = _document(delivery)
    if len(document) == 1 and type(wrapped := document.get(wrapper)) is dict:
        document = wrapped
    return Parsed(topic, rule, document)


@lru_cache(maxsize=256)
def _known(topic: str) -> tuple[Rule, str]:
    """When a body repeats another, and the one field that may hold all of the document."""
    noun, _, verb = topic.partition("/")
    known = topic in CARTS or (noun in ("orders", "customers") and verb)
    if (not known and "credit" not in noun) or len(topic) > MAX_TOPIC or not topic.isprintable():
        unknown_event(topic, TOPIC)
    return Rule.STATE if noun == "carts" else Rule.CONTENT, noun.removesuffix("s")


def _document(delivery: Delivery) -> Document:
    body = delivery.body
    if body[:1] != b"{" and body.lstrip()[:1] == b"<":
        return from_xml(body)
    return from_json(body)


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """``cart``; ``order`` with ``customer`` and ``shipment-<n>``; ``customer``; ``payment``."""
    if parsed.event in CARTS:
        return {"cart": _cart(delivery, parsed)}
    match parsed.event.partition("/")[0]:
        case "orders":
            return orders.events(delivery, parsed, VERSION)
        case "customers":
            return customers.events(delivery, parsed, VERSION)
    return customers.credit(delivery, parsed, VERSION)


def _cart(delivery: Delivery, parsed: Parsed) -> Cart:
    data: dict[str, Any] = parsed.payload
    token = identifier(data, "token")
    cart_id = identifier(data, "id") or token
    if cart_id is None:
        invalid("token", "the identifier is missing")
    lines = None
    total = None
    if (items := rows(data, "line_items")) is not None:
        paths = places("line_items", len(items))
        lines = tuple(map(_line, items, paths))
        total = money.total(map(_value, items, paths), "line_items")
    currency, source = money.currency(data, "currency", "", delivery.shop)
    return Cart(
        meta=meta.primary(
            delivery,
            slot="cart",
            event=parsed.event,
            change=CARTS[parsed.event],
            when=None,
            adapter_version=VERSION,
        ),
        cart_id=cart_id,
        cart_token=token,
        abandoned=False,
        items=lines,
        total=total,
        currency=currency,
        currency_source=source,
        attributes=attributes(data, _CART),
    )


def _value(line: dict[str, Any], path: str) -> Decimal | None:
    """What the line costs now, its discounts taken off."""
    told = money.amount(line, "line_price", path)
    return told if told is not None else money.amount(line, "original_line_price", path)


def _line(line: dict[str, Any], path: str) -> LineItem:
    unit_price = money.amount(line, "original_price", path)
    line_total = money.amount(line, "original_line_price", path)
    return LineItem(
        line_id=identifier(line, "key", path) or identifier(line, "id", path),
        product_id=identifier(line, "product_id", path),
        variant_id=identifier(line, "variant_id", path),
        sku=text(line, "sku", path),
        name=text(line, "title", path),
        quantity=units(line, "quantity", path),
        unit_price=unit_price if unit_price is not None else money.amount(line, "price", path),
        line_total=line_total if line_total is not None else money.amount(line, "line_price", path),
        discount=money.amount(line, "total_discount", path),
        is_gift_card=flag(line, "gift_card", path),
        attributes=attributes(line, _LINE),
    )


ADAPTER = Adapter(VERSION, parse, events, known=EVENTS)
