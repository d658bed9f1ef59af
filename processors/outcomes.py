"""The records that a verdict appends: events, duplicates, dead letters, with their headers."""

import msgspec

from processors.dedupe import Said
from processors.sources.contract import Parsed
from schemas import envelopes
from schemas.codegen.bounded_cache import Remembered
from schemas.envelopes import Headers, Outcome, RawDelivery, Reason, Reject
from schemas.topics import CANONICAL, DEAD_LETTERS, DUPLICATES, WEBHOOKS, Topic

DETAIL_BYTES = 8192
_ROOM = min(topic.max_message_bytes for topic in CANONICAL)
SURELY_FITS = (_ROOM - WEBHOOKS.max_message_bytes) // 8
"""Bytes of an event that fits if it is its delivery's only one. Its key, its slot and what
CloudEvents repeat stand in it too, seven times at most; the rest is of the raw record, which
its own topic bounds."""

_numbers: Remembered[int, bytes] = Remembered(lambda number: b"%d" % number, 1_000)
"""Those that many outcomes share: versions, and times, which records of one batch have as one."""

Made = tuple[Topic, bytes, bytes, Headers]
"""One slot's topic, key and encoded event, and headers beside those of the index."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What every outcome of a delivery says of where it came from."""

    raw: RawDelivery
    adapter_version: int
    digest: bytes

    def headers(self, slot: str, slots: tuple[str, ...]) -> Headers:
        """The index headers: the dedupe state."""
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
        return headers


def event(origin: Origin, slot: str, made: Made, slots: tuple[str, ...]) -> Outcome | Reject:
    """One slot's event, unless its topic cannot take it."""
    topic, key, value, more = made
    headers = origin.headers(slot, slots)
    headers += more
    outcome = Outcome(topic.name, key, value, headers)
    if (len(slots) == 1 and len(value) <= SURELY_FITS) or not too_large(topic, outcome):
        return outcome
    detail = f"{len(value)} bytes as an event; {topic.name} takes {topic.max_message_bytes}"
    return Reject(Reason.TOO_LARGE, slot, detail, "encode")


def too_large(topic: Topic, outcome: Outcome) -> bool:
    """Whether a record, with its key and headers, is beyond what its topic takes."""
    size = len(outcome.key) + len(outcome.value) + 1024
    for name, value in outcome.headers:
        size += len(name) + len(value) + 4
    return size > topic.max_message_bytes


def duplicate(origin: Origin, parsed: Parsed, repeated: Said) -> Outcome:
    """A small record that names what a delivery repeats."""
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
        "repeats_raw_offset": repeated.raw_offset,
        "repeats_appended_ms": repeated.appended_ms,
    }
    return Outcome(
        DUPLICATES.name, raw.key, msgspec.json.encode(record), origin.headers(slot, (slot,))
    )


def letter(
    origin: Origin,
    reject: Reject,
    slot: str = envelopes.DEAD_SLOT,
    slots: tuple[str, ...] = (envelopes.DEAD_SLOT,),
) -> Outcome:
    """A dead letter: of a whole delivery, or in the place of one slot of a canonical one."""
    raw = origin.raw
    ours = origin.headers(slot, slots)
    named = {name for name, _ in ours}
    kept = [(name, value) for name, value in raw.headers if name not in named]
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
            *ours,
            (envelopes.RAW_PARTITION, b"%d" % raw.partition),
            (envelopes.STAGE, reject.stage.encode()),
            (envelopes.REASON, reject.reason.encode()),
            (envelopes.FIELD_PATH, reject.path.encode(errors="replace")),
            (envelopes.DETAIL, detail),
            *((f"{envelopes.CONNECT}{name}", value) for name, value in connect.items()),
        ],
    )
