"""uvicorn's httptools protocol with what it leaves open: bounds on a request's head.

The server buffers a head without bound and waits for it for ever. Here a head that takes more
than its bytes is answered 431, one that takes more than its time 408.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 16 * 1024
"""Bytes of headers and URL; the application counts them exactly."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``head_timeout`` is set by ``bounded``, in seconds."""

    head_timeout = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        super().connection_made(transport)
        self._in_head = True
        self._messages = 0
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(
            self.head_timeout, self._refuse, 408
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins: what came before in this piece of data is not its."""
        self._in_head = True
        self._messages += 1
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then look whether a head is still open."""
        before = self._messages
        super().data_received(data)
        if not self._in_head:
            if self._head_timer is not None:
                self._stop_clock()
            return
        if self._messages == before:  # all of it belonged to one head, and did not end it
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._refuse(431)
                return
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_timeout, self._refuse, 408)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_silent = not self._messages
        if not is_answering and not is_silent:
            self.transport.write(
                STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()


def bounded(head_timeout: float) -> type[BoundedProtocol]:
    """The protocol with its deadline, as uvicorn wants it: a class."""
    attributes: dict[str, Any] = {"head_timeout": head_timeout}
    return type("BoundedProtocol", (BoundedProtocol,), attributes)
