"""Connections that hold the dashboard up: requests that never end, answers that nobody reads.

uvicorn waits for both without a deadline. tests/unit/repository/test_private_parts.py names every
part of it that is used here.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

TIMEOUT = 20.0
"""Seconds for a whole request, from the connection or its first byte on, and for each time that
an answer waits for its reader."""


class TimedProtocol(H11Protocol):
    """uvicorn's protocol with those deadlines. A stream that is read has none."""

    timeout = TIMEOUT

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request."""
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines."""
        self._stop_expecting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the deadline of a request that is whole, and start that of one that is not."""
        super().data_received(data)
        if self.transport.is_closing() or self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._stop_expecting()
        elif self._late is None:
            self._expect_request()

    def pause_writing(self) -> None:
        """Start the deadline of an answer that is not read."""
        self.flow.pause_writing()
        self._unread = self.loop.call_later(self.timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop it."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        self.flow.resume_writing()

    def _expect_request(self) -> None:
        self._late = self.loop.call_later(self.timeout, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
