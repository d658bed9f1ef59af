"""How much of each event no canonical field holds: what shows that a platform has changed."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from processors.sources.contract import Adapter, Delivery, Parsed, Slots
from schemas.envelopes import Reject
from schemas.events import Cart, Event, Order
from schemas.keys import slug

_LINED = (Cart, Order)
"""Events that have lines of their own."""
OTHER = "other"
"""Stands for the words of an open family that are not among the usual ones."""


class UnknownFields:
    """How many fields were kept as attributes, by source and event, since it was last asked."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}

    def counting(self, source: str, adapter: Adapter) -> Adapter:
        """The same adapter; what it keeps as attributes is counted."""
        labels = {word: slug(word) for word in adapter.known}
        counts = self._counts[source] = defaultdict[str, int](int)
        events = adapter.events

        def counted(delivery: Delivery, parsed: Parsed) -> Slots | Reject:
            slots = events(delivery, parsed)
            if type(slots) is dict:
                label = labels.get(parsed.event, OTHER)
                for event in slots.values():
                    counts[label] += kept(event)
            return slots

        return replace(adapter, events=counted)

    def taken(self) -> Iterator[tuple[str, str, int]]:
        """(source, event's slug, fields) of what came; they are here no more."""
        for source, counts in self._counts.items():
            for label, count in counts.items():
                yield source, label, count
            counts.clear()


def kept(event: Event) -> int:
    """The attributes of an event and of its lines; a shipment only repeats its order's."""
    count = len(event.attributes)
    if isinstance(event, _LINED):
        for line in event.items or ():
            count += len(line.attributes)
    return count
