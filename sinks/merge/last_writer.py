"""Per-field last writer by version: how several events become one entity's state.

An entity's stored state is its ``layers``: the events that still decide a field, each with
the fields it decides, newest first. Layers hold plain JSON values (decimals as strings), as
the jsonb column that stores them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.events import Change, Meta
from sinks.merge.event_fields import FIRST, Fields

Version = tuple[int, int, int, int, int]
"""(version_at, rank of the change, raw append time, raw partition, raw offset)."""

_RANK = {Change.DELETED: 3, Change.UPDATED: 2, Change.REPORTED: 1, Change.CREATED: 0}


class Layer(NamedTuple):
    """One event's contribution to an entity's state."""

    version: Version
    event_id: str
    fields: Fields


Layers = tuple[Layer, ...]
"""Newest first. The first is the newest event, even where it decides no field."""

Flat = Mapping[str, Any]
"""An entity's fields, shared with its layers: read only."""


def version(meta: Meta) -> Version:
    """Return the event's rank in the total order of its entity: the greater, the newer."""
    return (
        meta.version_at,
        _RANK.get(meta.change, -1),
        meta.raw_appended_at,
        meta.raw_partition,
        meta.raw_offset,
    )


def merge(layers: Sequence[Layer], new: Version, event_id: str, fields: Fields) -> Layers:
    """Merge one more event into a state. Any order and any repetition give the same result.

    A field that is not given is missing from ``fields``; None takes the older value back.
    """
    if not layers:  # the common case
        return (Layer(new, event_id, fields),)
    candidates = sorted(
        (*layers, Layer(new, event_id, fields)), key=lambda layer: layer[:2], reverse=True
    )
    first: dict[str, Any] = {}
    for layer in candidates:
        for name, value in layer.fields.items():
            if name.startswith(FIRST):
                first[name] = min(value, first.get(name, value))
    decided: set[str] = set()
    merged: list[Layer] = []
    for layer in candidates:
        own = {
            name: value
            for name, value in layer.fields.items()
            if name not in decided and (name not in first or value == first[name])
        }
        if own or not merged:
            merged.append(Layer(layer.version, layer.event_id, own))
            decided.update(own)
    return tuple(merged)


def flatten(layers: Sequence[Layer]) -> Flat:
    """Return the entity's state: each field from the newest event that provides it."""
    if len(layers) == 1:
        return layers[0].fields
    return {name: value for layer in layers for name, value in layer.fields.items()}


def load(stored: Iterable[Sequence[Any]]) -> Layers:
    """Build layers from stored JSON: [[version, event_id, fields], ...]."""
    return tuple(
        Layer((at[0], at[1], at[2], at[3], at[4]), event_id, fields)
        for at, event_id, fields in stored
    )
