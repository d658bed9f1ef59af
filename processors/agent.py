"""The processor stage: raw deliveries in, one verdict for each out.

    parse -> validate -> dedupe -> transform -> emit

``decide.py`` makes the verdicts. This module writes them in the order that loses nothing:
outcomes first, offset second.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from aiokafka import AIOKafkaProducer

from processors.decide import Decider, Verdict
from processors.erasures import ProcessorErasures
from processors.index.disk_cache import IndexCache
from processors.index.open_index import OpenIndex
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.recovery import HORIZON_MARGIN_MS, IndexRecovery
from processors.index.run_set import IndexRow
from processors.seen_before import Kind
from processors.sources import ADAPTERS
from processors.sources.contract import Adapter
from processors.unknown_fields import UnknownFields
from processors.unknown_shops import ShopWait
from runtime import contact_key, logs, metrics
from runtime.consumer.crash_marks import Chunk
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.producer import Appended, BatchSender, started_producer
from runtime.process.cpu_limit import Budget
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from runtime.stage import Batch, MovedError, Partition, RecordFactory
from runtime.traces import Traces, spanning, traces_of
from runtime.worker import run_worker
from schemas.envelopes import Outcome
from schemas.raw_delivery import RawDelivery
from schemas.topics import DECISIONS, ERASURES, OUTCOMES, WEBHOOKS, Group, Topic

log = logs.get("hookline.processors")

_SEEN = {Kind.OTHER_TOPIC: metrics.OTHER_TOPIC, Kind.STATE: metrics.REPLAYED_STATES}
STALE = 0.8
"""Share of the session timeout without a heartbeat after which the group may have evicted us."""


@dataclass(slots=True)
class _ChunkOutcomes:
    """What the verdicts of a chunk add to the index and to the metrics.

    ``index_rows`` are added as they are, ``others`` by their headers. ``kinds`` and ``reasons``
    count verdicts by source, ``seen`` those whose body came before, by shop.
    """

    index_rows: list[IndexRow] = field(default_factory=list)
    others: list[Outcome] = field(default_factory=list)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[tuple[Kind, str, str]] = field(default_factory=Counter)

    def collect(self, verdicts: Iterable[Verdict]) -> Iterator[Outcome]:
        """Yield the outcomes of the verdicts in order, and note each verdict."""
        for verdict in verdicts:
            if verdict.index_row is not None:
                self.index_rows.append(verdict.index_row)
            else:
                self.others += verdict.outcomes
            self.kinds[verdict.source, verdict.kind] += 1
            if verdict.reason:
                self.reasons[verdict.source, verdict.reason] += 1
            if verdict.seen is not None:
                self.seen[verdict.seen.kind, verdict.source, verdict.seen.shop] += 1
            yield from verdict.outcomes


class Processors:
    """The stage that ``runtime.worker`` runs. Tests pass other ``adapters``."""

    topics: tuple[Topic, ...] = (WEBHOOKS,)
    used: Mapping[Topic, str] = dict.fromkeys((WEBHOOKS, DECISIONS, ERASURES, *OUTCOMES), "Read")
    group = Group.PROCESSORS

    def __init__(self, adapters: Mapping[str, Adapter] = ADAPTERS) -> None:
        self._adapters = adapters
        self._open: dict[int, OpenIndex] = {}
        self._busy: set[int] = set()
        self._unknown_fields = UnknownFields()
        self._traces: Traces | None = None
        self._opened = AsyncExitStack()
        metrics.INDEX_ENTRIES.set_function(self._entries)

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect: schemas, shops, the producer, the reader of the outcome logs."""
        settings.require_contact_key()
        self._settings, self._health = settings, health
        await contact_key.claim(settings, health)
        self._erasures = ProcessorErasures(settings, health)
        self._opened.push_async_callback(self._erasures.close)
        await self._erasures.catch_up()
        self._shops = ShopBook(settings.shops_file, health, with_secrets=False)
        self._shops.reload_at_hangup()
        self._shop_wait = ShopWait(settings.shop_wait, self._shops, health)
        for work in (self._shops.watch(), self._erasures.run()):
            self._opened.callback(asyncio.ensure_future(work).cancel)
        codec = await load_codec(settings, health)
        self._budget = Budget(settings.record_budget)
        adapters = {
            source: self._unknown_fields.counting(source, adapter)
            for source, adapter in self._adapters.items()
        }
        self._decider = Decider(
            codec,
            adapters,
            self._erasures.contact_key,
            cloudevents=settings.cloudevents,
            begin=self._budget.renew,
            ledger=self._erasures.ledger,
        )
        producer: AIOKafkaProducer = await started_producer(settings, health)
        self._opened.push_async_callback(producer.stop)
        self._sender = BatchSender(settings, health, producer)
        ask = topics_admin.cluster_id
        self._cache = IndexCache(
            settings, await topics_admin.once_kafka_answers(settings, health, ask)
        )
        self._recovery = IndexRecovery(settings, health, self._cache)
        self._opened.push_async_callback(self._recovery.stop)
        self._opened.push_async_callback(self._cache.flush)
        self._opened.callback(lambda: self._save(self._open))
        self._traces = traces_of(settings, "processors", self._opened)
        await self._recovery.start()

    def record_factory(self, partition: Partition) -> RecordFactory:
        """Make raw deliveries at once: header names and pairs are two fifths of the unpacking."""
        return partial(RawDelivery.of, partition.number)

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """Drop the indexes of partitions that other workers have now."""
        numbers = {partition.number for partition in partitions}
        self._open = {number: opened for number, opened in self._open.items() if number in numbers}
        return {}

    async def open(self, partition: Partition, due: int) -> None:
        """Recover the partition's index from its outcome logs before its first batch.

        An index that is still valid is continued. Raises RefusedError, and MovedError where the
        commit was moved over deliveries that were never processed.
        """
        await self._open_index(partition.number, due)

    async def _open_index(self, number: int, due: int) -> OpenIndex:
        window_ms = self._window_ms()
        opened = self._open.pop(number, None)
        if (
            opened is not None
            and opened.is_usable(due, window_ms)
            and await self._recovery.reaches(number, opened.index)
        ):
            await self._recovery.catch_up(number, opened.index)
            opened.is_stale = False
        else:
            opened = None  # free its memory before another index is built
            opened = OpenIndex(await self._recovery.open(number, due, window_ms), window_ms)
        skipped = await self._recovery.skipped(number, due, opened.index)
        if skipped is not None:
            raise MovedError(skipped)
        self._open[number] = opened
        return opened

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Drop the indexes that a batch in flight may still change; keep the others for now."""
        for partition in partitions:
            if partition.number in self._busy:
                self._open.pop(partition.number, None)
        self._save(partition.number for partition in partitions)

    def _save(self, numbers: Iterable[int]) -> None:
        """Save the indexes to disk for the next owner, unless a batch in flight changes them."""
        for number in numbers:
            opened = self._open.get(number)
            if opened is not None and number not in self._busy:
                self._cache.offer(number, opened.index, opened.window_ms, is_final=True)

    async def handle(self, batch: Batch) -> None:
        """Write one verdict for each record; the batch is acknowledged after that."""
        deliveries = (each.traceparent for each in batch.records)
        with spanning(self._traces, "process", [batch], deliveries):
            await self._handle(batch)

    async def _handle(self, batch: Batch) -> None:
        number = batch.partition.number
        opened = self._open[number]
        self._busy.add(number)
        try:
            if opened.window_ms < self._window_ms():  # a shop's window was widened
                opened = await self._open_index(number, batch.offset)
            for chunk in batch.chunks():
                if batch.is_current():
                    await self._settle(batch, chunk, opened)
        finally:
            self._busy.discard(number)

    async def _settle(self, batch: Batch, chunk: Chunk, opened: OpenIndex) -> None:
        number, index = batch.partition.number, opened.index
        while batch.is_current():
            if opened.is_stale:
                count = await self._recovery.catch_up(number, index)
                metrics.FOREIGN_OUTCOMES.inc(count)
                opened.is_stale = False
            async with batch.building(chunk):
                decided = _ChunkOutcomes()
                with self._budget.enforced():
                    verdicts = self._decider.iter_verdicts(
                        chunk.records, index, self._shops.shops, is_condemned=chunk.is_condemned
                    )
                    batches = self._sender.build_batches(decided.collect(verdicts))
                rotations = self._erasures.take_unrecorded()
            if batch.heartbeat_age() > STALE * self._settings.session_timeout:
                # This process was stopped or starved, so the partition may be another's by now.
                # Wait for a heartbeat, read what the other may have written, and build again.
                # Dropping the chunk is no way out: later batches would commit over it.
                opened.is_stale = True
                self._health.waiting("group", "the group has not heard of us lately")
                await asyncio.sleep(self._settings.heartbeat_interval)
                continue
            self._health.met("group")
            if await self._shop_wait.wait(self._decider.take_unknown_shops()):
                # Fetched again, since batches of this partition that queue up behind it would
                # hold up the others.
                raise MovedError(chunk.first)
            if not batch.is_current():
                return
            if not await self._erasures.record_rotations(rotations, self._sender, batch.is_current):
                continue
            appended = await self._sender.send(number, batches, batch.is_current)
            if not batch.is_current():
                return  # the next owner reads from the logs what arrived
            self._add_to_index(opened, decided, appended)
            self._count(decided, appended)
            horizon_ms = chunk.records[-1].timestamp - opened.window_ms - HORIZON_MARGIN_MS
            index.settle(chunk.end, horizon_ms)
            self._cache.offer(number, index, opened.window_ms)
            return
        self._health.met("group")
        self._health.met("shops")

    async def stop(self) -> None:
        """Save the indexes and disconnect what was opened, last opened first.

        Every send is answered by now, so the producer's flush repeats nothing.
        """
        await self._opened.aclose()

    def _entries(self) -> int:
        return sum(len(opened.index) for opened in self._open.values())

    def _window_ms(self) -> int:
        shops = self._shops.shops.values()
        return 1000 * max((max(s.window, s.state_retry_window) for s in shops), default=0)

    def _add_to_index(
        self, opened: OpenIndex, decided: _ChunkOutcomes, appended: list[Appended]
    ) -> None:
        """Add our acknowledged outcomes; offsets between them were written by another process."""
        index = opened.index
        index.add_decided(decided.index_rows)
        for outcome in decided.others:
            index.add(parse_outcome_headers(outcome.headers))
        for group in appended:
            if group.base == index.upto[group.topic]:
                last = parse_outcome_headers(group.last.headers).record_id
                index.advance(group.topic, group.base + group.count, last)
            else:
                opened.is_stale = True

    def _count(self, decided: _ChunkOutcomes, appended: list[Appended]) -> None:
        for (source, kind), count in decided.kinds.items():
            metrics.VERDICTS.labels(source, kind).inc(count)
        for (source, reason), count in decided.reasons.items():
            metrics.REJECTS.labels(source, reason).inc(count)
        for (kind, source, shop), count in decided.seen.items():
            _SEEN[kind].labels(source, shop).inc(count)
        for group in appended:
            metrics.EVENTS.labels(group.topic).inc(group.count)
        for source, event, count in self._unknown_fields.take():
            metrics.UNKNOWN_FIELDS.labels(source, event).inc(count)
        for source, event, count in self._unknown_fields.take_rounded():
            metrics.ROUNDED_AMOUNTS.labels(source, event).inc(count)


def run(settings: Settings, stage: Processors | None = None) -> None:
    """Run a processor until it is asked to stop."""
    run_worker(settings, stage or Processors())
