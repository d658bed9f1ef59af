"""The timers of one connection: late heads, idle periods, clients that read no answers."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for each head and for each blocked answer.

    ``head_timeout``: seconds for both. The keep-alive timeout is uvicorn's, but one timer serves
    all pauses of a connection instead of one for each request.
    """

    head_timeout = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first head."""
        super().connection_made(transport)
        self._blocked_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_head_timer()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def _on_head_timeout(self) -> None:
        """Close a connection whose head is late; subclasses answer it first."""
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        """Start the next pipelined request, or the idle period."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._check_idle_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for long enough; else check again later."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:  # busy: the end of its answer starts the next timer
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._check_idle_in(left)
        else:
            super().timeout_keep_alive_handler()
            # Closing waits for answers that are not read, however few bytes they are.
            self.loop.call_later(self.head_timeout, self.transport.abort)

    def _check_idle_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None  # the timer keeps running: see timeout_keep_alive_handler

    def pause_writing(self) -> None:
        """Start the timer of a client that does not read its answers."""
        super().pause_writing()
        self._blocked_timer = self.loop.call_later(self.head_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that timer: the client reads again."""
        if self._blocked_timer is not None:
            self._blocked_timer.cancel()
            self._blocked_timer = None
        super().resume_writing()
