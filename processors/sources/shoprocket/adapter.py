"""Shoprocket: order.*, customer.* and cart.*, in the older format and in the newer envelope."""

from processors.sources.contract import Adapter, Delivery, Parsed, Slots
from processors.sources.readers.document import from_json
from processors.sources.readers.fields import text
from processors.sources.readers.refusals import refusing_events, refusing_parse
from processors.sources.shoprocket import envelope, older_format

VERSION = 5


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """Parse the body: its ``type`` names the event, an ``evt_`` id marks the newer envelope."""
    document = from_json(delivery.body)
    event = text(document, "type") or ""
    if envelope.is_envelope(document):
        return envelope.parse(document, event)
    return older_format.parse(document, event, delivery.shop)


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``order`` and ``payment``, ``cart`` or ``customer``."""
    if envelope.is_envelope(parsed.payload):
        return envelope.events(delivery, parsed, VERSION)
    return older_format.events(delivery, parsed, VERSION)


ADAPTER = Adapter(VERSION, parse, events, event_names=older_format.EVENTS | envelope.EVENTS)
