"""What an adapter is given and what it gives: one platform = one file with these two functions."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from schemas.envelopes import RawDelivery, Reject
from schemas.events import Event
from schemas.shops import Shop


class Rule(StrEnum):
    """When an equal body is a repeat (``dedupe.py``)."""

    CONTENT = "content"  # the body carries a time or number that changes with every change
    STATE = "state"  # it does not: only a repeat of the entity's latest state, soon after it


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A delivery as an adapter sees it: the raw record, its shop, the inflated body.

    ``contact_key`` keys the hash of e-mail addresses.
    """

    raw: RawDelivery
    shop: Shop
    body: bytes
    contact_key: bytes


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """A body that parsed and names a known event.

    ``event`` is the platform's own word. ``query_identifiers`` is what the query tells of the
    entity, part of the digest. ``payload`` is the adapter's own typed document.
    """

    event: str
    rule: Rule
    payload: Any
    query_identifiers: str = ""


Slots = dict[str, Event]
"""Slot name -> event, the primary one first. Never empty."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A platform: ``parse`` then ``events``, both pure.

    Bad input is a returned Reject; an exception is a bug and becomes ``internal-error``.
    ``version`` goes up with every change of what the adapter gives. ``known``: the event words
    that it takes, of an open family the usual ones; each has an example.
    """

    version: int
    parse: Callable[[Delivery], Parsed | Reject]
    events: Callable[[Delivery, Parsed], Slots | Reject]
    known: frozenset[str] = frozenset()
