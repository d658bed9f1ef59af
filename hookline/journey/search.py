"""One search: a text in, a typed answer out. For the command and for pages alike."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hookline.console.errors import CommandError
from hookline.explain import key_lookup
from hookline.explain.story import Story, story_of
from hookline.journey import deliveries, outcomes
from hookline.journey import entities as entities_
from hookline.journey.deliveries import Limits
from hookline.journey.entities import Entities
from hookline.journey.logs import Logs, Progress, opened, silent
from hookline.journey.model import (
    Answer,
    Deliveries,
    Listed,
    Missing,
    MissingReason,
)
from hookline.journey.search_text import (
    FORMS,
    Address,
    DeliveryId,
    EntityKey,
    HashedAddress,
    NativeId,
    RawPosition,
    SearchText,
    parse,
)
from hookline.journey.trace import NO_TABLES, Tracer
from hookline.journey.verdict import to_time
from hookline.journey.windows import CLOCKS_MS, WAIT_MS
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from processors.sources.personal_ids import hashed_key
from runtime.kafka import log_reader
from schemas.raw_delivery import RawDelivery
from schemas.topics import RAW_RETENTION, WEBHOOKS
from sinks.merge.last_writer import Layers

_DAY_MS = 86_400_000
STORIES = 3
"""Subjects whose stories are in an answer, at most."""


@dataclass(frozen=True, slots=True)
class Options:
    """``maximum``: deliveries of a list; ``since_ms``: go back to there at most."""

    maximum: int = 20
    since_ms: int | None = None
    with_body: bool = False


DEFAULT = Options()


async def search(
    stack: StackAddress, text: str, options: Options = DEFAULT, progress: Progress = silent
) -> Answer:
    """Return what a text names. Raises CommandError, KafkaError, psycopg.Error, SettingsError."""
    wanted = parse(text)
    reader = Reader(stack) if stack.reader_url else None
    try:
        async with opened(stack.settings) as logs:
            desk = Desk(stack, logs, reader, options, progress)
            return await desk.answer(wanted)
    finally:
        if reader is not None:
            reader.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers searches with open connections. ``reader`` is None where the tables are not read."""

    stack: StackAddress
    logs: Logs
    reader: Reader | None
    options: Options = DEFAULT
    progress: Progress = silent

    async def answer(self, wanted: SearchText) -> Answer:
        """Return the journey of a delivery, or the deliveries of an entity or a person."""
        match wanted:
            case DeliveryId():
                return await self._delivery(wanted)
            case RawPosition():
                return await self._position(wanted)
            case EntityKey():
                return await self._key(wanted)
            case NativeId():
                return await self._key(EntityKey(self._whole_key(wanted.text)))
            case Address():
                self._required_reader()
                return await self._person(await entities_.of_address(self.stack, wanted.text))
            case HashedAddress():
                self._required_reader()
                return await self._person(await entities_.of_hashes(self.stack, wanted))

    @property
    def _tracer(self) -> Tracer:
        return Tracer(self.logs, self.reader, self.progress, self.options.with_body)

    def _required_reader(self) -> Reader:
        if self.reader is None:
            raise CommandError(f"this needs the tables, and {NO_TABLES}")
        return self.reader

    async def _delivery(self, wanted: DeliveryId) -> Answer:
        raw = await deliveries.by_id(self.logs, wanted.text, wanted.received_ms, self.progress)
        if raw is not None:
            return await self._tracer.follow(raw)
        found = await outcomes.of_delivery(
            self.logs, wanted.text, wanted.received_ms, self.progress
        )
        if found.outcomes:
            return await self._tracer.follow_outcomes(found, wanted.text, wanted.received_ms)
        return missing_delivery(wanted.received_ms, _now_ms())

    async def _position(self, wanted: RawPosition) -> Answer:
        partitions = self.logs.partitions[WEBHOOKS]
        name = f"{wanted.partition}:{wanted.offset}"
        if wanted.topic not in ("", topic := self.stack.settings.topic(WEBHOOKS)):
            raise CommandError(f"{wanted.topic} is not the raw topic: give a place in {topic}")
        if wanted.partition >= len(partitions):
            last = len(partitions) - 1
            return Missing(
                MissingReason.NOT_THERE, f"{name}: the raw topic has partitions 0 to {last}"
            )
        tp = partitions[wanted.partition]
        first = (await log_reader.beginning_offsets(self.logs.client, [tp]))[tp]
        end = (await log_reader.end_offsets(self.logs.client, [tp]))[tp]
        if wanted.offset < first:
            return Missing(
                MissingReason.BEYOND_RETENTION,
                f"{name} is gone by retention: {tp.topic} begins at {wanted.partition}:{first}"
                " now. Its events are kept: search for its entity or its delivery id",
            )
        if wanted.offset >= end:
            return Missing(
                MissingReason.NOT_THERE,
                f"{name} is not written yet: the partition ends before {wanted.partition}:{end}",
            )
        raw = await deliveries.at(self.logs, wanted.partition, wanted.offset)
        if raw is None:
            return Missing(
                MissingReason.NOT_THERE, f"{name} holds no record: a transaction marker of Kafka"
            )
        return await self._tracer.follow(raw)

    async def _key(self, wanted: EntityKey) -> Answer:
        key = hashed_key(wanted.key.encode(), self.logs.settings.contact_key.encode()).decode()
        if wanted.is_person and self.reader is not None:
            return await self._deliveries(await entities_.of_key(self.stack, key))
        notes = (f"only deliveries of the key itself: {NO_TABLES}",) if wanted.is_person else ()
        return await self._deliveries(Entities((key,), (key,), notes))

    async def _person(self, entities: Entities) -> Answer:
        if entities.keys:
            return await self._deliveries(entities)
        unknown = "no customer or guest in the tables has this address"
        return Missing(MissingReason.UNKNOWN_PERSON, "; ".join((unknown, *entities.notes)))

    async def _deliveries(self, entities: Entities) -> Answer:
        limits = Limits(self.options.maximum, _now_ms(), self.options.since_ms)
        newest = await deliveries.newest(self.logs, entities.keys, limits, self.progress)
        notes = list(entities.notes)
        raws, back_to = newest.deliveries, newest.back_to_ms
        if not raws:
            some = entities.keys[: self.options.maximum]
            known = [] if self.reader is None else entities_.layers(self.reader, some)
            if not known and back_to is None:
                return Missing(
                    MissingReason.NOT_THERE,
                    f"neither the tables nor the raw topic know {', '.join(some[:3])}",
                    ("hookline tables carts", "hookline tables customers"),
                )
            if raws := await self._carriers(known):
                notes.append("no delivery is about it alone: it came as a part of these")
            elif known:
                notes.append("the tables know it; its deliveries are gone from the raw topic")
        tracer = self._tracer
        listed = [Listed(*await tracer.summary(raw)) for raw in raws]
        following = [f"hookline journey {each.received.delivery}" for each in listed[:1]]
        dead = [letter for each in listed for letter in each.verdict.letters]
        following += [f"hookline dead show {letter.record.position}" for letter in dead[:1]]
        return Deliveries(
            entities.customers or entities.keys,
            tuple(listed),
            None if back_to is None else to_time(back_to),
            tuple(notes),
            tuple(following),
            self._stories(entities.customers or entities.keys),
        )

    def _stories(self, subjects: Sequence[str]) -> tuple[Story, ...]:
        if self.reader is None:
            return ()
        found = (story_of(self.reader, key) for key in subjects[:STORIES])
        return tuple(story for story in found if story is not None)

    async def _carriers(self, known: list[Layers]) -> list[RawDelivery]:
        """Return the deliveries of other entities that made these, as the tables name them."""
        found = []
        for partition, offset in entities_.origins(known):
            raw = await deliveries.at(self.logs, partition, offset)
            if raw is not None:
                found.append(raw)
        found.sort(key=lambda raw: raw.appended_ms, reverse=True)
        return found[: self.options.maximum]

    def _whole_key(self, text: str) -> str:
        """Return the key that an id names. Raises CommandError for none, and for several."""
        reader = self._required_reader()
        keys = [
            key for kind in key_lookup.KINDS for key in key_lookup.matching_keys(reader, kind, text)
        ]
        if len(keys) == 1:
            return keys[0]
        if keys:
            raise CommandError(f"{text!r} may be {', '.join(keys)}: give the whole key")
        raise CommandError(
            f"the tables have no order, cart or customer {text!r}. A whole key, like"
            f" spiffy/johns/order:7, is looked for in the raw topic too. What can be given: {FORMS}"
        )


def missing_delivery(received_ms: int, now_ms: int) -> Missing:
    """Explain why no delivery with this time in its id was found."""
    at = to_time(received_ms)
    received = f"its id is of {at:%Y-%m-%d %H:%M:%S} UTC"
    if received_ms > now_ms + CLOCKS_MS:
        return Missing(MissingReason.TO_COME, f"no such delivery: {received}, which is to come")
    days = RAW_RETENTION.days
    if now_ms - received_ms > days * _DAY_MS:
        return Missing(
            MissingReason.BEYOND_RETENTION,
            f"{received}: the raw topic keeps deliveries for {days} days, and no outcome of it was"
            " appended near that time. Its entity's rows name the events that made them",
            ("hookline why --help",),
        )
    minutes = CLOCKS_MS // 60_000
    return Missing(
        MissingReason.NOT_THERE,
        f"no such delivery: {received}, and no record near that time has it. Looked for where"
        f" clocks differ by up to {minutes} minutes and it waited in the ingress for up to"
        f" {WAIT_MS // 60_000}. Is it of this stack ({datetime.now(UTC):%Y-%m-%d} now)? An answer"
        " other than 200 has no delivery",
        ("hookline status", "hookline audit"),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
