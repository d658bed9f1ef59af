"""Notes on what a reader rounded or could not read, which become attributes, and on unknown fields.

The readers add notes while an adapter builds its events; ``refusals.refusing_events`` begins with
none and attaches them to the primary event. Each thread has its own.
"""

import threading
from collections.abc import Sequence
from typing import Any

ROUNDED, UNREAD = "rounded:", "unread:"
"""Prefixes of the attributes' names; the field's path follows."""

MAX_NOTES = 20
"""Notes of one delivery; later ones are left out."""

PERSONAL_ID = "personal-id"
"""The note of ``personal_id``: it becomes no attribute."""


class _State:
    __slots__ = ("unknown", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.unknown: list[tuple[str, Sequence[str]]] = []


class _Notes(threading.local):
    def __init__(self) -> None:
        self.state = _State()  # looked up once for each delivery: a thread's attribute is slow


_notes = _Notes()


def begin() -> None:
    """Forget the notes of the delivery before."""
    state = _notes.state
    if state.values:
        state.values.clear()
    if state.unknown:
        state.unknown.clear()


def current() -> dict[str, Any]:
    """Return the notes since ``begin``: attribute name -> the value as given."""
    return _notes.state.values


def personal_id() -> None:
    """Note that an id is an e-mail address or a telephone number: ``PERSONAL_ID`` is noted."""
    _notes.state.values[PERSONAL_ID] = True


def unknown(path: str, names: Sequence[str]) -> None:
    """Note fields of an object, whose ``path`` ends in a dot, that no adapter's list names."""
    _notes.state.unknown.append((path, names))


def unknown_fields() -> list[tuple[str, Sequence[str]]]:
    """Return the unknown fields since ``begin``: (path of their object, their names)."""
    return _notes.state.unknown


def rounded(path: str, given: Any) -> None:
    """Note that the amount at this path had more than four decimals."""
    _add(ROUNDED + path, given)


def unread(path: str, given: Any) -> None:
    """Note that the field at this path counts as not given, because its value has no such form."""
    _add(UNREAD + path, given)


def _add(name: str, given: Any) -> None:
    values = _notes.state.values
    if len(values) < MAX_NOTES:
        values[name] = given
