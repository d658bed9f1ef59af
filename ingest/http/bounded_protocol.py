"""uvicorn's httptools protocol with the bounds that it lacks.

uvicorn buffers a head without bound and waits for it without a deadline: here a head over
MAX_HEAD is answered 431, a late one 408. It drops the body of a request that offers an upgrade
(``Upgrade: h2c``, which some clients send with every first request): here the offer is declined
and the body read. It treats trailers as headers: here they are dropped, and their size bounded.
It queues any number of pipelined requests: here at most MAX_PIPELINED small ones. It drops what a
half-closed sender asked for (``shutdown(SHUT_WR)`` after the request): here it is answered. It
takes requests that proxies read in other ways, without a Host or with two of them, as HTTP/2.0,
chunked in HTTP/1.0: here they are answered 400.

A request that is complete when its head is parsed is offered to the application as a plain call
(``FastPath``), which saves the task, ``receive`` and ``send`` of ASGI; all others go by ASGI.

Subclasses a private class of uvicorn: tests/unit/repository/test_private_parts.py names every
part that is used here, in connection_timers.py and in fair_reading.py.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ingest.http.fair_reading import PROVED, FairProtocol
from ingest.http.responses import Answer

MAX_HEAD = 16 * 1024
"""Bytes of headers and URL; the application counts them exactly."""

MAX_PIPELINED = 16
"""Requests of one connection that wait for the one that is being answered."""

_HEADER_COST = 32
_MAX_KEPT = 4 * MAX_HEAD
"""Bytes of one head that are kept until the application has counted them."""

FastPath = Callable[[Any, bytes, Callable[[Answer], object]], bool]
"""(scope, body, respond) -> whether it was taken; ``respond`` is then called once, now or later."""

_CLOSE = b"connection: close\r\n\r\n"
_HOP_HEADERS = frozenset({b"upgrade", b"connection", b"http2-settings"})


class _ParseAbortedError(Exception):
    """Raised in a parser callback to stop the parser; ``_status`` holds the answer's status."""


class BoundedProtocol(FairProtocol):
    """One connection. The application sets ``head_timeout``, in seconds, and ``fast_path``."""

    fast_path: FastPath

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the state of a new connection."""
        super().connection_made(transport)
        self._in_head = True
        self._message_count = 0
        self._head_bytes = 0
        self._kept_bytes = 0
        self._framing_bytes = 0
        self._hosts = 0
        self._has_body = False
        self._offers_upgrade = False
        self._has_stopped = False
        self._status = 400
        self._previous_cycle: Any = None
        self._is_parsing = False
        self._deferred: tuple[Any, Any] | None = None

    def on_message_begin(self) -> None:
        """Start counting a head; bytes of earlier requests in the same data are not its own."""
        self._in_head = True
        self._message_count += 1
        self._head_bytes = self._kept_bytes = self._framing_bytes = self._hosts = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Keep a part of the URL."""
        self._kept_bytes += len(url)
        if self._kept_bytes > _MAX_KEPT:
            self._abort_parsing(431)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; drop a trailer, which the checks of the head never saw."""
        if self._in_head:
            self._kept_bytes += len(name) + len(value) + _HEADER_COST
            if self._kept_bytes > _MAX_KEPT:
                self._abort_parsing(431)
            name = name.lower()  # as uvicorn does: a call of super() would double the cost
            if name == b"host":
                self._hosts += 1
            elif name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start or queue the request. One that offers an upgrade is parsed again without it."""
        self._in_head = False
        version = self.parser.get_http_version()
        if version != "1.1" or self._hosts != 1:
            self._check_oddities(version)
        self._offers_upgrade = self.parser.should_upgrade()
        if self._offers_upgrade:
            return
        if len(self.pipeline) == MAX_PIPELINED:
            self._abort_parsing(400)
        previous = self.cycle
        super().on_headers_complete()
        self._previous_cycle = previous

    def _check_oddities(self, version: str) -> None:
        """Refuse what RFC 9112 refuses; HTTP/1.0 knows neither a needed Host nor chunks."""
        if version == "0.9":  # no headers, and no body that ends
            self._abort_parsing(505)
        is_chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        if version not in ("1.0", "1.1") or (version == "1.0" and is_chunked):
            self._abort_parsing(400)
        if self._hosts > 1 or (version == "1.1" and not self._hosts):
            self._abort_parsing(400)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body; only a small one while the request waits in the pipeline."""
        self._has_body = True
        if self.pipeline and len(self.cycle.body) + len(body) > MAX_HEAD:
            self._abort_parsing(400)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark the body as complete, unless the parser only stopped at an upgrade offer."""
        if not self._offers_upgrade:
            super().on_message_complete()

    def _receive(self, data: bytes) -> None:
        """Parse data, then start the request whose head ended in it."""
        if self._has_stopped:
            return
        self._is_parsing = True
        self._parse(data)
        self._is_parsing = False
        if self._deferred is not None:
            (cycle, app), self._deferred = self._deferred, None
            self._start(cycle, app)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio lets it return either
        """Stay open for the answers to requests that are complete: the sender only stopped sending.

        Returns False, which closes the connection, where no such request waits.
        """
        if self._has_stopped:
            return not self.transport.is_closing()
        last = self.cycle
        if last is None:
            return False
        if self.pipeline and last.more_body:  # queued, and will never be complete
            self.pipeline.popleft()
            last = self._previous_cycle
        if last.response_complete or last.more_body:
            return False
        self._stop_head_timer()
        self._has_stopped = True
        last.keep_alive = False  # its answer closes the connection
        return True

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self._is_parsing:  # wait for the end of this data: it may hold the whole body
            self._deferred = cycle, app
        else:
            self._start(cycle, app)

    def _start(self, cycle: Any, app: Any) -> None:
        # Of this connection itself: an address that is known for another's proof is not enough.
        if self._previous_cycle is not None and PROVED in self._previous_cycle.scope:
            cycle.scope[PROVED] = True
        is_complete = not (cycle.more_body or cycle.waiting_for_100_continue)
        if is_complete and not self.flow.write_paused:
            self.flow.resume_reading()
            try:
                if self.fast_path(cycle.scope, bytes(cycle.body), partial(self._respond, cycle)):
                    cycle.body = bytearray()
                    return
            except Exception as error:  # noqa: BLE001 - a bug: uvicorn logs it and answers 500
                app = partial(_fail, error)
        super()._start_asgi_task(cycle, app)

    def _respond(self, cycle: Any, answer: Answer) -> None:
        """Do what ``send`` of a cycle does with an answer, in one write."""
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
        cycle.on_response = _nothing  # breaks the reference cycle with this protocol

    def _parse(self, data: bytes) -> None:
        """Feed the parser, then check the bounds of what is still open."""
        count_before = self._message_count
        self._has_body = False
        self._feed(data)
        if self._has_stopped:
            return
        if self._in_head or self._message_count != count_before:  # empty lines keep nothing alive
            self._unset_keepalive_if_required()
        if not self._in_head:
            if self._head_timer is not None:
                self._stop_head_timer()
            self._check_framing(len(data))
            return
        if self._message_count == count_before:  # all of the data belongs to one open head
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._refuse(431)
                return
        if self._head_timer is None and not self.transport.is_closing():
            self._start_head_timer()

    def _check_framing(self, size: int) -> None:
        """Bound data that follows a head and holds no body: trailers, chunk extensions."""
        if self._has_body or self.cycle is None or not self.cycle.more_body:
            return
        self._framing_bytes += size
        if self._framing_bytes > MAX_HEAD:
            self._stop_reading(431)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._decline_upgrade(data[stopped.args[0] :])
        except httptools.HttpParserError:
            self._stop_reading(self._status)

    def _abort_parsing(self, status: int) -> NoReturn:
        """Stop the parser, from one of its callbacks."""
        self._status = status
        raise _ParseAbortedError

    def _stop_reading(self, status: int) -> None:
        """Ignore further data; answer complete requests in order, then ``status``, then close."""
        self._stop_head_timer()
        self._has_stopped = True
        last = self.cycle
        if self.pipeline and last.more_body:  # queued, and will never be complete
            self.pipeline.popleft()
            last = self._previous_cycle
        if last is not None and not (last.response_complete or last.more_body):
            last.keep_alive = False  # its answer closes the connection
            return
        if last is None or last.response_complete or not last.response_started:
            self._write_status(status)
        self.transport.close()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its upgrade offer; ``rest`` follows its head."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(405)
            return
        kept = [name + b": " + value for name, value in self.headers if name not in _HOP_HEADERS]
        version = self.parser.get_http_version().encode()
        head = [method + b" " + self.url + b" HTTP/" + version, *kept, b"", b""]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"\r\n".join(head) + rest)

    def _on_head_timeout(self) -> None:
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer an open head with ``status`` and close; only close if nothing was sent yet."""
        self._stop_head_timer()
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering and self._message_count:
            self._write_status(status)
        self.transport.close()

    def _write_status(self, status: int) -> None:
        self.transport.write(
            STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
        )


async def _fail(error: Exception, *_: Any) -> NoReturn:
    raise error


def _nothing() -> None:
    pass
