"""Per-field last writer by version: how several events become one entity's state.

An entity's stored state is its ``layers``: the events that still decide a field, each with
the fields it decides, newest first. Layers hold plain JSON (decimals as strings), so that
the store keeps them in a jsonb column as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from schemas.events import Change, Event, Meta
from sinks.merge.event_fields import FIRST, Fields, compiled

Version = tuple[int, int, int, int, int]
"""(version_at, rank of the change, raw append time, raw partition, raw offset)."""

_RANK = {Change.DELETED: 3, Change.UPDATED: 2, Change.REPORTED: 1, Change.CREATED: 0}
_TOLD = {record: compiled(record) for record in get_args(Event)}


class Layer(NamedTuple):
    """One event's share of an entity's state."""

    version: Version
    event_id: str
    fields: Fields


Layers = tuple[Layer, ...]
"""Newest first. The first is the newest event, even where it decides no field."""

Flat = Mapping[str, Any]
"""Fields of layers, which are the layers' own: to be read only."""


def version(meta: Meta) -> Version:
    """The event's place in the total order of its entity: the greater, the newer."""
    return (
        meta.version_at,
        _RANK.get(meta.change, -1),
        meta.raw_appended_at,
        meta.raw_partition,
        meta.raw_offset,
    )


def told(record: Event) -> Fields:
    """The fields that a canonical event tells, as JSON values.

    None is not told; neither are an empty ``attributes`` or ``reported``, nor an UNKNOWN
    without the platform's word beside it. The customer's three fields stand flat
    (``customer_id``, ``email_hash``, ``accepts_marketing``). Beside the record's own fields:
    ``deleted`` (unless REPORTED), ``is_test``, ``settings``, ``occurred_at``,
    ``first_occurred_at`` and on a CREATED order ``created_successful_transactions``.
    """
    return _TOLD[type(record)](record)


def merge(layers: Sequence[Layer], new: Version, event_id: str, fields: Fields) -> Layers:
    """The state with one more event in it. Any order and any repetition give the same.

    A field that is not told is missing from ``fields``, never None.
    """
    if not layers:  # as for most entities
        return (Layer(new, event_id, fields),)
    candidates = sorted(
        (*layers, Layer(new, event_id, fields)), key=lambda layer: layer[:2], reverse=True
    )
    first = min(
        (layer.fields[FIRST] for layer in candidates if FIRST in layer.fields), default=None
    )
    decided: set[str] = set()
    merged: list[Layer] = []
    for layer in candidates:
        own = {
            name: value
            for name, value in layer.fields.items()
            if name not in decided and (name != FIRST or value == first)
        }
        if own or not merged:
            merged.append(Layer(layer.version, layer.event_id, own))
            decided.update(own)
    return tuple(merged)


def merge_record(layers: Sequence[Layer], record: Event) -> Layers:
    """``merge`` of what a canonical event tells."""
    return merge(layers, version(record.meta), record.meta.event_id, told(record))


def flatten(layers: Sequence[Layer]) -> Flat:
    """The entity's state: each field as the newest event that tells it says."""
    if len(layers) == 1:
        return layers[0].fields
    return {name: value for layer in layers for name, value in layer.fields.items()}


def load(stored: Iterable[Sequence[Any]]) -> Layers:
    """Layers as read back from JSON: [[version, event_id, fields], ...]."""
    return tuple(
        Layer((at[0], at[1], at[2], at[3], at[4]), event_id, fields)
        for at, event_id, fields in stored
    )
