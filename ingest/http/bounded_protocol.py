"""uvicorn's httptools protocol with what it leaves open.

The server buffers a head without bound and waits for it for ever: here one that takes more
than its bytes is answered 431, one that takes more than its time 408. It drops the body of a
request that offers an upgrade (``Upgrade: h2c``, which some clients send with every first
request): here the offer is declined and the body read. It takes trailers for headers, without
bound: here they are dropped, and counted. It queues pipelined requests without bound: here few
and small ones. It waits for ever for a sender that reads no answers: here not.

A request that is all there when its head is read is offered to the application at once. What
that takes needs no task that reads, waits and writes; the rest goes the way of ASGI.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest.http.responses import Answer

MAX_HEAD = 16 * 1024
"""Bytes of headers and URL; the application counts them exactly."""

MAX_WAITING = 16
"""Requests of one connection that wait behind the one that is being answered."""

_HEADER_COST = 32
_MOST = 4 * MAX_HEAD
"""Bytes of one head that are kept until the application has counted them."""

AtOnce = Callable[[Any, bytes, Callable[[Answer], object]], bool]
"""(scope, body, tell) -> whether it was taken; ``tell`` is then called once, now or later."""

_CLOSE = b"connection: close\r\n\r\n"
_HOP_HEADERS = frozenset({b"upgrade", b"connection", b"http2-settings"})


class _TooMuchError(Exception):
    """Raised inside the parser, to stop it; ``_status`` says why."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``bounded`` sets ``head_timeout``, in seconds, and ``at_once``."""

    head_timeout = 10.0
    at_once: AtOnce

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        super().connection_made(transport)
        self._in_head = True
        self._messages = 0
        self._head_bytes = 0
        self._kept_bytes = 0
        self._bare_bytes = 0
        self._has_body = False
        self._offers_upgrade = False
        self._is_spoilt = False
        self._status = 400
        self._ahead: Any = None
        self._is_reading = False
        self._begun: tuple[Any, Any] | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(
            self.head_timeout, self._refuse, 408
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """What uvicorn does, but with one timer for all pauses of a connection."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._close_idle_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle all the time; else look again."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:  # the end of its answer sets the next timer
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._close_idle_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _close_idle_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def pause_writing(self) -> None:
        """Start the clock of a sender that does not read what it is answered."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(self.head_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A head begins: what came before in this piece of data is not its."""
        self._in_head = True
        self._messages += 1
        self._head_bytes = self._kept_bytes = self._bare_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Keep a part of the URL."""
        self._kept_bytes += len(url)
        if self._kept_bytes > _MOST:
            self._stop(431)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. A trailer is none: what it says was not there to be judged."""
        if self._in_head:
            self._kept_bytes += len(name) + len(value) + _HEADER_COST
            if self._kept_bytes > _MOST:
                self._stop(431)
            name = name.lower()  # what follows is uvicorn's: to call it costs as much again
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole. One that offers an upgrade is read again without the offer."""
        self._in_head = False
        if self.parser.get_http_version() == "0.9":  # no headers, and no body that ends
            self._stop(505)
        self._offers_upgrade = self.parser.should_upgrade()
        if self._offers_upgrade:
            return
        if len(self.pipeline) == MAX_WAITING:
            self._stop(400)
        ahead = self.cycle
        super().on_headers_complete()
        self._ahead = ahead

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body: little of one that nobody reads yet."""
        self._has_body = True
        if self.pipeline and len(self.cycle.body) + len(body) > MAX_HEAD:
            self._stop(400)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is whole, unless the parser only stopped at an offer."""
        if not self._offers_upgrade:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read what came; then begin with the request whose head was in it."""
        if self._is_spoilt:
            return
        self._is_reading = True
        self._read(data)
        self._is_reading = False
        if self._begun is not None:
            (cycle, app), self._begun = self._begun, None
            self._begin(cycle, app)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._is_reading:  # its body may be in the same piece of data
            self._begun = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: Any, app: Any) -> None:
        is_whole = not (cycle.more_body or cycle.waiting_for_100_continue)
        if is_whole and not self.flow.write_paused:
            self.flow.resume_reading()
            try:
                if self.at_once(cycle.scope, bytes(cycle.body), partial(self._answer, cycle)):
                    cycle.body = bytearray()
                    return
            except Exception as error:  # noqa: BLE001 - a bug: uvicorn logs it and says 500
                app = partial(_fail, error)
        super()._start_asgi_task(cycle, app)

    def _answer(self, cycle: Any, answer: Answer) -> None:
        """What ``send`` of a cycle does with an answer, in one piece."""
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        content = [STATUS_LINE[answer.status]]
        for name, value in cycle.default_headers:
            content += (name, b": ", value, b"\r\n")
        content += (answer.head, b"\r\n" if cycle.keep_alive else _CLOSE, answer.body)
        self.transport.write(b"".join(content))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        cycle.on_response = _nothing  # it leads back to us

    def _read(self, data: bytes) -> None:
        """Feed the parser, then look whether a head is still open."""
        before = self._messages
        self._has_body = False
        self._feed(data)
        if self._is_spoilt:
            return
        if self._in_head or self._messages != before:  # empty lines are no sign of life
            self._unset_keepalive_if_required()
        if not self._in_head:
            if self._head_timer is not None:
                self._stop_clock()
            self._bounds_rest(len(data))
            return
        if self._messages == before:  # all of it belonged to one head, and did not end it
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._refuse(431)
                return
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_timeout, self._refuse, 408)

    def _bounds_rest(self, size: int) -> None:
        """Bound what comes of a body and is none: trailers, extensions of a chunk."""
        if self._has_body or self.cycle is None or not self.cycle.more_body:
            return
        self._bare_bytes += size
        if self._bare_bytes > MAX_HEAD:
            self._spoilt(431)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._decline(data[stopped.args[0] :])
        except httptools.HttpParserError:
            self._spoilt(self._status)

    def _stop(self, status: int) -> NoReturn:
        """Stop the parser, from one of its callbacks."""
        self._status = status
        raise _TooMuchError

    def _spoilt(self, status: int) -> None:
        """Read nothing more: answer in order what came whole, else ``status``; then close."""
        self._stop_clock()
        self._is_spoilt = True
        last = self.cycle
        if self.pipeline and last.more_body:  # it waits, and will never be whole
            self.pipeline.popleft()
            last = self._ahead
        if last is not None and not (last.response_complete or last.more_body):
            last.keep_alive = False
            return
        if last is None or last.response_complete or not last.response_started:
            self._say(status)
        self.transport.close()

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
            self._say(status)
        self.transport.close()

    def _say(self, status: int) -> None:
        self.transport.write(
            STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
        )


async def _fail(error: Exception, *_: Any) -> NoReturn:
    raise error


def _nothing() -> None:
    pass


def bounded(head_timeout: float, at_once: AtOnce) -> type[BoundedProtocol]:
    """The protocol with its deadline, as uvicorn wants it: a class."""
    attributes: dict[str, Any] = {"head_timeout": head_timeout, "at_once": staticmethod(at_once)}
    return type("BoundedProtocol", (BoundedProtocol,), attributes)
