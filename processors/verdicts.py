"""Raw records -> outcomes: parse, dedupe, transform, encode. Pure but for the index it asks."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from processors import dedupe
from processors.dedupe import Said
from processors.index import PartitionIndex, Questions, Written
from processors.sources.contract import Adapter, Delivery, Parsed, Slots
from runtime.inflating import BodyTooLargeError, MalformedGzipError, inflate
from schemas import envelopes
from schemas.codec import Codec
from schemas.envelopes import Headers, Outcome, RawDelivery, Reason, Reject
from schemas.events import TOPIC_OF
from schemas.shops import Shop
from schemas.topics import BY_RECORD as TOPIC_OF_RECORD
from schemas.topics import DEAD_LETTERS, DUPLICATES, MAX_BODY, WEBHOOKS, Topic

TRACEBACK_BYTES = 8192
NO_ADAPTER_VERSION = 0


@dataclass(frozen=True, slots=True)
class Read:
    """A raw record, read and parsed, before anybody asked whether it repeats another."""

    raw: RawDelivery
    delivery: Delivery | None
    parsed: Parsed | Reject
    adapter: Adapter | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """One delivery's outcomes that are still to be written, and what they amount to."""

    source: str
    kind: str  # canonical, duplicate or dead-letter
    outcomes: tuple[Outcome, ...]
    reason: str = ""


class Verdicts:
    """Decides batches of raw records of one partition, in order."""

    def __init__(
        self,
        codec: Codec,
        adapters: Mapping[str, Adapter],
        contact_key: bytes,
    ) -> None:
        self._codec = codec
        self._adapters = adapters
        self._contact_key = contact_key

    def decide(
        self,
        records: Sequence[Any],
        index: PartitionIndex,
        shops: Mapping[tuple[str, str], Shop],
    ) -> list[Verdict]:
        """The verdicts that the index does not already know, in offset order."""
        unsettled: list[tuple[Any, Written | None]] = []
        for record in records:
            written = index.written(record.offset)
            if written is None or not written.is_complete:
                unsettled.append((record, written))
        reads = [self._read(record, shops) for record, _ in unsettled]
        questions = index.questions(
            [read.digest for read in reads], [read.raw.entity for read in reads]
        )
        return [
            self._verdict(position, read, written, questions)
            for position, (read, (_, written)) in enumerate(zip(reads, unsettled, strict=True))
        ]

    # parse

    def _read(self, record: Any, shops: Mapping[tuple[str, str], Shop]) -> Read:
        raw = RawDelivery.of(
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            record.headers,
        )
        body = inflated(raw)
        if isinstance(body, Reject):
            return self._unparsed(raw, body, raw.body)
        shop = shops.get((raw.source, raw.shop))
        adapter = self._adapters.get(raw.source)
        if shop is None or adapter is None:
            missing = Reject(
                Reason.INVALID_PAYLOAD,
                envelopes.SHOP,
                f"{raw.source}/{raw.shop} is not in the shops file any more",
                "parse",
            )
            return self._unparsed(raw, missing, body)
        delivery = Delivery(raw, shop, body, self._contact_key)
        try:
            parsed = adapter.parse(delivery)
        except Exception:  # noqa: BLE001 - a bug in an adapter is a dead letter, not a stuck partition
            parsed = bug("parse")
        if isinstance(parsed, Reject):
            return self._unparsed(raw, parsed, body)
        said = dedupe.digest(raw.source, raw.shop, parsed.event, parsed.query_identifiers, body)
        return Read(raw, delivery, parsed, adapter, said)

    def _unparsed(self, raw: RawDelivery, reject: Reject, body: bytes) -> Read:
        said = dedupe.digest(raw.source, raw.shop, raw.event, raw.query, body)
        return Read(raw, None, reject, self._adapters.get(raw.source), said)

    # dedupe -> transform

    def _verdict(
        self, position: int, read: Read, written: Written | None, questions: Questions
    ) -> Verdict:
        raw, parsed = read.raw, read.parsed
        if isinstance(parsed, Reject):
            return self._dead(read, parsed)
        assert read.delivery is not None  # noqa: S101 - parsed means that there is one
        assert read.adapter is not None  # noqa: S101
        if written is None and raw.replay_of is None:
            repeated = dedupe.repeats(
                parsed.rule,
                read.digest,
                raw.appended_ms,
                questions.same(position, read.digest, raw.offset),
                questions.latest(position, raw.entity, raw.offset),
                read.delivery.shop.window,
                read.delivery.shop.state_retry_window,
            )
            if repeated is not None:
                return self._duplicate(read, parsed, repeated)
        try:
            slots = read.adapter.events(read.delivery, parsed)
            encoded = (
                slots
                if isinstance(slots, Reject)
                else {name: self._codec.encode(event) for name, event in slots.items()}
            )
        except Exception:  # noqa: BLE001 - as above
            return self._dead(read, bug("transform"))
        if isinstance(slots, Reject) or isinstance(encoded, Reject):
            return self._dead(read, slots if isinstance(slots, Reject) else bug("transform"))
        return self._canonical(read, slots, encoded, written, questions)

    def _canonical(
        self,
        read: Read,
        slots: Slots,
        encoded: dict[str, bytes],
        written: Written | None,
        questions: Questions,
    ) -> Verdict:
        raw = read.raw
        names = ",".join(slots if written is None else sorted(written.slots)).encode()
        outcomes = []
        for name, event in slots.items():
            if written is not None and (name in written.found or name not in written.slots):
                continue  # the first copy in the log wins, and so does its list of slots
            topic = TOPIC_OF_RECORD[TOPIC_OF[type(event)]]
            outcome = Outcome(
                topic.name,
                event.meta.entity.encode(),
                encoded[name],
                [*self._index_headers(read, name), (envelopes.SLOTS, names)],
            )
            if too_large(topic, outcome):
                return self._dead(
                    read,
                    Reject(
                        Reason.TOO_LARGE,
                        name,
                        f"{len(outcome.value)} bytes as an event; {topic.name} takes"
                        f" {topic.max_message_bytes}",
                        "encode",
                    ),
                )
            outcomes.append(outcome)
        questions.claim(
            read.digest,
            raw.entity,
            Said(raw.offset, raw.appended_ms, read.digest),
            is_replay=raw.replay_of is not None,
        )
        return Verdict(raw.source, "canonical", tuple(outcomes))

    # outcomes

    def _index_headers(self, read: Read, slot: str) -> Headers:
        raw = read.raw
        version = read.adapter.version if read.adapter else NO_ADAPTER_VERSION
        headers = [
            (envelopes.RAW_OFFSET, b"%d" % raw.offset),
            (envelopes.RAW_TIME, b"%d" % raw.appended_ms),
            (envelopes.SLOT, slot.encode()),
            (envelopes.ENTITY, raw.key),
            (envelopes.DIGEST, read.digest),
            (envelopes.DELIVERY, raw.delivery_id.encode()),
            (envelopes.ADAPTER, b"%d" % version),
        ]
        if raw.replay_of is not None:
            headers.append((envelopes.REPLAY_OF, raw.replay_of.encode()))
        return headers

    def _duplicate(self, read: Read, parsed: Parsed, repeated: Said) -> Verdict:
        slot = envelopes.DUPLICATE_SLOT
        record = {
            "source": read.raw.source,
            "shop": read.raw.shop,
            "event": parsed.event,
            "entity": read.raw.entity,
            "delivery_id": read.raw.delivery_id,
            "raw_partition": read.raw.partition,
            "raw_offset": read.raw.offset,
            "rule": parsed.rule,
            "repeats_raw_offset": repeated.raw_offset,
            "repeats_appended_ms": repeated.appended_ms,
        }
        outcome = Outcome(
            DUPLICATES.name,
            read.raw.key,
            msgspec.json.encode(record),
            [*self._index_headers(read, slot), (envelopes.SLOTS, slot.encode())],
        )
        return Verdict(read.raw.source, "duplicate", (outcome,))

    def _dead(self, read: Read, reject: Reject) -> Verdict:
        raw, slot = read.raw, envelopes.DEAD_SLOT
        ours = [*self._index_headers(read, slot), (envelopes.SLOTS, slot.encode())]
        named = {name for name, _ in ours}
        kept = [(name, value) for name, value in raw.headers if name not in named]
        detail = reject.detail.encode(errors="replace")[:TRACEBACK_BYTES]
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
        outcome = Outcome(
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
        return Verdict(raw.source, "dead-letter", (outcome,), reject.reason)


def inflated(raw: RawDelivery) -> bytes | Reject:
    """The body without its content encoding, at most ``MAX_BODY`` bytes of it."""
    if raw.content_encoding in ("", "identity"):
        return raw.body
    if raw.content_encoding != "gzip":
        return Reject(
            Reason.UNSUPPORTED_FORMAT, "content-encoding", raw.content_encoding[:100], "inflate"
        )
    try:
        return inflate(raw.body, MAX_BODY)
    except MalformedGzipError as error:
        return Reject(Reason.MALFORMED_BODY, "@0", f"gzip: {error}", "inflate")
    except BodyTooLargeError:
        return Reject(Reason.TOO_LARGE, "", f"more than {MAX_BODY} bytes inflated", "inflate")


def too_large(topic: Topic, outcome: Outcome) -> bool:
    """Whether a record, with its key and headers, is beyond what its topic takes."""
    size = len(outcome.key) + len(outcome.value) + 1024
    size += sum(len(name) + len(value) + 4 for name, value in outcome.headers)
    return size > topic.max_message_bytes


def bug(stage: str) -> Reject:
    """The exception in hand as a reject: a bug of ours, with its traceback."""
    text = traceback.format_exc()[-TRACEBACK_BYTES:]
    return Reject(Reason.INTERNAL_ERROR, "", text, stage)
