"""Ciklik: subscriptions, orders, payments, boxes, users, consents, abandoned carts.

The URL names the event. ``created`` is an object's creation time on every event, so it dates
a change only where that change is the creation; an update is dated by ``updated_at``, where it is
given. Only updated_subscription's sample has a heading on the platform's page; the events of the
other samples are inferred.
"""

from collections.abc import Callable

from processors.sources.ciklik import customers, orders, subscriptions
from processors.sources.ciklik.common import VERSION
from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.readers.document import Document, from_json
from processors.sources.readers.fields import names
from processors.sources.readers.refusals import refusing_events, refusing_parse, unknown_event
from processors.sources.readers.times import moment

URL_EVENT = "hookline-event"
"""The path of an unknown event name: the raw record's header, since the URL named it."""

CONTENT = names(
    """
    created_checkoutorder created_subscription created_checkouttransaction
    created_checkoutinvoice created_user
    """
)
"""Events whose ``created`` dates the change itself."""

_READERS: dict[str, Callable[[Delivery, Parsed], Slots]] = {
    "subscription": subscriptions.subscription,
    "checkoutorder": orders.order,
    "checkouttransaction": subscriptions.payment,
    "shippingbox": subscriptions.box,
    "address": customers.address,
    "user": customers.customer,
    "optin": customers.consent,
}
_EVENTS: dict[str, Callable[[Delivery, Parsed], Slots]] = {
    **{f"{verb}_{noun}": _READERS[noun] for noun in _READERS for verb in ("created", "updated")},
    "deleted_subscription": subscriptions.subscription,
    "deleted_shippingbox": subscriptions.box,
    "created_checkoutinvoice": subscriptions.payment,
    "abandoned_cart": orders.cart,
}
EVENTS = frozenset(_EVENTS)
"""The 17 event names of the platform's page, and our own for the URL of abandoned carts."""


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """Parse the body; the event's name came with the URL."""
    event = delivery.raw.event
    if event not in _EVENTS:
        unknown_event(event, URL_EVENT)
    document = from_json(delivery.body)
    is_dated = event in CONTENT or _is_dated_update(event, delivery, document)
    return Parsed(event, Rule.CONTENT if is_dated else Rule.STATE, document)


def _is_dated_update(event: str, delivery: Delivery, document: Document) -> bool:
    if not event.startswith("updated_") or event.endswith("_address"):
        return False
    return moment(document, "updated_at", "", delivery.shop) is not None


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build one event, in the slot of its kind."""
    return _EVENTS[parsed.event](delivery, parsed)


ADAPTER = Adapter(VERSION, parse, events, event_names=EVENTS)
