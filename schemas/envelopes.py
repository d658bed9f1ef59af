"""What travels around the canonical events: headers of raw records, outcomes, rejects.

Header names are the contract; every value is bytes (ASCII numbers, UTF-8 words).
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

Headers = list[tuple[str, bytes]]
"""Kafka record headers, in order."""

# Headers of a raw record (topic hookline.webhooks).
DELIVERY = "hookline-delivery"  # UUIDv7
SOURCE = "hookline-source"
SHOP = "hookline-shop"
EVENT = "hookline-event"  # the platform's own word; empty where the body hides it
RECEIVED_US = "hookline-received-us"  # the ingress's clock, microseconds
CONTENT_TYPE = "hookline-content-type"
CONTENT_ENCODING = "hookline-content-encoding"  # identity or gzip
QUERY = "hookline-query"  # URL-encoded, secrets removed
SHOP_HEADER = "hookline-shop-header"  # the platform's own shop header where it differs
TRACEPARENT = "traceparent"
REPLAY_OF = "hookline-replay-of"  # partition:offset of the dead letter
ORIGINAL = "hookline-original"  # partition:offset:append-ms of a replayed delivery's first record

# Headers of an outcome (canonical, duplicate, dead letter): the dedupe state.
RAW_OFFSET = "hookline-raw-offset"
RAW_TIME = "hookline-raw-time"  # append time of the raw record, milliseconds
SLOT = "hookline-slot"
SLOTS = "hookline-slots"  # all names of this delivery, comma-separated
ENTITY = "hookline-entity"
DIGEST = "hookline-digest"  # 16 bytes of blake2b
ADAPTER = "hookline-adapter"
# Headers of a dead letter beside them, and Kafka Connect's.
STAGE = "hookline-stage"
REASON = "hookline-reason"
FIELD_PATH = "hookline-field-path"
DETAIL = "hookline-detail"
RAW_PARTITION = "hookline-raw-partition"
CONNECT = "__connect.errors."

DEAD_SLOT = "dead-letter"
DUPLICATE_SLOT = "duplicate"

EVENT_NAMESPACE = uuid.UUID("6f1c9f1e-2f5b-5f0e-9a55-0d6b2c7f7a10")
_NAMESPACE = EVENT_NAMESPACE.bytes
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""A hexadecimal digit with the two bits that RFC 9562 sets."""


class Reason(StrEnum):
    """Why a delivery became a dead letter."""

    MALFORMED_BODY = "malformed-body"
    UNSUPPORTED_FORMAT = "unsupported-format"
    UNKNOWN_EVENT = "unknown-event"
    INVALID_PAYLOAD = "invalid-payload"
    OUT_OF_RANGE = "out-of-range"
    TOO_LARGE = "too-large"
    KILLED_WORKER = "killed-worker"
    INTERNAL_ERROR = "internal-error"


class _Words(dict[bytes, str]):
    """Texts of bytes that come again and again."""

    def __missing__(self, raw: bytes) -> str:
        word = raw.decode(errors="replace")
        if len(raw) <= _LONGEST_WORD:
            if len(self) >= _MOST_WORDS:
                self.clear()
            self[raw] = word
        return word


_LONGEST_WORD, _MOST_WORDS = 100, 1000
_words = _Words()
_USUAL = (DELIVERY, SOURCE, SHOP, EVENT, RECEIVED_US, CONTENT_TYPE, CONTENT_ENCODING, QUERY)
"""The headers of most raw records, as the ingress orders them."""


class RawDelivery(msgspec.Struct, frozen=True, gc=False):
    """A record of the raw topic, its headers read.

    ``body`` holds the bytes as received (``content_encoding`` says how). Times: microseconds
    for ``received_at``, milliseconds (the broker's) for ``appended_ms``. All of the
    record's headers are kept, unread ones too; most records have the same names.
    """

    partition: int
    offset: int
    appended_ms: int
    key: bytes
    body: bytes
    delivery_id: str
    source: str
    shop: str
    event: str
    received_at: int
    content_type: str = ""
    content_encoding: str = "identity"
    query: str = ""
    replay_of: str | None = None
    original: tuple[int, int, int] | None = None
    header_names: tuple[str, ...] = ()
    header_values: tuple[bytes, ...] = ()

    @property
    def headers(self) -> Headers:
        """The record's headers, in order."""
        return list(zip(self.header_names, self.header_values, strict=True))

    @property
    def timestamp(self) -> int:
        """The append time, as every record names it."""
        return self.appended_ms

    @property
    def entity(self) -> str:
        """The entity for ordering and dedupe: the raw key."""
        return self.key.decode()

    @property
    def version_origin(self) -> tuple[int, int, int]:
        """(partition, offset, append ms) that the version counts: a replay keeps its first."""
        return self.original or (self.partition, self.offset, self.appended_ms)

    @classmethod
    def of(  # noqa: D102 - the constructor from a Kafka record
        cls,
        partition: int,
        offset: int,
        appended_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes]],
    ) -> "RawDelivery":
        told = tuple(headers)
        replay_of = original = None
        names: tuple[str, ...] = ()
        values: tuple[bytes, ...]
        if len(told) == len(_USUAL):
            # Compared in place: a dict would hash each name, made anew for each record.
            (
                (a, delivery), (b, source), (c, shop), (d, event),
                (e, received), (f, kind), (g, encoding), (h, query),
            ) = told  # fmt: skip
            names = a, b, c, d, e, f, g, h
        if names == _USUAL:
            names = _USUAL
            values = delivery, source, shop, event, received, kind, encoding, query
        else:
            names, values = tuple([name for name, _ in told]), tuple([value for _, value in told])
            said: Mapping[str, bytes] = dict(told)
            delivery, source, shop = said[DELIVERY], said[SOURCE], said[SHOP]
            event, received = said.get(EVENT, b""), said[RECEIVED_US]
            kind = said.get(CONTENT_TYPE, b"")
            encoding, query = said.get(CONTENT_ENCODING, b"identity"), said.get(QUERY, b"")
            replay_of, original = said.get(REPLAY_OF), said.get(ORIGINAL)
        parts = tuple(int(part) for part in original.split(b":")) if original else None
        return cls(
            partition,
            offset,
            appended_ms,
            key or b"",
            value or b"",
            delivery.decode(),
            source.decode(),
            shop.decode(),
            _words[event],
            int(received),
            _words[kind],
            _words[encoding],
            _words[query],
            replay_of.decode() if replay_of else None,
            (parts[0], parts[1], parts[2]) if parts else None,
            names,
            values,
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """Why no event can be made of a delivery: an outcome, not a bug.

    ``path`` names the offending field (``data.items[0].cost``), or the byte offset where a
    body does not parse (``@17``).
    """

    reason: Reason
    path: str = ""
    detail: str = ""
    stage: str = "transform"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One record to append for a delivery, ready to send.

    ``topic`` is a base name; ``headers`` hold the index headers of this module.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers = msgspec.field(default_factory=list)


def event_id(delivery_id: str, slot: str) -> str:
    """UUIDv5 of the delivery and the slot: the same at every attempt."""
    name = _NAMESPACE + f"{delivery_id}/{slot}".encode()
    told = hashlib.sha1(name, usedforsecurity=False).hexdigest()
    return f"{told[:8]}-{told[8:12]}-5{told[13:16]}-{_VARIANT[told[16]]}{told[17:20]}-{told[20:32]}"
