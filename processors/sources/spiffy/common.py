"""Spiffy Stores: the meta of its events; what changed, and when."""

from typing import Any

from processors.sources.contract import Delivery
from processors.sources.readers import meta
from processors.sources.readers.fields import flag, row_paths, rows
from processors.sources.readers.times import Moment, moment
from schemas.events import Change, Meta

VERSION = 5
_DELETIONS = frozenset({"delete", "deleted", "destroy"})
_REMOVED_AT = ("deleted_at", "removed_at")
_REMOVED = ("deleted", "removed", "is_deleted", "is_removed")
_UNITS_LEFT = ("current_quantity", "fulfillable_quantity")
_REMOVAL = frozenset({*_REMOVED_AT, *_REMOVED, *_UNITS_LEFT})
_ZERO = (0, "0")


def head(
    delivery: Delivery, event: str, slot: str, change: Change, when: Moment | None, **more: Any
) -> Meta:
    """Build the meta of an event; ``more``: other arguments of ``meta.build``."""
    return meta.build(
        delivery,
        slot=slot,
        event=event,
        change=change,
        when=when,
        adapter_version=VERSION,
        **more,
    )


def change_of(verb: str) -> Change:
    """Return the change that the last part of a topic implies: orders/paid is an update."""
    if verb in ("create", "created"):
        return Change.CREATED
    return Change.DELETED if verb in _DELETIONS else Change.UPDATED


def when_of(delivery: Delivery, data: dict[str, Any], change: Change) -> Moment | None:
    """Return the time of that change; a deletion's own updated_at is of the update before it."""
    if change is Change.DELETED:
        return moment(data, "deleted_at", "", delivery.shop)
    key = "created_at" if change is Change.CREATED else "updated_at"
    return moment(data, key, "", delivery.shop)


def given_lines(values: dict[str, Any], path: str = "") -> list[tuple[dict[str, Any], str]] | None:
    """Return ``line_items`` with their paths, removed ones left out; None where not given."""
    lines = rows(values, "line_items", path)
    if lines is None:
        return None
    paths = row_paths(f"{path}line_items", len(lines))
    return [
        (line, paths[number])
        for number, line in enumerate(lines)
        if line.keys().isdisjoint(_REMOVAL) or not _is_removed(line, paths[number])
    ]


def _is_removed(line: dict[str, Any], path: str) -> bool:
    """Return whether a line with a field of ``_REMOVAL`` gives its removal.

    Zero units alone are none, nor are units returned, which lower ``current_quantity`` too.
    """
    if any(line.get(key) for key in _REMOVED_AT):
        return True
    if line.get("quantity") in _ZERO and any(line.get(key) in _ZERO for key in _UNITS_LEFT):
        return True
    return any(flag(line, key, path) for key in _REMOVED)
