"""Batches as aiokafka's producer hands them out, with what is appended within reach."""

from typing import Any

ROOM = 10_000
"""Bytes of values that a batch takes, beside its first record."""


class Batch:
    """Takes records until it is full or closed."""

    def __init__(self, room: int = ROOM) -> None:
        self.records: list[dict[str, Any]] = []
        self.is_closed = False
        self._room = room

    def append(self, **said: Any) -> object | None:
        """Something, or None where the record has no room."""
        if self.is_closed or (self.records and len(said["value"]) > self._room):
            return None
        self._room -= len(said["value"])
        self.records.append(said)
        return said

    def close(self) -> None:
        """Take nothing more."""
        self.is_closed = True
