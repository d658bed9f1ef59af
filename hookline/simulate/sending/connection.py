"""One keep-alive connection to an ingress: sends one delivery, waits for its answer, retries."""

import asyncio
import time
from collections import deque
from typing import Protocol

from hookline.simulate.sending.journal import Journal
from hookline.simulate.sending.requests import Signer
from hookline.simulate.sending.schedule import Delivery, Kind
from hookline.simulate.sending.tally import KEPT_REFUSALS, Tally

ANSWER_TIMEOUT = 20.0
"""Seconds after which a sender takes an answer for lost."""
NEW_SHOP_GRACE = 10.0
"""Seconds in which an ingress may not know a shop yet that was just added: 401 is tried again."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_HEAD_END = b"\r\n\r\n"
_ID_START, _ID_BYTES = b'{"delivery":"', 51
_MANY_REQUESTS, _SERVER_ERROR, _UNPROVED = 429, 500, 401


class Sending(Protocol):
    """What the connections of a sender share."""

    signer: Signer
    journal: Journal
    tally: Tally

    def ended(self) -> None:
        """Note that a delivery has ended, however it did."""


class Connection(asyncio.Protocol):
    """A connection that is opened again whenever it was closed, until ``close``.

    Deliveries of one entity are sent in the order in which they were given: while one waits for
    its next attempt, the others of its entity wait behind it, and those of other entities go on.
    """

    def __init__(self, sending: Sending, host: str, port: int) -> None:
        self._sending, self._address = sending, (host, port)
        self._host = f"{host}:{port}".encode()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Delivery] = deque()
        self._blocked: dict[int, deque[Delivery]] = {}
        self._current: Delivery | None = None
        self._got = b""
        self._failures = 0
        self._is_closed = self._is_opening = False
        self._tasks: set[asyncio.Task[None]] = set()

    def give(self, delivery: Delivery) -> None:
        """Queue a delivery."""
        self._queue.append(delivery)
        if self._current is None:
            self._next()

    def open(self) -> None:
        """Open the connection, unless it is open."""
        if self._transport is None and not self._is_opening and not self._is_closed:
            self._is_opening = True
            task = self._loop.create_task(self._open())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> list[Delivery]:
        """Close it for good; return the deliveries that have not ended."""
        self._is_closed = True
        left = [*self._queue, *(each for waiting in self._blocked.values() for each in waiting)]
        if self._current is not None:
            self._unsure(self._current)
            left.append(self._current)
            self._current = None
        if self._transport is not None:
            self._transport.abort()
        return left

    def check(self, now: float) -> None:
        """Cut the connection if the answer is overdue."""
        if self._current is not None and now - self._current.sent > ANSWER_TIMEOUT:
            self._sending.tally.answers["no answer in time"] += 1
            if self._transport is not None:
                self._transport.abort()

    async def _open(self) -> None:
        try:
            await self._loop.create_connection(lambda: self, *self._address)
        except OSError:
            self._sending.tally.answers["no connection"] += 1
            self._failures += 1
            wait = min(0.1 * 2**self._failures, 2.0)
            self._loop.call_later(wait, self.open)
        finally:
            self._is_opening = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waits."""
        self._transport = transport  # type: ignore[assignment]  # TCP gives a Transport
        self._got, self._failures = b"", 0
        if self._is_closed:
            transport.close()
        elif self._current is None:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Try again what was not answered, over a new connection."""
        self._transport = None
        if (current := self._current) is not None:
            self._current = None
            is_ours = current.loses_answer and current.attempts == 1
            self._sending.tally.answers["cut by us" if is_ours else "connection closed"] += 1
            self._unsure(current)
            self._retry(current, None)
        self.open()

    def data_received(self, data: bytes) -> None:
        """Take an answer, whole or in parts."""
        if self._got:
            data = self._got + data
        head = data.find(_HEAD_END)
        if head < 0 or len(data) < head + 4 + _length(data[:head]):
            self._got = data
            return
        self._got = b""
        current, self._current = self._current, None
        if current is None:  # nobody asked: such a connection is not to be trusted
            self._drop()
            return
        self._answered(current, data, head)
        if b"onnection: close" in data[:head]:
            self._drop()
        elif self._current is None:
            self._next()

    def _drop(self) -> None:
        """Close this end; what comes next goes over a new connection."""
        if self._transport is not None:
            self._transport.abort()

    def _answered(self, delivery: Delivery, data: bytes, head: int) -> None:
        tally = self._sending.tally
        tally.answered(time.monotonic() - delivery.sent)
        status = data[9:12].decode("latin-1")
        tally.answers[status] += 1
        body = data[head + 4 :]
        if status == "200" and _has_id(body):
            self._accepted(delivery, body[13:49])
            return
        code = int(status) if status.isdigit() else _SERVER_ERROR
        is_new_shop = code == _UNPROVED and tally.seconds < NEW_SHOP_GRACE
        if code == _MANY_REQUESTS or code >= _SERVER_ERROR or is_new_shop:
            if code >= _SERVER_ERROR:
                self._unsure(delivery)
            self._retry(delivery, _retry_after(data[:head]))
            return
        tally.refused += 1
        if len(tally.refusals) < KEPT_REFUSALS:
            text = body[:300].decode("utf-8", "replace")
            shop = delivery.step.fact.shop.key
            tally.refusals.append(f"{status} {shop} {delivery.payload.event}: {text}")
        self._sending.journal.refused(delivery, status)
        self._ended(delivery)

    def _accepted(self, delivery: Delivery, identifier: bytes) -> None:
        tally = self._sending.tally
        is_first = self._sending.journal.accepted(delivery, identifier)
        tally.last_accepted = time.monotonic()
        if delivery.kind is Kind.MALFORMED:
            tally.malformed += 1
        elif is_first:
            tally.accepted += 1
        else:
            tally.repeated += 1
        self._ended(delivery)

    def _next(self) -> None:
        """Send the next delivery that need not wait."""
        if self._transport is None or self._transport.is_closing():
            self.open()
            return
        queue, blocked = self._queue, self._blocked
        while queue:
            delivery = queue.popleft()
            if blocked and not delivery.attempts and delivery.entity in blocked:
                blocked[delivery.entity].append(delivery)
                continue
            self._send(delivery)
            return

    def _send(self, delivery: Delivery) -> None:
        sending, transport = self._sending, self._transport
        if transport is None:
            raise RuntimeError("not connected")
        delivery.attempts += 1
        tally = sending.tally
        tally.attempts += 1
        if delivery.attempts > 1:
            tally.retried += 1
        self._current = delivery
        delivery.sent = time.monotonic()
        payload = delivery.payload
        tally.body_bytes += len(payload.body)
        transport.write(sending.signer.request(delivery.step.fact.shop, payload, self._host))
        if delivery.loses_answer and delivery.attempts == 1:
            transport.close()  # what was written is still sent

    def _unsure(self, delivery: Delivery) -> None:
        if delivery.unsure_since is None:
            delivery.unsure_since = time.time() - (time.monotonic() - delivery.sent)

    def _retry(self, delivery: Delivery, after: float | None) -> None:
        """Send it again later, its entity's others after it."""
        self._blocked.setdefault(delivery.entity, deque())
        wait = min(_FIRST_WAIT * 2 ** (delivery.attempts - 1), _LONGEST_WAIT)
        self._blocked[delivery.entity].appendleft(delivery)
        self._loop.call_later(wait if after is None else after, self._again, delivery)

    def _again(self, delivery: Delivery) -> None:
        if self._is_closed:
            return
        self._blocked[delivery.entity].remove(delivery)
        self._queue.appendleft(delivery)
        if self._current is None:
            self._next()

    def _ended(self, delivery: Delivery) -> None:
        if delivery.attempts > 1:
            self._queue.extendleft(reversed(self._blocked.pop(delivery.entity, ())))
        self._sending.ended()


def _length(head: bytes) -> int:
    """Of the body; 0 where the head names none."""
    start = head.find(b"ontent-length: ")
    if start < 0:
        start = head.lower().find(b"ontent-length:")
        if start < 0:
            return 0
    return int(head[start + 14 :].partition(b"\r")[0])


def _retry_after(head: bytes) -> float | None:
    """Seconds that the answer asks to wait; None where it does not."""
    value = head.lower().partition(b"\r\nretry-after:")[2].partition(b"\r")[0].strip()
    return min(float(value), 60.0) if value.isdigit() else None


def _has_id(body: bytes) -> bool:
    """Whether an answer is the ingress's: any other server can answer 200 too."""
    return body[:13] == _ID_START and len(body) == _ID_BYTES and body[27:28] == b"7"
