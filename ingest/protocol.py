"""uvicorn's httptools protocol with what it leaves open.

The server buffers a head without bound and waits for it for ever: here one that takes more
than its bytes is answered 431, one that takes more than its time 408. And it drops the body of
a request that offers an upgrade (``Upgrade: h2c``, which some clients send with every first
request): here the offer is declined and the body read.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 16 * 1024
"""Bytes of headers and URL; the application counts them exactly."""

_HOP_HEADERS = frozenset({b"upgrade", b"connection", b"http2-settings"})


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``head_timeout`` is set by ``bounded``, in seconds."""

    head_timeout = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        super().connection_made(transport)
        self._in_head = True
        self._messages = 0
        self._head_bytes = 0
        self._offers_upgrade = False
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
        """The head is whole. One that offers an upgrade is read again without the offer."""
        self._in_head = False
        self._offers_upgrade = self.parser.should_upgrade()
        if not self._offers_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is whole, unless the parser only stopped at an offer."""
        if not self._offers_upgrade:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then look whether a head is still open."""
        before = self._messages
        self._unset_keepalive_if_required()
        self._feed(data)
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

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._decline(data[stopped.args[0] :])
        except httptools.HttpParserError:
            self._stop_clock()
            self.send_400_response("Invalid HTTP request received.")

    def _decline(self, rest: bytes) -> None:
        """Read the request again as if nothing had been offered; ``rest`` follows its head."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(405)
            return
        kept = [name + b": " + value for name, value in self.headers if name not in _HOP_HEADERS]
        version = self.parser.get_http_version().encode()
        head = [method + b" " + self.url + b" HTTP/" + version, *kept, b"", b""]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"\r\n".join(head) + rest)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int) -> None:
        self._stop_clock()
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
