"""Gooten (Sensaria hub): one POST per item change, each with the whole order.

The body neither names the event nor dates it. Items have no id, one price and no tax; a parcel
is identified by its tracking number. Cancelled items are no goods of the order.
"""

from typing import Any
from urllib.parse import parse_qs

from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.gooten import orders
from processors.sources.gooten.shipments import shipments
from processors.sources.readers.document import from_json
from processors.sources.readers.fields import MAX_ID, rows
from processors.sources.readers.refusals import out_of_range, refusing_events, refusing_parse

VERSION = 4
EVENT = "order-item-changed"
"""Our own name: the platform has none."""


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """Parse the body; the query's ``orderid`` is an identifier beside those in the body."""
    document = from_json(delivery.body)
    order_id = _query_order(delivery)
    return Parsed(EVENT, Rule.STATE, document, f"orderid={order_id}" if order_id else "")


def _query_order(delivery: Delivery) -> str | None:
    values = parse_qs(delivery.raw.query).get("orderid")
    if values is None:
        return None
    if len(values[-1]) > MAX_ID or not values[-1].isprintable():
        out_of_range("query.orderid", "longer than an id may be, or not printable")
    return values[-1]


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``order``, and ``shipment-1`` … for the tracking numbers in the order of the items."""
    data: dict[str, Any] = parsed.payload
    given = rows(data, "Items")
    items = [(item, f"Items[{index}].") for index, item in enumerate(given or ())]
    currency = orders.currency_of(delivery, data, items)
    fit, lines = orders.read_lines(data, items, currency[0])
    order = orders.order(delivery, parsed, currency, None if given is None else lines, fit, VERSION)
    return {"order": order, **shipments(delivery, order, items, lines)}


ADAPTER = Adapter(VERSION, parse, events, event_names=frozenset({EVENT}))
