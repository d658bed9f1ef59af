"""Counts fields that an adapter does not know, and amounts that were rounded to four decimals."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from processors.sources import notes
from processors.sources.contract import Adapter, Delivery, Parsed, Slots
from schemas.envelopes import Reject
from schemas.keys import slug

OTHER = "other"
"""Label of event names that an adapter takes without listing them."""


class UnknownFields:
    """Counts unknown fields and rounded amounts, by source and event, until taken."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}
        self._rounded: dict[str, dict[str, int]] = {}

    def counting(self, source: str, adapter: Adapter) -> Adapter:
        """Wrap an adapter so that the fields it does not know or rounds are counted."""
        labels = {name: slug(name) for name in adapter.event_names}
        counts = self._counts[source] = defaultdict[str, int](int)
        rounded = self._rounded[source] = defaultdict[str, int](int)
        events = adapter.events

        def counted(delivery: Delivery, parsed: Parsed) -> Slots | Reject:
            slots = events(delivery, parsed)
            if type(slots) is dict:
                label = labels.get(parsed.event, OTHER)
                if unknown := notes.unknown_fields():
                    counts[label] += sum(len(names) for _, names in unknown)
                if noted := notes.current():
                    rounded[label] += sum(name.startswith(notes.ROUNDED) for name in noted)
            return slots

        return replace(adapter, events=counted)

    def take(self) -> Iterator[tuple[str, str, int]]:
        """Yield (source, slug of the event name, fields) and reset the counts."""
        return _taken(self._counts)

    def take_rounded(self) -> Iterator[tuple[str, str, int]]:
        """Yield (source, slug of the event name, rounded amounts) and reset the counts."""
        return _taken(self._rounded)


def _taken(by_source: dict[str, dict[str, int]]) -> Iterator[tuple[str, str, int]]:
    for source, counts in by_source.items():
        for label, count in counts.items():
            yield source, label, count
        counts.clear()
