"""The answers of the ingress, and how one is sent to a client that is still sending."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from ingest.http.body import Receive

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DRAIN_BYTES = 16 << 20
DRAIN_SECONDS = 2.0

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
_DELIVERY = b'{"delivery":"%s"}'
_DELIVERY_HEADERS = [_JSON, (b"content-length", b"51")]


class Answer(msgspec.Struct, frozen=True):
    """A status, a JSON body and headers, ready to be sent. ``head``: the headers as lines."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]
    head: bytes


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


_DELIVERY_HEAD = _lines(_DELIVERY_HEADERS)


class RefusedError(Exception):
    """A delivery is refused; ``answer`` is what the sender gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def refusal(status: int, reason: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an answer with ``reason`` as the ``error`` of its JSON body."""
    body = b'{"error":"%s"}' % reason.encode()
    length = (b"content-length", str(len(body)).encode())
    all_headers = [_JSON, length, *headers]
    return Answer(status, body, all_headers, _lines(all_headers))


def _retry(seconds: int) -> tuple[bytes, bytes]:
    return (b"retry-after", str(seconds).encode())


UNPROVED = refusal(401, "unknown shop, or no valid proof of origin")
UNKNOWN_ROUTE = refusal(404, "no such route")
UNKNOWN_EVENT = refusal(404, "no such event in the URL")
NOT_POST = refusal(405, "use POST", (b"allow", b"POST"))
SLOW_BODY = refusal(408, "the body took too long")
TOO_LARGE = refusal(413, "the body is too large")
UNSUPPORTED_ENCODING = refusal(
    415, "Content-Encoding: identity or gzip", (b"accept-encoding", b"identity, gzip")
)
HEAD_TOO_LARGE = refusal(431, "headers and query are too large")
UNSUPPORTED_TRANSFER = refusal(501, "Transfer-Encoding: chunked, or none")
BUSY = refusal(503, "too much in flight; try again", _retry(2))
UNACKNOWLEDGED = refusal(503, "not stored for certain; try again", _retry(5))


def over_quota(seconds: int) -> Answer:
    """Return a 429 with ``retry-after``."""
    return refusal(429, "over the quota of this shop", _retry(seconds))


def accepted(delivery: bytes) -> Answer:
    """Return the 200 of a delivery that Kafka has acknowledged."""
    return Answer(200, _DELIVERY % delivery, _DELIVERY_HEADERS, _DELIVERY_HEAD)


async def answer_whole(send: Send, answer: Answer) -> None:
    """Answer a request whose body was read to its end."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def answer_and_close(send: Send, answer: Answer) -> None:
    """Answer a client that is still sending, and close at once: it may see a reset instead."""
    headers = [*answer.headers, _CLOSE]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def answer_early(send: Send, receive: Receive, answer: Answer) -> None:
    """Answer a client that is still sending, then close.

    What it sends meanwhile is read and dropped, within bounds: closing at once would reset
    the connection, and the client would never read the answer.
    """
    headers = [*answer.headers, _CLOSE]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    bytes_left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while bytes_left > 0:
                message = await receive()
                bytes_left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    except TimeoutError:
        pass  # the end of the answer closes the connection
    await send({"type": "http.response.body", "body": b""})
