"""The records that a verdict appends, with their headers: events, duplicates, dead letters."""

import hashlib

import msgspec
from msgspec import structs

from processors.dedupe import PriorOutcome
from processors.sources.contract import Parsed
from schemas import envelopes
from schemas.codegen.bounded_cache import BoundedCache
from schemas.envelopes import Headers, Outcome, Reason, Reject
from schemas.raw_delivery import RawDelivery
from schemas.topics import CANONICAL, DEAD_LETTERS, DUPLICATES, WEBHOOKS, Topic

DETAIL_BYTES = 8192
_ROOM = min(topic.max_message_bytes for topic in CANONICAL)
SURELY_FITS = (_ROOM - WEBHOOKS.max_message_bytes) // 8
"""Bytes of an event that is certain to fit its topic if it is the only one of its delivery. Its
key, its slot and the CloudEvents headers repeat parts of it, seven times at most; everything else
comes from the raw record, whose own topic bounds it."""

_numbers: BoundedCache[int, bytes] = BoundedCache(lambda number: b"%d" % number, 1_000)
"""Encoded numbers that many outcomes share: versions, and the append time of a whole batch."""

EncodedEvent = tuple[Topic, bytes, bytes, Headers]
"""One slot's topic, key and encoded event, and its headers beside those of the index."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where the outcomes of a delivery come from, as their headers name it."""

    raw: RawDelivery
    adapter_version: int
    digest: bytes

    def headers(self, slot: str, slots: tuple[str, ...]) -> Headers:
        """The index headers of one slot: from them the dedupe index is recovered."""
        raw, name = self.raw, slot.encode()
        headers = [
            (envelopes.RAW_OFFSET, b"%d" % raw.offset),
            (envelopes.RAW_TIME, _numbers[raw.appended_ms]),
            (envelopes.SLOT, name),
            (envelopes.SLOTS, name if slots == (slot,) else ",".join(slots).encode()),
            (envelopes.ENTITY, raw.key),
            (envelopes.DIGEST, self.digest),
            (envelopes.DELIVERY, raw.delivery_id.encode()),
            (envelopes.ADAPTER, _numbers[self.adapter_version]),
        ]
        if raw.replay_of is not None:
            headers.append((envelopes.REPLAY_OF, raw.replay_of.encode()))
        if (trace := raw.traceparent) is not None:
            headers.append((envelopes.TRACEPARENT, trace))
        return headers


def event(
    origin: Origin, slot: str, encoded: EncodedEvent, slots: tuple[str, ...]
) -> Outcome | Reject:
    """Make one slot's event, or a reject if it exceeds what its topic takes."""
    topic, key, value, extra_headers = encoded
    headers = origin.headers(slot, slots)
    headers += extra_headers
    outcome = Outcome(topic.name, key, value, headers)
    if (len(slots) == 1 and len(value) <= SURELY_FITS) or not too_large(topic, outcome):
        return outcome
    detail = f"{len(value)} bytes as an event; {topic.name} takes {topic.max_message_bytes}"
    return Reject(Reason.TOO_LARGE, slot, detail, "encode")


def too_large(topic: Topic, outcome: Outcome) -> bool:
    """Whether a record, with its key and headers, exceeds what its topic takes."""
    size = len(outcome.key) + len(outcome.value) + 1024
    for name, value in outcome.headers:
        size += len(name) + len(value) + 4
    return size > topic.max_message_bytes


def duplicate(origin: Origin, parsed: Parsed, prior: PriorOutcome) -> Outcome:
    """Make the small record that names the outcome a delivery repeats."""
    raw, slot = origin.raw, envelopes.DUPLICATE_SLOT
    record = {
        "source": raw.source,
        "shop": raw.shop,
        "event": parsed.event,
        "entity": raw.entity,
        "delivery_id": raw.delivery_id,
        "raw_partition": raw.partition,
        "raw_offset": raw.offset,
        "rule": parsed.rule,
        "repeats_raw_offset": prior.raw_offset,
        "repeats_appended_ms": prior.appended_ms,
    }
    return Outcome(
        DUPLICATES.name, raw.key, msgspec.json.encode(record), origin.headers(slot, (slot,))
    )


def dead_letter(
    origin: Origin,
    reject: Reject,
    slot: str = envelopes.DEAD_SLOT,
    slots: tuple[str, ...] = (envelopes.DEAD_SLOT,),
) -> Outcome:
    """Make the dead letter of a whole delivery, or of one slot of a canonical delivery.

    Where its topic cannot take it, which only another producer's record can cause, it holds the
    body's digest and the raw record's coordinates instead of the body.
    """
    letter = _letter(origin, reject, slot, slots)
    if too_large(DEAD_LETTERS, letter):
        letter = _letter(_described(origin), reject, slot, slots)
    return letter


def _described(origin: Origin) -> Origin:
    """The same with a description of the raw record instead of its key, body and headers."""
    raw = origin.raw
    description = {
        "raw_partition": raw.partition,
        "raw_offset": raw.offset,
        "bytes": len(raw.body),
        "sha256": hashlib.sha256(raw.body).hexdigest(),
    }
    key = raw.key if len(raw.key) <= DETAIL_BYTES else hashlib.sha256(raw.key).digest()
    short = structs.replace(
        raw, key=key, body=msgspec.json.encode(description), header_names=(), header_values=()
    )
    return structs.replace(origin, raw=short)


def _letter(origin: Origin, reject: Reject, slot: str, slots: tuple[str, ...]) -> Outcome:
    raw = origin.raw
    index_headers = origin.headers(slot, slots)
    replaced = {name for name, _ in index_headers}
    kept = [(name, value) for name, value in raw.headers if name not in replaced]
    detail = reject.detail.encode(errors="replace")[:DETAIL_BYTES]
    connect = {
        "topic": WEBHOOKS.name.encode(),
        "partition": b"%d" % raw.partition,
        "offset": b"%d" % raw.offset,
        "connector.name": b"hookline",
        "stage": reject.stage.encode(),
        "class.name": raw.source.encode(),
        "exception.class.name": reject.reason.encode(),
        "exception.message": detail,
    }
    return Outcome(
        DEAD_LETTERS.name,
        raw.key,
        raw.body,
        [
            *kept,
            *index_headers,
            (envelopes.RAW_PARTITION, b"%d" % raw.partition),
            (envelopes.STAGE, reject.stage.encode()),
            (envelopes.REASON, reject.reason.encode()),
            (envelopes.FIELD_PATH, reject.path.encode(errors="replace")),
            (envelopes.DETAIL, detail),
            *((f"{envelopes.CONNECT}{name}", value) for name, value in connect.items()),
        ],
    )
