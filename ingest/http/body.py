"""Reading a request's body within the limit of bytes in flight."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ingest.http.limits import InFlight
from ingest.http.unproved import Unproved, Waiting
from runtime.bodies.gzip_body import BodyTooLargeError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BusyError(Exception):
    """The bytes in flight have reached their limit."""


class GoneError(Exception):
    """The client disconnected before its body was complete: nothing may be stored."""


class Body:
    """One request's body, counted as bytes in flight until ``release``.

    ``await_proof`` counts it among the unproved too, until ``release`` or ``proof_is_next``.
    """

    __slots__ = ("_in_flight", "_task", "_unproved", "_waiting", "gave_way", "held", "whole")

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._unproved: Unproved | None = None
        self._waiting: Waiting | None = None
        self._task: asyncio.Task[object] | None = None
        self.held = 0
        self.whole = False
        self.gave_way = False

    def await_proof(self, unproved: Unproved, address: str | None) -> None:
        """Count it as unproved. Where it gives way to another, the current task is cancelled."""
        self._unproved = unproved
        self._task = asyncio.current_task()
        self._waiting = unproved.enter(address, self._give_way)

    def _give_way(self) -> None:
        self.gave_way = True
        task = self._task
        self.release()
        if task is not None:
            task.cancel()

    def proof_is_next(self) -> None:
        """End the wait for a signature: all of the body is here."""
        if self._unproved is not None and self._waiting is not None:
            self._unproved.leave(self._waiting)
            self._unproved = self._waiting = self._task = None

    async def read(self, receive: Receive, limit: int) -> bytes:
        """Return the body as received.

        Raises BodyTooLargeError, BusyError or GoneError. The caller sets a deadline.
        """
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            self.whole = not message.get("more_body", False)
            if size > limit:
                raise BodyTooLargeError
            self.hold(len(chunk))
            if self.whole and not chunks:
                return chunk
            chunks.append(chunk)
            if self.whole:
                return b"".join(chunks)

    def hold(self, size: int) -> None:
        """Count more bytes. Raises BusyError at the limit."""
        unproved, waiting = self._unproved, self._waiting
        if unproved is not None and waiting is not None and not unproved.take(waiting, size):
            raise BusyError
        if not self._in_flight.take(size):
            raise BusyError
        self.held += size

    def release(self) -> None:
        """Uncount all bytes of the body."""
        self.proof_is_next()
        self._in_flight.give(self.held)
        self.held = 0
