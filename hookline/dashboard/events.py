"""Server-sent events: a stream says that a view has changed, and its page then reads it again.

A stream costs no query of its own: all share one answer, as pages do (``database.KEPT``).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

import anyio
import psycopg
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hookline.console.errors import CommandError
from hookline.dashboard.database import BusyError, Database, Page, Query

MAX_STREAMS = 50
"""Streams that are open at a time; a page that gets none asks again by itself."""
PERIOD = 1.0
"""Seconds between looks."""
HEARTBEAT = 15.0
"""Seconds after which a stream without news says that it lives."""
RETRY_MS = 5000

_STAMPS = "SELECT topic, sum(next_offset)::bigint AS stored FROM fences GROUP BY topic LIMIT 100"
VIEWS: Mapping[str, tuple[str, ...]] = {
    "now": (),
    "journey": (),
    "shops": (),
    "carts": (".carts", ".orders"),
    "customers": (".customers", ".orders", ".payments"),
}
"""View -> how the names of its topics end; all topics where it names none."""

Stamp = tuple[tuple[str, int], ...]


class Streams:
    """The open streams of a dashboard."""

    def __init__(self, database: Database, period: float = PERIOD) -> None:
        self._database = database
        self._period = period
        self._open = 0
        self._stopping = asyncio.Event()
        # Pages are answered in other threads: streams never wait in their way.
        self._limiter = CapacityLimiter(1)

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open

    def stop(self) -> None:
        """End all streams: the server is about to stop."""
        self._stopping.set()

    async def answer(self, request: Request) -> Response:
        """Open a stream of ``?view=``; 400 for no view, 503 where too many are open."""
        view = request.query_params.get("view", "")
        if view not in VIEWS:
            text = f"view: one of {', '.join(VIEWS)}"
            return PlainTextResponse(text, HTTPStatus.BAD_REQUEST)
        if self._open >= MAX_STREAMS or self._stopping.is_set():
            headers = {"Retry-After": str(RETRY_MS // 1000)}
            text = "too many streams are open: the page asks again by itself"
            return PlainTextResponse(text, HTTPStatus.SERVICE_UNAVAILABLE, headers)
        if request.method == "HEAD":  # its answer has no body, so that nothing would end it
            return Response(media_type="text/event-stream")
        self._open += 1
        return _Stream(self.events(view), self._closed)

    def _closed(self) -> None:
        self._open -= 1

    async def events(self, view: str) -> AsyncIterator[str]:
        """Yield the events of a stream until the server stops or the reader leaves."""
        yield f"retry: {RETRY_MS}\n\n"
        seen = await self._stamp(view)
        yield "event: ready\ndata:\n\n"
        silent = 0.0
        while not await self._is_stopping():
            silent += self._period
            stamp = await self._stamp(view)
            if stamp != seen:
                seen, silent = stamp, 0.0
                # Where the tables cannot be read, the page that reads them again shows why.
                yield "event: changed\ndata:\n\n"
            elif silent >= HEARTBEAT:
                silent = 0.0
                yield ": lives\n\n"

    async def _is_stopping(self) -> bool:
        with anyio.move_on_after(self._period):
            await self._stopping.wait()
        return self._stopping.is_set()

    async def _stamp(self, view: str) -> Stamp | None:
        """Return what changes when the view does; None while the tables cannot be read."""
        try:
            page = await to_thread.run_sync(
                lambda: self._database.read("stamps", _stamps), limiter=self._limiter
            )
        except (CommandError, BusyError, psycopg.Error):
            return None
        ends = VIEWS[view]
        return tuple(
            (topic, stored) for topic, stored in page["stamps"] if not ends or topic.endswith(ends)
        )


class _Stream(StreamingResponse):
    """A stream that reports its end, also where its reader left before it began."""

    def __init__(self, events: AsyncIterator[str], closed: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


def _stamps(query: Query) -> Page:
    return {"stamps": sorted((topic, stored) for topic, stored in query(_STAMPS).rows)}
