"""Raw records and outcomes: their headers, what an outcome is, reasons of rejection.

Header names are a contract; every value is bytes (numbers in ASCII, text in UTF-8).
"""

import hashlib
import uuid
from dataclasses import dataclass
from enum import StrEnum

import msgspec

Headers = list[tuple[str, bytes]]
"""Kafka record headers, in order."""

# Headers of a raw record (topic hookline.webhooks).
DELIVERY = "hookline-delivery"  # UUIDv7
SOURCE = "hookline-source"
SHOP = "hookline-shop"
EVENT = "hookline-event"  # the platform's own event name; empty if unreadable
RECEIVED_US = "hookline-received-us"  # the ingress's clock, microseconds
CONTENT_TYPE = "hookline-content-type"
CONTENT_ENCODING = "hookline-content-encoding"  # identity or gzip
QUERY = "hookline-query"  # URL-encoded, secrets removed
SHOP_HEADER = "hookline-shop-header"  # the platform's own shop header if it differs
TRACEPARENT = "traceparent"
REPLAY_OF = "hookline-replay-of"  # partition:offset of the dead letter
ORIGINAL = "hookline-original"  # partition:offset:append-ms of a replayed delivery's first record
IMPORT = "hookline-import"  # of an imported delivery: ``Imported.header``

# Headers of an outcome (canonical event, duplicate, dead letter): the dedupe state.
RAW_OFFSET = "hookline-raw-offset"
RAW_TIME = "hookline-raw-time"  # append time of the raw record, milliseconds
SLOT = "hookline-slot"
SLOTS = "hookline-slots"  # all slots of this delivery, comma-separated
ENTITY = "hookline-entity"
DIGEST = "hookline-digest"  # 16 bytes of blake2b
ADAPTER = "hookline-adapter"
SEEN_BEFORE = "hookline-seen-before"  # of a repeated body: other-topic or state, ":", raw offset
# Further headers of a dead letter, and the prefix of Kafka Connect's.
STAGE = "hookline-stage"
REASON = "hookline-reason"
FIELD_PATH = "hookline-field-path"
DETAIL = "hookline-detail"
RAW_PARTITION = "hookline-raw-partition"
CONNECT = "__connect.errors."

DEAD_SLOT = "dead-letter"
DUPLICATE_SLOT = "duplicate"

EVENT_NAMESPACE = uuid.UUID("6f1c9f1e-2f5b-5f0e-9a55-0d6b2c7f7a10")
_NAMESPACE = hashlib.sha1(EVENT_NAMESPACE.bytes, usedforsecurity=False)
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
    FOREIGN_RECORD = "foreign-record"
    UNKNOWN_SHOP = "unknown-shop"
    TOPIC_REPLAY = "topic-replay"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a delivery cannot become an event: an outcome, not a bug.

    ``path`` names the offending field (``data.items[0].cost``), or the byte offset where a
    body does not parse (``@17``).
    """

    reason: Reason
    path: str = ""
    detail: str = ""
    stage: str = "transform"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A record to append for a delivery, ready to send.

    ``topic`` is a base name; ``headers`` hold the index headers of this module.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers = msgspec.field(default_factory=list)


def foreign_delivery_id(partition: int, offset: int) -> str:
    """Return the delivery id of a raw record that has none."""
    return event_id(f"foreign/{partition}/{offset}", DEAD_SLOT)


def event_id(delivery_id: str, slot: str) -> str:
    """Return the UUIDv5 of the delivery and the slot: the same for every attempt."""
    # Not uuid.uuid5, which builds an object only to format it.
    named = _NAMESPACE.copy()
    named.update(f"{delivery_id}/{slot}".encode())
    sha = named.hexdigest()
    return f"{sha[:8]}-{sha[8:12]}-5{sha[13:16]}-{_VARIANT[sha[16]]}{sha[17:20]}-{sha[20:32]}"
