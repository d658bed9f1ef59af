"""Refusing bad input: readers raise Refused, and the adapter returns it as a Reject."""

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, TypeVar

from processors.sources import notes
from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.personal_ids import with_hashed_ids
from processors.sources.readers.attributes import with_notes
from schemas.envelopes import Reason, Reject

A = TypeVar("A")
T = TypeVar("T")

ROOT = "$"
"""The path of the document itself."""

MAX_PATH = 300


class Refused(Exception):  # noqa: N818 - a verdict on the delivery, not an error of ours
    """No event can be made of this delivery; ``reject`` has the reason and the field path."""

    def __init__(self, reject: Reject) -> None:
        if len(reject.path) > MAX_PATH:  # it travels in a record header
            reject = dataclasses.replace(reject, path=reject.path[: MAX_PATH - 1] + "…")
        super().__init__(f"{reject.reason} at {reject.path}: {reject.detail}")
        self.reject = reject


def malformed(offset: int, detail: str) -> NoReturn:
    """Refuse a body that does not parse at this byte."""
    raise Refused(Reject(Reason.MALFORMED_BODY, f"@{offset}", detail, stage="parse"))


def unsupported(detail: str) -> NoReturn:
    """Refuse a body in a format that the platform is not known to send."""
    raise Refused(Reject(Reason.UNSUPPORTED_FORMAT, "@0", detail, stage="parse"))


def unknown_event(name: str, path: str) -> NoReturn:
    """Refuse a delivery whose event name, found at ``path``, the adapter does not know."""
    if name.strip("/"):
        detail = f"unknown event {name[:200]!r}"
    else:
        detail = f"unknown event: {path} is missing or empty"
    raise Refused(Reject(Reason.UNKNOWN_EVENT, path, detail, stage="parse"))


def invalid(path: str, detail: str) -> NoReturn:
    """Refuse an identifier or amount that is missing or has the wrong type or form."""
    raise Refused(Reject(Reason.INVALID_PAYLOAD, path or ROOT, detail))


def out_of_range(path: str, detail: str) -> NoReturn:
    """Refuse a field whose value is valid but beyond what we can store."""
    raise Refused(Reject(Reason.OUT_OF_RANGE, path or ROOT, detail))


def refusing_parse(function: Callable[[A], T]) -> Callable[[A], T | Reject]:
    """Decorate an adapter's ``parse``: a raised Refused is returned as its Reject."""

    @wraps(function)
    def inner(delivery: A) -> T | Reject:
        try:
            return function(delivery)
        except Refused as refused:
            return refused.reject

    return inner


def refusing_events(
    function: Callable[[Delivery, Parsed], Slots],
) -> Callable[[Delivery, Parsed], Slots | Reject]:
    """Decorate an adapter's ``events`` likewise; the readers' notes become attributes."""
    # Two decorators, not one with *args: packing arguments costs time for every delivery.

    @wraps(function)
    def inner(delivery: Delivery, parsed: Parsed) -> Slots | Reject:
        notes.begin()
        try:
            slots = function(delivery, parsed)
        except Refused as refused:
            return refused.reject
        noted = notes.current()
        if not noted:
            return slots
        if noted.pop(notes.PERSONAL_ID, False):
            slots = with_hashed_ids(slots, delivery.contact_key)
        return with_notes(slots, noted) if noted else slots

    return inner
