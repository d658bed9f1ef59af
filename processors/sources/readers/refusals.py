"""Bad input inside an adapter: raised by the readers, returned as a Reject at its edge."""

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, TypeVar

from schemas.envelopes import Reason, Reject

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

ROOT = "$"
"""The path of the document itself."""

MAX_PATH = 300


class Refused(Exception):  # noqa: N818 - it carries a verdict, it is no error of ours
    """No event can be made of this delivery; ``reject`` says why and where."""

    def __init__(self, reject: Reject) -> None:
        if len(reject.path) > MAX_PATH:  # it travels in a record header
            reject = dataclasses.replace(reject, path=reject.path[: MAX_PATH - 1] + "…")
        super().__init__(f"{reject.reason} at {reject.path}: {reject.detail}")
        self.reject = reject


def malformed(offset: int, detail: str) -> NoReturn:
    """The body does not parse at this byte."""
    raise Refused(Reject(Reason.MALFORMED_BODY, f"@{offset}", detail, stage="parse"))


def unsupported(detail: str) -> NoReturn:
    """The body is in a format that the platform is not known to send."""
    raise Refused(Reject(Reason.UNSUPPORTED_FORMAT, "@0", detail, stage="parse"))


def unknown_event(word: str, path: str) -> NoReturn:
    """The delivery names an event that nobody described."""
    raise Refused(
        Reject(Reason.UNKNOWN_EVENT, path, f"unknown event {word[:200]!r}", stage="parse")
    )


def invalid(path: str, detail: str) -> NoReturn:
    """A field is missing or cannot be what it must be."""
    raise Refused(Reject(Reason.INVALID_PAYLOAD, path or ROOT, detail))


def out_of_range(path: str, detail: str) -> NoReturn:
    """A field is what it must be, but beyond what we can hold."""
    raise Refused(Reject(Reason.OUT_OF_RANGE, path or ROOT, detail))


def refusing_parse(function: Callable[[A], T]) -> Callable[[A], T | Reject]:
    """An adapter's ``parse``, with Refused returned as its Reject."""

    @wraps(function)
    def inner(delivery: A) -> T | Reject:
        try:
            return function(delivery)
        except Refused as refused:
            return refused.reject

    return inner


def refusing_events(function: Callable[[A, B], T]) -> Callable[[A, B], T | Reject]:
    """The same of its ``events``. One of any arguments takes a sixth of a microsecond more."""

    @wraps(function)
    def inner(delivery: A, parsed: B) -> T | Reject:
        try:
            return function(delivery, parsed)
        except Refused as refused:
            return refused.reject

    return inner
