"""HTTP connections of pages that end: no request takes for ever, no answer waits unread.

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
    """uvicorn's protocol with those deadlines. An answer that is read, however slowly, has none."""

    timeout = TIMEOUT

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request."""
        super().connection_made(transport)
        # Whatever waits for its reader is seen, also the end of an answer, at which uvicorn closes.
        transport.set_write_buffer_limits(high=0)
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines."""
        self._stop_expecting()
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the deadline of a request that is whole, and start that of one that is not.

        Called for data, and for what came while the request before it was answered.
        """
        super().handle_events()
        if self.transport.is_closing() or self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._stop_expecting()
        elif self._late is None:
            self._expect_request()

    def pause_writing(self) -> None:
        """Start the deadline of an answer that waits for its reader."""
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        """Stop the deadline of an unread answer."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _expect_request(self) -> None:
        self._late = self.loop.call_later(self.timeout, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _expect_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(self.timeout, self._check_reader, waiting)

    def _check_reader(self, waiting: int) -> None:
        if self.transport.get_write_buffer_size() < waiting:
            self._expect_reader()
        else:
            self.transport.abort()
