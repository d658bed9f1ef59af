"""Reading a request's body within the limit of bytes in flight."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ingest.http.limits import InFlight
from runtime.bodies.gzip_body import BodyTooLargeError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BusyError(Exception):
    """The bytes in flight have reached their limit."""


class GoneError(Exception):
    """The client disconnected before its body was complete: nothing may be stored."""


class Body:
    """One request's body, counted as bytes in flight until ``release``."""

    __slots__ = ("_in_flight", "held", "whole")

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.held = 0
        self.whole = False

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
        if not self._in_flight.take(size):
            raise BusyError
        self.held += size

    def release(self) -> None:
        """Uncount all bytes of the body."""
        self._in_flight.give(self.held)
        self.held = 0
