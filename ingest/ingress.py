"""The path of a delivery through the ingress, as one ASGI application for ``/hooks/``.

What the head proves is proved before the body is read; a body that waits for its signature is
counted as unproved until it is whole. ``_publish`` then checks proof of origin and quota, builds
the raw record and sends it; the answer follows Kafka's acknowledgement.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from ingest.heartbeat import Pulse
from ingest.http import responses
from ingest.http.access_log import AccessLog
from ingest.http.addresses import Addresses
from ingest.http.body import Body, BusyError, GoneError, Receive
from ingest.http.deadlines import Deadlines, within
from ingest.http.fair_reading import PROVED, Reads
from ingest.http.limits import RECORD_OVERHEAD, InFlight, Quotas
from ingest.http.request_head import Head, Scope, read_head
from ingest.http.responses import Answer, RefusedError, Send
from ingest.http.unproved import SHARE, Unproved
from ingest.proofs import LARGE, Proofs, Proved
from ingest.publisher import NotSentError, Publisher, Record
from ingest.raw_record import build_record
from runtime import metrics
from runtime.bodies.gzip_body import BodyTooLargeError
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from runtime.traces import Traces
from schemas.shops import Shop
from schemas.topics import WEBHOOKS

Respond = Callable[[Answer], object]
TRACEPARENT = b"traceparent"
MAX_DRAINS = 64
"""Refused senders whose bytes are read and dropped at a time, so that they see their answer."""


class Ingress:
    """Answers deliveries. One per process; all state is in the objects it is given."""

    def __init__(
        self,
        settings: Settings,
        shops: ShopBook,
        publisher: Publisher,
        pulse: Pulse,
        in_flight: InFlight,
        quotas: Quotas,
        access_log: AccessLog,
        traces: Traces | None = None,
    ) -> None:
        self._max_body = settings.max_body
        self._body_timeout = settings.body_timeout
        self._deadlines = Deadlines(settings.produce_timeout)
        self._topic = settings.topic(WEBHOOKS)
        self._proofs = Proofs(shops)
        self._publisher = publisher
        self._traces = traces
        self.pulse = pulse
        self.in_flight = in_flight
        self._quotas = quotas
        self.access_log = access_log
        # A single body always fits.
        self.unproved = Unproved(max(in_flight.limit // SHARE, settings.max_body))
        self.addresses = Addresses(settings.trusted_networks)
        self.reads = Reads()
        self._drains = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless its client has disconnected."""
        body = Body(self.in_flight)
        try:
            head = read_head(scope, self._max_body)
            proved = self._proofs.by_head(head)
            if proved is None:
                received, proved = await self._read_and_prove(head, receive, body, scope)
            else:
                received = await self._read_body(receive, body)
            future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

            def respond(answer: Answer) -> None:
                if not future.done():  # cancelled when the server stops
                    future.set_result(answer)

            held, body.held = body.held, 0  # _publish gives these bytes back
            self._publish(head, received, held, respond, proved)
            scope[PROVED] = True
            answer = await future
        except RefusedError as refused:
            answer = refused.answer
            self.reads.refused()
        except GoneError:
            return
        finally:
            body.release()
        self.access_log.answered(scope, answer.status)
        if body.whole:
            await responses.answer_whole(send, answer)
        elif self._drains < MAX_DRAINS:
            self._drains += 1
            try:
                await responses.answer_early(send, receive, answer)
            finally:
                self._drains -= 1
        else:
            await responses.answer_and_close(send, answer)

    def fast_path(self, scope: Scope, received: bytes, respond: Respond) -> bool:
        """Answer a complete request without a task, by one call of ``respond``, now or later.

        Return False, with nothing done, for a request that ``__call__`` has to answer.
        """
        try:
            head = read_head(scope, self._max_body)
        except RefusedError:
            return False
        held = len(received)
        if held > self._max_body or not self.in_flight.take(held):
            return False

        def answered(answer: Answer) -> None:
            self.access_log.answered(scope, answer.status)
            respond(answer)

        try:
            self._publish(head, received, held, answered)
            scope[PROVED] = True
        except RefusedError as refused:
            self.reads.refused()
            answered(refused.answer)
        return True

    async def _read_body(self, receive: Receive, body: Body) -> bytes:
        try:
            return await within(self._body_timeout, body.read(receive, self._max_body))
        except TimeoutError:
            raise RefusedError(responses.SLOW_BODY) from None
        except BodyTooLargeError:
            raise RefusedError(responses.TOO_LARGE) from None
        except BusyError:
            raise RefusedError(responses.BUSY) from None

    async def _read_and_prove(
        self, head: Head, receive: Receive, body: Body, scope: Scope
    ) -> tuple[bytes, Proved | None]:
        """Return the body, and what it proves if it is large: a small one is proved at once.

        Raises RefusedError, GoneError.
        """
        if PROVED in scope:  # an earlier request of this connection: it is no stranger's
            return await self._read_body(receive, body), None
        address = self.addresses.of(scope)
        body.await_proof(self.unproved, address)
        try:
            received = await self._read_body(receive, body)
            if len(received) <= LARGE:
                return received, None
            return received, await self._proofs.check_large(
                head, received, partial(self.reads.turn, address)
            )
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if body.gave_way and task is not None and task.uncancel() == 0:
                raise RefusedError(responses.BUSY) from None
            raise
        finally:
            body.proof_is_next()

    def _publish(
        self,
        head: Head,
        received: bytes,
        held: int,
        respond: Respond,
        proved: Proved | None = None,
    ) -> None:
        """Send the delivery to Kafka; call ``respond`` once it is acknowledged, failed or late.

        ``held``: bytes in flight of the body, given back here in every case. ``proved``: what the
        head has proved. Raises RefusedError, without calling ``respond``, if nothing was sent.
        """
        span = trace = None
        if self._traces is not None:
            span = self._traces.received(head.headers.get(TRACEPARENT))
            trace = span.header
        try:
            shop, delivery, record = self._admit(head, received, proved, trace)
            held += RECORD_OVERHEAD
            started = time.perf_counter()
            acknowledged = self._publisher.send(record)
        except NotSentError as error:
            self.in_flight.give(held)
            raise RefusedError(self._unacknowledged("unsent", str(error))) from None
        except BaseException:
            self.in_flight.give(held)
            raise
        # The producer holds this memory until the record is settled, maybe long after the deadline.

        def on_result(error: BaseException | None) -> None:
            if span is not None:
                why = None if error is None else type(error).__name__
                span.end(why, source=shop.source, shop=shop.id, delivery=delivery.decode())
            if error is None:
                self.pulse.acknowledged()
                metrics.ACKNOWLEDGE_SECONDS.observe(time.perf_counter() - started)
                self.access_log.accepted(shop.source, shop.id)
                respond(responses.accepted(delivery))
            elif isinstance(error, NotSentError):
                respond(self._unacknowledged("unsent", str(error)))
            elif isinstance(error, TimeoutError):
                respond(self._unacknowledged("unknown", "Kafka does not acknowledge in time"))
            else:  # the producer failed
                respond(self._unacknowledged("unknown", repr(error)))

        self._deadlines.watch(acknowledged, partial(self.in_flight.give, held), on_result)

    def _admit(
        self, head: Head, received: bytes, proved: Proved | None, trace: bytes | None
    ) -> tuple[Shop, bytes, Record]:
        """Return shop, delivery id and record, and take RECORD_OVERHEAD. Raises RefusedError."""
        shop, secrets = proved or self._proofs.check(head, received)
        if head.source.events_in_url and head.event not in head.source.events_in_url:
            raise RefusedError(responses.UNKNOWN_EVENT)
        if shop.quota and (wait := self._quotas.take((shop.source, shop.id), shop.quota)):
            raise RefusedError(responses.over_quota(wait))
        delivery, record = build_record(self._topic, self._max_body, head, secrets, received, trace)
        if not self.in_flight.take(RECORD_OVERHEAD):
            raise RefusedError(responses.BUSY)
        return shop, delivery, record

    def _unacknowledged(self, outcome: str, reason: str) -> Answer:
        self.pulse.overdue(reason)
        metrics.UNACKNOWLEDGED.labels(outcome).inc()
        return responses.UNACKNOWLEDGED
