"""Spiffy Stores: carts/*, orders/*, customers/* and the customer credit, as JSON or XML.

Only the cart and fragments of the customer credit are published; orders and customers are
read in the style of the platform's wider documentation.
"""

from functools import lru_cache

from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.readers.document import Document, from_json
from processors.sources.readers.fields import names
from processors.sources.readers.refusals import (
    Refused,
    refusing_events,
    refusing_parse,
    unknown_event,
)
from processors.sources.readers.xml import from_xml
from processors.sources.spiffy import carts, customers, orders
from processors.sources.spiffy.common import VERSION
from processors.sources.spiffy.topics import body_shows_event
from schemas.envelopes import Reason, Reject

EVENTS = names(
    """
    carts/create carts/update
    orders/create orders/updated orders/paid orders/partially_paid orders/fulfilled
    orders/partially_fulfilled orders/partially_refunded orders/cancelled orders/delete
    customers/create customers/update customers/enable customers/disable customers/delete
    customer_credits/create customer_credits/update
    """
)
"""The usual names; any other of orders/*, customers/* and customer credits is accepted too."""

MAX_TOPIC = 100
TOPIC = "hookline-event"
"""The path of an unknown event name: the raw record's header, since a header named it."""
_BEFORE_XML = b"\xef\xbb\xbf\x00 \t\r\n"


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """Parse the body, JSON or XML; the topic header names the event."""
    topic = delivery.raw.event
    rule, wrapper = _rule_and_wrapper(topic)
    document = _document(delivery)
    if len(document) == 1 and type(wrapped := document.get(wrapper)) is dict:
        document = wrapped
    return Parsed(topic, rule, document)


@lru_cache(maxsize=256)
def _rule_and_wrapper(topic: str) -> tuple[Rule, str]:
    """Return the dedupe rule, and the name of a single field that may wrap the whole document."""
    noun, _, verb = topic.partition("/")
    is_known = topic in carts.CHANGES or (noun in ("orders", "customers") and verb)
    if not topic:
        detail = "unknown event: the header X-Spiffy-Topic (or X-Spiffy-Stores-Topic) is missing"
        raise Refused(Reject(Reason.UNKNOWN_EVENT, TOPIC, detail, stage="parse"))
    if (not is_known and "credit" not in noun) or len(topic) > MAX_TOPIC or not topic.isprintable():
        unknown_event(topic, TOPIC)
    return Rule.STATE if noun == "carts" else Rule.CONTENT, noun.removesuffix("s")


def _document(delivery: Delivery) -> Document:
    body = delivery.body
    if body[:1] != b"{" and body[:64].lstrip(_BEFORE_XML)[:1] == b"<":
        return from_xml(body)
    return from_json(body)


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``cart``; or ``order`` with its customer and shipments; ``customer``; ``payment``."""
    match parsed.event.partition("/")[0]:
        case "carts":
            return carts.events(delivery, parsed)
        case "orders":
            return orders.events(delivery, parsed)
        case "customers":
            return customers.events(delivery, parsed)
    return customers.credit(delivery, parsed)


ADAPTER = Adapter(VERSION, parse, events, event_names=EVENTS, body_shows_event=body_shows_event)
