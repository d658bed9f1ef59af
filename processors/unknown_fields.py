"""How much of each event no canonical field holds: what shows that a platform has changed."""

from collections import Counter
from dataclasses import replace

from processors.sources.contract import Adapter, Delivery, Parsed, Slots
from schemas.envelopes import Reject
from schemas.events import Cart, Event, Order
from schemas.keys import slug

_LINED = (Cart, Order)
"""Events that have lines of their own."""
OTHER = "other"
"""Stands for the words of an open family that are not among the usual ones."""

Counts = Counter[tuple[str, str]]
"""(source, event's slug) -> fields kept as attributes, since it was last emptied."""


def counting(source: str, adapter: Adapter, counts: Counts) -> Adapter:
    """The same adapter; what it keeps as attributes is added to ``counts``."""
    labels = {word: (source, slug(word)) for word in adapter.known}
    other = (source, OTHER)
    events = adapter.events

    def counted(delivery: Delivery, parsed: Parsed) -> Slots | Reject:
        slots = events(delivery, parsed)
        if type(slots) is dict:
            count = 0
            for event in slots.values():
                count += kept(event)
            counts[labels.get(parsed.event, other)] += count
        return slots

    return replace(adapter, events=counted)


def kept(event: Event) -> int:
    """The attributes of an event and of its lines; a shipment only repeats its order's."""
    count = len(event.attributes)
    if isinstance(event, _LINED):
        for line in event.items or ():
            count += len(line.attributes)
    return count
