"""The contract of an adapter: what it receives and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from schemas.envelopes import Reject
from schemas.events import Event
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop


class Rule(StrEnum):
    """When an equal body counts as a repeat (``processors/dedupe.py``)."""

    CONTENT = "content"  # the body has a time or number that changes with every change
    STATE = "state"  # it has none: only a body equal to the entity's latest, soon after it


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A delivery as an adapter receives it: the raw record, its shop, the decompressed body.

    ``contact_key`` keys the hash of e-mail addresses.
    """

    raw: RawDelivery
    shop: Shop
    body: bytes
    contact_key: bytes


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A body that was parsed and has a known event.

    ``event`` is the platform's own event name. ``payload`` is the adapter's parsed document.
    ``query_identifiers`` holds ids from the URL's query; it is part of the digest.
    """

    event: str
    rule: Rule
    payload: Any
    query_identifiers: str = ""


Slots = dict[str, Event]
"""Slot name -> event, the primary one first. Never empty."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A platform's adapter: ``parse``, then ``events``, both pure functions.

    Bad input is a returned Reject; an exception is a bug and becomes ``internal-error``.
    ``version`` goes up with every change of the events. ``event_names``: the events that it
    accepts (of an open family the usual ones); each has an example. ``body_shows_event``: whether
    the body itself shows the change that its event names, asked where it came as another event.
    """

    version: int
    parse: Callable[[Delivery], Parsed | Reject]
    events: Callable[[Delivery, Parsed], Slots | Reject]
    event_names: frozenset[str] = frozenset()
    body_shows_event: Callable[[Parsed], bool] = lambda _: True
