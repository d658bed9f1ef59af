"""A request's body, read with memory flat."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ingest.http.limits import InFlight
from runtime.gzip_body import BodyTooLargeError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BusyError(Exception):
    """The bytes in flight are at their bound."""


class GoneError(Exception):
    """The sender left before its body was whole: nothing may be stored."""


class Body:
    """Bytes of one request's body, held against the bound until ``release``."""

    __slots__ = ("_in_flight", "held", "whole")

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.held = 0
        self.whole = False

    async def read(self, receive: Receive, limit: int) -> bytes:
        """The body as received, in one copy.

        Raises BodyTooLargeError, BusyError or GoneError. Time is the caller's to bound.
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
        """Count more bytes. Raises BusyError at the bound."""
        if not self._in_flight.take(size):
            raise BusyError
        self.held += size

    def release(self) -> None:
        """Count none of its bytes any more."""
        self._in_flight.give(self.held)
        self.held = 0
