"""Spiffy Stores: the meta of its events; what changed, and when."""

from typing import Any

from processors.sources.contract import Delivery
from processors.sources.readers import meta
from processors.sources.readers.times import Moment, moment
from schemas.events import Change, Meta

VERSION = 1
_DELETIONS = frozenset({"delete", "deleted", "destroy"})


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
