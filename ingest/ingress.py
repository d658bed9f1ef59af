"""A delivery's way through the ingress, as one ASGI application for ``/hooks/``.

Read ``_deliver`` top to bottom: head, body, proof, quota, entity, record, acknowledgement.
"""

import asyncio
import re
import time
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

import msgspec

from ingest import answers, sources
from ingest.answers import Answer, RefusedError, Send
from ingest.bodies import (
    Body,
    BusyError,
    GoneError,
    Receive,
)
from ingest.heartbeat import Pulse
from ingest.ids import new_delivery
from ingest.journal import Journal
from ingest.limits import RECORD_OVERHEAD, InFlight, Quotas
from ingest.protocol import MAX_HEAD
from ingest.publisher import NotSentError, Publisher, Record
from ingest.secrets import SecretBook, SecretsError
from ingest.signatures import SCHEMES, is_proved
from ingest.sources import SOURCES, Source
from ingest.waiting import settled, within
from runtime import metrics
from runtime.inflating import BodyTooLargeError, MalformedGzipError, inflate
from runtime.settings import Settings
from runtime.shops import ShopBook
from schemas import envelopes
from schemas.envelopes import Headers
from schemas.shops import Shop
from schemas.topics import WEBHOOKS

Scope = Any

_PREFIX = b"/hooks/"
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_SECRET_PARAMETER = re.compile(
    r"secret|token|password|passwd|signature|hmac|api_?key|access_?key|auth|^key$|^sig$",
    re.IGNORECASE,
)


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a request tells before its body. ``headers``: lower-case name -> last value."""

    source: Source
    shop: str
    token: bytes | None
    event: str
    encoding: str
    headers: dict[bytes, bytes]
    pairs: list[tuple[bytes, bytes]]
    query: bytes


class Ingress:
    """Answers deliveries. One per process; all state is in the parts it is given."""

    def __init__(
        self,
        settings: Settings,
        shops: ShopBook,
        publisher: Publisher,
        pulse: Pulse,
        in_flight: InFlight,
        quotas: Quotas,
        journal: Journal,
    ) -> None:
        self._max_body = settings.max_body
        self._body_timeout = settings.body_timeout
        self._produce_timeout = settings.produce_timeout
        self._topic = settings.topic(WEBHOOKS)
        self._shops = shops
        self._secrets = SecretBook()
        self._secrets_version = shops.version
        self._publisher = publisher
        self._pulse = pulse
        self._in_flight = in_flight
        self._quotas = quotas
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; stays silent only towards a sender that has left."""
        body = Body(self._in_flight)
        try:
            answer = await self._deliver(scope, receive, body)
        except RefusedError as refused:
            answer = refused.answer
        except GoneError:
            return
        finally:
            body.release()
        self._journal.answered(scope, answer.status)
        if body.whole:
            await answers.answer_whole(send, answer)
        else:
            await answers.answer_early(send, receive, answer)

    async def _deliver(self, scope: Scope, receive: Receive, body: Body) -> Answer:
        head = self._head(scope)
        received = await self._received(receive, body)
        shop, secrets = self._proved(head, received)
        if head.source.events_in_url and head.event not in head.source.events_in_url:
            raise RefusedError(answers.UNKNOWN_EVENT)
        if shop.quota and (wait := self._quotas.take((shop.source, shop.id), shop.quota)):
            raise RefusedError(answers.over_quota(wait))
        delivery, record = self._record(head, secrets, received)
        await self._acknowledged(record, body)
        self._journal.accepted(shop.source, shop.id)
        return answers.accepted(delivery)

    def _head(self, scope: Scope) -> Head:
        pairs: list[tuple[bytes, bytes]] = scope["headers"]
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope["query_string"]
        size = len(path) + len(query)
        for name, value in pairs:
            size += len(name) + len(value)
        if size > MAX_HEAD:
            raise RefusedError(answers.HEAD_TOO_LARGE)
        source, shop, token, event = _route(path)
        if scope["method"] != "POST":
            raise RefusedError(answers.NOT_POST)
        headers = dict(pairs)
        encoding = "identity"
        if b"content-encoding" in headers:
            encoding = headers[b"content-encoding"].strip().lower().decode("latin-1") or encoding
            if encoding not in ("identity", "gzip") or _count(pairs, b"content-encoding") > 1:
                raise RefusedError(answers.UNSUPPORTED_ENCODING)
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise RefusedError(answers.UNSUPPORTED_TRANSFER)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._max_body:
            raise RefusedError(answers.TOO_LARGE)
        for name in source.event_headers:
            if name in headers:
                event = headers[name].decode("latin-1").strip()
                break
        return Head(source, shop, token, event, encoding, headers, pairs, query)

    async def _received(self, receive: Receive, body: Body) -> bytes:
        try:
            return await within(self._body_timeout, body.read(receive, self._max_body))
        except TimeoutError:
            raise RefusedError(answers.SLOW_BODY) from None
        except BodyTooLargeError:
            raise RefusedError(answers.TOO_LARGE) from None
        except BusyError:
            raise RefusedError(answers.BUSY) from None

    def _proved(self, head: Head, received: bytes) -> tuple[Shop, tuple[bytes, ...]]:
        """The shop that the proof is of, and its secrets; all refusals are alike."""
        if self._secrets_version != self._shops.version:
            self._secrets.clear()
            self._secrets_version = self._shops.version
        shop = self._shops.get(head.source.name, head.shop)
        secrets: tuple[bytes, ...] = ()
        unresolved = False
        scheme = "token"
        proof = head.token
        if shop is not None:
            scheme = shop.proof
            try:
                secrets = self._secrets.of(shop)
            except SecretsError:
                unresolved = True
        if scheme != "token" and shop is not None:
            name = sources.proof_header(head.source, shop)
            told = [value for header, value in head.pairs if header == name]
            proof = told[0] if len(told) == 1 and head.token is None else None
        if is_proved(SCHEMES[scheme], secrets, received, proof) and shop is not None:
            return shop, secrets
        if unresolved:  # ours to mend: the sender keeps what it has and comes again
            raise RefusedError(answers.UNACKNOWLEDGED)
        raise RefusedError(answers.UNPROVED)

    def _record(
        self, head: Head, secrets: tuple[bytes, ...], received: bytes
    ) -> tuple[str, Record]:
        """The delivery's id and its raw record: the bytes as received."""
        content: bytes | None = received
        if head.encoding == "gzip":
            try:
                content = inflate(received, self._max_body)
            except MalformedGzipError:
                content = None
            except BodyTooLargeError:
                raise RefusedError(answers.TOO_LARGE) from None
        source = head.source
        event, key = sources.read(source, head.shop, head.event, content)
        delivery, now = new_delivery()
        told = head.headers
        headers: Headers = [
            (envelopes.DELIVERY, delivery.encode()),
            (envelopes.SOURCE, source.name.encode()),
            (envelopes.SHOP, head.shop.encode()),
            (envelopes.EVENT, event.encode()),
            (envelopes.RECEIVED_US, b"%d" % now),
            (envelopes.CONTENT_TYPE, told.get(b"content-type", b"")),
            (envelopes.CONTENT_ENCODING, head.encoding.encode()),
            (envelopes.QUERY, without_secrets(head.query, secrets) if head.query else b""),
        ]
        for name in source.shop_headers:
            if name in told:
                if not _names(told[name], head.shop):
                    headers.append((envelopes.SHOP_HEADER, told[name]))
                break
        trace = told.get(b"traceparent")
        if trace is not None and _TRACEPARENT.fullmatch(trace):
            headers.append((envelopes.TRACEPARENT, trace))
        if key is None:
            key = sources.hashed_key(source, head.shop, received)
        return delivery, Record(self._topic, key, received, headers)

    async def _acknowledged(self, record: Record, body: Body) -> None:
        """Return once Kafka has the record; it is handed over once, whatever comes back."""
        started = time.perf_counter()
        acknowledged: asyncio.Future[Any] | None = None
        try:
            body.hold(RECORD_OVERHEAD)
            acknowledged = self._publisher.send(record)
            held, body.held = body.held, 0  # memory is the producer's until it is settled
            await settled(acknowledged, self._produce_timeout, lambda: self._in_flight.give(held))
        except BusyError:
            raise RefusedError(answers.BUSY) from None
        except NotSentError as error:
            self._unacknowledged("unsent", str(error))
        except TimeoutError:
            self._unacknowledged("unknown", "Kafka does not acknowledge in time")
        except Exception as error:  # the producer gave the record up
            is_kafkas = acknowledged is not None and acknowledged.done()
            if not is_kafkas or acknowledged.exception() is not error:  # type: ignore[union-attr]
                raise  # a bug
            self._unacknowledged("unknown", repr(error))
        self._pulse.acknowledged()
        metrics.ACKNOWLEDGE_SECONDS.observe(time.perf_counter() - started)

    def _unacknowledged(self, outcome: str, reason: str) -> NoReturn:
        self._pulse.overdue(reason)
        metrics.UNACKNOWLEDGED.labels(outcome).inc()
        raise RefusedError(answers.UNACKNOWLEDGED)


def _route(path: bytes) -> tuple[Source, str, bytes | None, str]:
    """Source, shop, token and event of a path. Raises RefusedError (404) for any other."""
    parts = path.removeprefix(_PREFIX).removesuffix(b"/").split(b"/")
    if b"%" in path:
        parts = [unquote_to_bytes(part) for part in parts]
    source = SOURCES.get(parts[0].decode("latin-1"))
    rest = parts[1:]
    if source is None or not rest or not path.startswith(_PREFIX):
        raise RefusedError(answers.UNKNOWN_ROUTE)
    event = ""
    if source.events_in_url and len(rest) > 1:
        event = rest.pop().decode("latin-1")
    if len(rest) > 2:  # noqa: PLR2004 - shop and token
        raise RefusedError(answers.UNKNOWN_ROUTE)
    return source, rest[0].decode("latin-1"), rest[1] if len(rest) > 1 else None, event


def _count(pairs: list[tuple[bytes, bytes]], name: bytes) -> int:
    return sum(1 for header, _ in pairs if header == name)


def _names(told: bytes, shop: str) -> bool:
    """Whether a shop header is the shop's id, or a domain that begins with it."""
    return told.decode("latin-1").partition(".")[0] == shop or told.decode("latin-1") == shop


def without_secrets(query: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The query without parameters that are secret by name, or by holding a secret."""
    kept = [
        (name, value)
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if not _SECRET_PARAMETER.search(name) and value.encode() not in secrets
    ]
    return urlencode(kept).encode()
