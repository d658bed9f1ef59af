"""Layers made of canonical events, without a store."""

from collections.abc import Sequence

from schemas.events import Event
from sinks.merge.event_fields import event_fields
from sinks.merge.last_writer import Layer, Layers, merge, version


def merge_record(layers: Sequence[Layer], record: Event) -> Layers:
    """Merge the fields of a canonical event."""
    return merge(layers, version(record.meta), record.meta.event_id, event_fields(record))
