"""Raw records -> outcomes: parse, dedupe, transform, encode. Pure but for the index it asks."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from processors import dedupe, outcomes
from processors.dedupe import Said
from processors.index import PartitionIndex, Questions, Written
from processors.outcomes import Made, Origin
from processors.sources.contract import Adapter, Delivery, Parsed
from runtime.inflating import BodyTooLargeError, MalformedGzipError, inflate
from runtime.stage import RefusedError
from schemas import envelopes
from schemas.codec import Codec
from schemas.envelopes import Outcome, RawDelivery, Reason, Reject
from schemas.events import TOPIC_OF
from schemas.shops import Shop
from schemas.topics import BY_RECORD as TOPIC_OF_RECORD
from schemas.topics import MAX_BODY, WEBHOOKS

NO_ADAPTER_VERSION = 0


@dataclass(frozen=True, slots=True)
class Read:
    """A raw record, read and parsed, before anybody asked whether it repeats another."""

    origin: Origin
    delivery: Delivery | None
    parsed: Parsed | Reject
    adapter: Adapter | None

    @property
    def raw(self) -> RawDelivery:
        """The record itself."""
        return self.origin.raw


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
        *,
        is_condemned: bool = False,
    ) -> list[Verdict]:
        """The verdicts that the index does not already know, in offset order.

        ``is_condemned``: they killed their worker too often to be built once more. Raises
        RefusedError where the outcomes that stand are another delivery's.
        """
        unsettled: list[tuple[Any, Written | None]] = []
        for record in records:
            written = index.written(record.offset)
            if written is not None:
                _same_delivery(record, written)
            if written is None or not written.is_complete:
                unsettled.append((record, written))
        reads = [
            self._condemned(raw_of(record)) if is_condemned else self._read(raw_of(record), shops)
            for record, _ in unsettled
        ]
        questions = index.questions(
            [read.origin.digest for read in reads], [read.raw.entity for read in reads]
        )
        return [
            self._verdict(position, read, written, questions)
            for position, (read, (_, written)) in enumerate(zip(reads, unsettled, strict=True))
        ]

    # parse

    def _condemned(self, raw: RawDelivery) -> Read:
        detail = "its worker died each time that this delivery was built"
        return self._unparsed(raw, Reject(Reason.KILLED_WORKER, "", detail, "parse"), raw.body)

    def _read(self, raw: RawDelivery, shops: Mapping[tuple[str, str], Shop]) -> Read:
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
        return Read(Origin(raw, adapter.version, said), delivery, parsed, adapter)

    def _unparsed(self, raw: RawDelivery, reject: Reject, body: bytes) -> Read:
        said = dedupe.digest(raw.source, raw.shop, raw.event, raw.query, body)
        adapter = self._adapters.get(raw.source)
        version = adapter.version if adapter else NO_ADAPTER_VERSION
        return Read(Origin(raw, version, said), None, reject, adapter)

    # dedupe -> transform

    def _verdict(
        self, position: int, read: Read, written: Written | None, questions: Questions
    ) -> Verdict:
        if written is not None:
            return self._completed(read, written, questions)
        if isinstance(read.parsed, Reject):
            return self._dead(read, read.parsed)
        repeated = self._repeated(position, read, questions)
        if repeated is not None:
            duplicate = outcomes.duplicate(read.origin, read.parsed, repeated)
            return Verdict(read.raw.source, "duplicate", (duplicate,))
        made = self._made(read)
        return (
            self._dead(read, made)
            if isinstance(made, Reject)
            else self._whole(read, made, questions)
        )

    def _repeated(self, position: int, read: Read, questions: Questions) -> Said | None:
        """The outcome that this delivery repeats."""
        raw, parsed = read.raw, read.parsed
        assert isinstance(parsed, Parsed)  # noqa: S101 - asked only of what parsed
        assert read.delivery is not None  # noqa: S101
        shop = read.delivery.shop
        if raw.replay_of is None:
            return dedupe.repeats(
                parsed.rule,
                read.origin.digest,
                raw.appended_ms,
                questions.same(position, read.origin.digest, raw.offset),
                questions.latest(position, raw.entity, raw.offset),
                shop.window,
                shop.state_retry_window,
            )
        first = raw.original[1] if raw.original else None
        own = questions.own(position, read.origin.digest, raw.delivery_id, first, raw.offset)
        return own if own is not None and dedupe.within(own, raw.appended_ms, shop.window) else None

    def _made(self, read: Read) -> dict[str, Made] | Reject:
        """Everything that the adapter gives, encoded; the primary slot first."""
        if isinstance(read.parsed, Reject):
            return read.parsed
        assert read.delivery is not None  # noqa: S101 - parsed means that there is one
        assert read.adapter is not None  # noqa: S101
        try:
            slots = read.adapter.events(read.delivery, read.parsed)
            if isinstance(slots, Reject):
                return slots
            return {
                name: (
                    TOPIC_OF_RECORD[TOPIC_OF[type(event)]],
                    event.meta.entity.encode(),
                    self._codec.encode(event),
                )
                for name, event in slots.items()
            }
        except Exception:  # noqa: BLE001 - as in parse
            return bug("transform")

    def _whole(self, read: Read, made: dict[str, Made], questions: Questions) -> Verdict:
        """Every slot, or none."""
        slots, events = tuple(made), []
        for slot, each in made.items():
            event = outcomes.event(read.origin, slot, each, slots)
            if isinstance(event, Reject):
                return self._dead(read, event)
            events.append(event)
        self._claim(read.origin, questions)
        return Verdict(read.raw.source, "canonical", tuple(events))

    def _completed(self, read: Read, written: Written, questions: Questions) -> Verdict:
        """The slots that a crash left out, of a delivery that is canonical and stays it.

        The first copy in the log wins, and so do its list of slots and its digest. What
        cannot be made any more gets a dead letter in its place, so that the delivery is whole.
        """
        made = self._made(read)
        origin, slots = replace(read.origin, digest=written.digest), written.plain_slots
        settled, reason = [], ""
        for slot in written.missing:
            outcome: Outcome | Reject
            if isinstance(made, Reject):
                outcome = made
            elif slot in made:
                outcome = outcomes.event(origin, slot, made[slot], slots)
            else:
                outcome = Reject(
                    Reason.INTERNAL_ERROR,
                    slot,
                    f"{slot} was to be written by another adapter version than"
                    f" {origin.adapter_version}, which gives only {', '.join(made)}",
                )
            if isinstance(outcome, Reject):
                reason = outcome.reason
                outcome = outcomes.letter(origin, outcome, slot, slots)
            settled.append(outcome)
        self._claim(origin, questions)
        return Verdict(read.raw.source, "canonical", tuple(settled), reason)

    def _claim(self, origin: Origin, questions: Questions) -> None:
        raw = origin.raw
        questions.claim(
            Said(raw.offset, raw.appended_ms, origin.digest),
            raw.entity,
            raw.delivery_id,
            is_replay=raw.replay_of is not None,
        )

    def _dead(self, read: Read, reject: Reject) -> Verdict:
        letter = outcomes.letter(read.origin, reject)
        return Verdict(read.raw.source, "dead-letter", (letter,), reject.reason)


def _same_delivery(record: Any, written: Written) -> None:
    delivery_id = dict(record.headers)[envelopes.DELIVERY].decode()
    if delivery_id != written.delivery_id:
        raise RefusedError(
            f"offset {record.offset} of {WEBHOOKS.name}/{record.partition} is delivery"
            f" {delivery_id}, but its outcomes are those of {written.delivery_id}: the topic was"
            " recreated under us; restore it, or start over under a new prefix"
        )


def raw_of(record: Any) -> RawDelivery:
    """A consumer record of the raw topic, its headers read."""
    return RawDelivery.of(
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
    )


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


def bug(stage: str) -> Reject:
    """The exception in hand as a reject: a bug of ours, with its traceback."""
    text = traceback.format_exc()[-outcomes.DETAIL_BYTES :]
    return Reject(Reason.INTERNAL_ERROR, "", text, stage)
