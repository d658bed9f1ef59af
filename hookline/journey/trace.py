"""Follows one delivery through the logs and the tables."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.console.counts import counted
from hookline.dead_letters import marks
from hookline.journey import deliveries, outcomes
from hookline.journey.effects import Effects
from hookline.journey.logs import Logs, Progress, silent
from hookline.journey.model import (
    EventRecord,
    Journey,
    Letter,
    Received,
    Stored,
    Verdict,
    VerdictKind,
)
from hookline.journey.outcomes import Found
from hookline.journey.verdict import events, to_time, verdict
from hookline.shops import masked_body
from hookline.tables.queries import Reader
from processors.parse import inflated_body
from processors.sources.personal_ids import hashed_key
from runtime.kafka import log_reader
from schemas import envelopes
from schemas.envelopes import Reject
from schemas.events import Micros
from schemas.raw_delivery import RawDelivery
from schemas.topics import DEAD_LETTERS, RAW_RETENTION, WEBHOOKS, Group

_WHY = {"carts": "carts", "customers": "customers"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_TABLES = (
    "the tables are not read: HOOKLINE_READER_URL is not set, so rows and signals are missing here"
)


@dataclass(frozen=True, slots=True)
class Tracer:
    """Follows deliveries. ``reader`` is None where the tables are not read."""

    logs: Logs
    reader: Reader | None = None
    progress: Progress = silent
    with_body: bool = False

    async def follow(self, raw: RawDelivery) -> Journey:
        """Return the journey of a delivery whose raw record is there."""
        found = await self._outcomes(raw)
        what, notes = await self._verdict(found, raw), list[str]()
        body = self._body(raw) if self.with_body else None
        at = Stored(
            self.logs.settings.topic(WEBHOOKS), raw.partition, raw.offset, to_time(raw.appended_ms)
        )
        if raw.imported is not None:
            notes.append("imported: no platform sent it now, and no signal comes of it")
        received = self.received(raw)
        return self._with_effects(Journey(received, at, what, body=body), found, notes)

    async def follow_outcomes(self, found: Found, delivery: str, received_ms: int) -> Journey:
        """Return the journey of a delivery whose raw record is gone, from its outcomes."""
        first = found.outcomes[0]
        shop = "/".join(first.text(envelopes.ENTITY).split("/", 2)[:2])
        event = masked_body.without_addresses(first.text(envelopes.EVENT))
        entity = self.shown_key(first.headers.get(envelopes.ENTITY, b""))
        received = Received(delivery, shop, event, entity, to_time(received_ms))
        gone = (
            f"its raw record, {first.record.partition}:{first.raw_offset}, is gone: the raw topic"
            f" keeps deliveries for {RAW_RETENTION.days} days"
        )
        what = await self._with_letters(verdict(found))
        return self._with_effects(Journey(received, None, what), found, [gone])

    async def summary(self, raw: RawDelivery) -> tuple[Received, Stored, Verdict, tuple[Any, ...]]:
        """Return what a list shows of a delivery: no rows, no signals."""
        found = await self._outcomes(raw)
        what = await self._verdict(found, raw)
        at = Stored(
            self.logs.settings.topic(WEBHOOKS), raw.partition, raw.offset, to_time(raw.appended_ms)
        )
        return self.received(raw), at, what, tuple(events(found, self.logs.codec))

    def received(self, raw: RawDelivery) -> Received:
        """Return how a raw record shows that it was received. No address is in it."""
        original = raw.original
        return Received(
            delivery=raw.delivery_id,
            shop=f"{raw.source}/{raw.shop}" if raw.source else "",
            event=masked_body.without_addresses(raw.event),
            entity=self.shown_key(raw.key),
            at=_micros(raw.received_at),
            size=len(raw.body),
            imported=None if raw.imported is None else raw.imported.import_id,
            replay_of=raw.replay_of,
            original=None if original is None else f"{original[0]}:{original[1]}",
            is_foreign=raw.is_foreign,
        )

    def shown_key(self, key: bytes) -> str:
        """Return a raw key without an address: hashed as in outcomes, hidden without a key."""
        contact_key = self.logs.settings.contact_key
        if contact_key:
            return hashed_key(key, contact_key.encode()).decode(errors="replace")
        return masked_body.without_personal_id(key.decode(errors="replace"))

    async def _outcomes(self, raw: RawDelivery) -> Found:
        return await outcomes.of_raw(
            self.logs, raw.partition, raw.offset, raw.appended_ms, progress=self.progress
        )

    async def _verdict(self, found: Found, raw: RawDelivery) -> Verdict:
        what = verdict(found)
        if what.kind is VerdictKind.MISSING:
            return await self._pending(raw.partition, raw.offset)
        if what.repeats is not None:
            number, _, offset = what.repeats.raw.partition(":")
            earlier = await deliveries.at(self.logs, int(number), int(offset))
            if earlier is not None:
                repeated = replace(what.repeats, delivery=earlier.delivery_id)
                what = replace(what, repeats=repeated)
        return await self._with_letters(what)

    async def _pending(self, partition: int, offset: int) -> Verdict:
        """Explain why a delivery has no outcome."""
        committed = await log_reader.committed(self.logs.settings, Group.PROCESSORS)
        tp = self.logs.partitions[WEBHOOKS][partition]
        if partition >= self.logs.declared:
            why = f"nobody processes partition {partition}: somebody added it to the topic"
            return Verdict(VerdictKind.MISSING, explanation=why)
        done = committed.get(tp)
        if done is None or done <= offset:
            where = "have not begun with" if done is None else f"are at offset {done} of"
            before = counted(offset - (done or 0), "delivery", "deliveries")
            why = f"the processors {where} partition {partition}: {before} before it"
            return Verdict(VerdictKind.PENDING, explanation=why)
        why = (
            f"the processors are past it (offset {done} of partition {partition}), and none of the"
            " outcome topics has its outcome: `hookline audit` counts such deliveries"
        )
        return Verdict(VerdictKind.MISSING, explanation=why)

    async def _with_letters(self, what: Verdict) -> Verdict:
        """Add to each dead letter what an operator decided, and its replay."""
        if self.reader is None or not what.letters:
            return what
        return replace(what, letters=tuple([await self._marked(each) for each in what.letters]))

    async def _marked(self, letter: Letter) -> Letter:
        assert self.reader is not None  # noqa: S101 - the caller has asked
        record = letter.record
        topic = self.logs.settings.topic(DEAD_LETTERS)
        rows = self.reader.query(marks.READ, [topic, record.partition, [record.offset]]).rows
        if not rows:
            return letter
        _, _, kind, reason, marked_at = rows[0]
        replayed_as = None
        if kind == marks.REPLAYED:
            marked_ms = int(marked_at.timestamp() * 1000)
            raw = await deliveries.replay_of(
                self.logs, record.partition, record.position, marked_ms, self.progress
            )
            replayed_as = None if raw is None else f"{raw.partition}:{raw.offset}"
        return replace(
            letter, mark=kind, mark_reason=reason, marked_at=marked_at, replayed_as=replayed_as
        )

    def _with_effects(self, journey: Journey, found: Found, notes: list[str]) -> Journey:
        made = events(found, self.logs.codec)
        if found.lacking:
            kept = "contact data is kept for 28 days" if "contact" in found.lacking else "no copy"
            notes.append(f"not in Kafka any more: {', '.join(found.lacking)} ({kept})")
        journey = replace(journey, events=tuple(made))
        if self.reader is None:
            if made:
                notes.append(NO_TABLES)
        else:
            effects = Effects(self.reader)
            for event in made:
                effects.add(event)
            journey = replace(journey, rows=tuple(effects.rows), signals=effects.signals)
        return replace(journey, notes=tuple(notes), next=next_commands(journey))

    def _body(self, raw: RawDelivery) -> Any:
        body = inflated_body(raw)
        if isinstance(body, Reject):
            return f"[{counted(len(raw.body), 'byte')}: {body.reason}]"
        return masked_body.masked(body)


def next_commands(journey: Journey) -> tuple[str, ...]:
    """Return the commands that show more of a journey."""
    made: list[str] = []
    what = journey.verdict
    if what.repeats is not None:
        made.append(f"hookline journey {what.repeats.delivery or what.repeats.raw}")
    for letter in what.letters:
        made.append(f"hookline dead show {letter.record.position}")
        if letter.replayed_as is not None:
            made.append(f"hookline journey {letter.replayed_as}")
        elif letter.mark is None:
            made.append(f"hookline dead replay {letter.record.position} --dry-run")
    if what.kind is VerdictKind.PENDING:
        made.append("hookline status")
    if what.kind is VerdictKind.MISSING:
        made.append("hookline audit")
    made += _why(journey.events, journey)
    if journey.received.replay_of is not None:
        made.append(f"hookline dead show {journey.received.replay_of}")
    return tuple(dict.fromkeys(made))


def _why(made: Sequence[EventRecord], journey: Journey) -> list[str]:
    carts = [row.key for row in journey.rows if row.table == "cart_generations"]
    customers = [
        row.key.rsplit(" ", 1)[0] for row in journey.rows if row.table == "customer_lifetime_value"
    ]
    for event in made:
        if event.entity is not None and event.noun in _WHY:
            (carts if event.noun == "carts" else customers).append(event.entity)
    commands = [f"hookline why carts {shlex.quote(key)}" for key in carts]
    return commands + [f"hookline why customers {shlex.quote(key)}" for key in customers]


def _micros(at: Micros) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=at)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
