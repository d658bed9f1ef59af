"""The processor stage: raw deliveries in, one verdict each out.

    parse -> validate -> dedupe -> transform -> emit

``verdicts.py`` decides; here is the order in which it becomes safe: the outcomes first, the
offset second.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from aiokafka import AIOKafkaProducer

from processors.decide import Verdict, Verdicts
from processors.index.disk_cache import IndexCache
from processors.index.outcome_headers import noted
from processors.index.partition_index import PartitionIndex
from processors.index.recovery import MARGIN_MS, ReadBack
from processors.index.run_set import Keyed
from processors.sources import ADAPTERS
from processors.sources.contract import Adapter
from processors.unknown_fields import UnknownFields
from runtime import logs, metrics
from runtime.crash_marks import Piece
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.producer import Appended, BatchSender, new_producer
from runtime.process.cpu_limit import Budget
from runtime.registry import load_codec
from runtime.settings import Settings, SettingsError
from runtime.shop_book import ShopBook
from runtime.stage import Batch, Make, Partition
from runtime.worker import run_worker
from schemas.envelopes import Outcome, RawDelivery
from schemas.topics import WEBHOOKS, Group, Topic

log = logs.get("hookline.processors")

STALE = 0.8
"""Share of the session timeout after which a silent group may have given us up."""


@dataclass(slots=True)
class Held:
    """An index and how far back it reaches. ``is_dirty``: somebody else wrote to its logs."""

    index: PartitionIndex
    window_ms: int
    is_dirty: bool = False

    def serves(self, due: int, window_ms: int) -> bool:
        """Whether it can be continued by an owner who starts at raw offset ``due``.

        It has forgotten which outcomes stand below what it settled; its digests reach back
        over the window that it was opened with.
        """
        return self.index.committed <= due and self.window_ms >= window_ms


@dataclass(slots=True)
class _Made:
    """What a batch's verdicts come to. ``said`` goes into the index as it is, ``others`` do not.

    ``kinds`` and ``reasons`` count by source.
    """

    said: list[Keyed]
    others: list[Outcome]
    kinds: Counter[tuple[str, str]]
    reasons: Counter[tuple[str, str]]

    @classmethod
    def nothing(cls) -> Self:
        return cls([], [], Counter(), Counter())

    def outcomes(self, verdicts: Iterable[Verdict]) -> Iterator[Outcome]:
        """The outcomes of these, in order; each verdict is taken in on the way."""
        for verdict in verdicts:
            if verdict.said is not None:
                self.said.append(verdict.said)
            else:
                self.others += verdict.outcomes
            self.kinds[verdict.source, verdict.kind] += 1
            if verdict.reason:
                self.reasons[verdict.source, verdict.reason] += 1
            yield from verdict.outcomes


class Processors:
    """The stage that ``runtime.worker`` runs. ``adapters`` are given by tests."""

    topics: tuple[Topic, ...] = (WEBHOOKS,)
    group = Group.PROCESSORS

    def __init__(self, adapters: Mapping[str, Adapter] = ADAPTERS) -> None:
        self._adapters = adapters
        self._held: dict[int, Held] = {}
        self._busy: set[int] = set()
        self._unknown = UnknownFields()

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect: schemas, shops, the producer, the reader of the outcome logs."""
        if not settings.contact_key:
            raise SettingsError(
                "HOOKLINE_CONTACT_KEY is not set: it keys the hash of e-mail addresses; set the"
                " same random text for all processors, and keep it for ever"
            )
        self._settings, self._health = settings, health
        self._shops = ShopBook(settings.shops_file, health)
        self._shops.reload_at_hangup()
        self._watching = asyncio.ensure_future(self._shops.watch())
        codec = await load_codec(settings, health)
        self._budget = Budget(settings.record_budget)
        adapters = {
            source: self._unknown.counting(source, adapter)
            for source, adapter in self._adapters.items()
        }
        self._verdicts = Verdicts(
            codec,
            adapters,
            settings.contact_key.encode(),
            cloudevents=settings.cloudevents,
            begin=self._budget.renew,
        )
        self._producer: AIOKafkaProducer = new_producer(settings)
        await self._producer.start()
        self._sender = BatchSender(settings, health, self._producer)
        self._cache = IndexCache(settings, await topics_admin.cluster_id(settings))
        self._readback = ReadBack(settings, health, self._cache)
        await self._readback.start()

    def making(self, partition: Partition) -> Make:
        """Raw deliveries, headers read: names and pairs are two fifths of what is unpacked."""
        return partial(RawDelivery.of, partition.number)

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """Keep the indexes of partitions that stay with us, until they are opened."""
        numbers = {partition.number for partition in partitions}
        self._held = {number: held for number, held in self._held.items() if number in numbers}
        return {}

    async def open(self, partition: Partition, due: int) -> None:
        """Read the partition's outcome logs back before its first batch.

        An index that is still valid is continued from where it stands. Raises RefusedError.
        """
        await self._opened(partition.number, due)

    async def _opened(self, number: int, due: int) -> Held:
        window_ms = self._window_ms()
        held = self._held.pop(number, None)
        if (
            held is not None
            and held.serves(due, window_ms)
            and await self._readback.reaches(number, held.index)
        ):
            await self._readback.catch_up(number, held.index)
            held.is_dirty = False
        else:
            held = None  # its memory first
            held = Held(await self._readback.open(number, due, window_ms), window_ms)
        self._held[number] = held
        metrics.INDEX_ENTRIES.set(sum(len(each.index) for each in self._held.values()))
        return held

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Drop the indexes that a batch in hand may still write to; keep the rest for now."""
        for partition in partitions:
            if partition.number in self._busy:
                self._held.pop(partition.number, None)
        self._keep(partition.number for partition in partitions)

    def _keep(self, numbers: Iterable[int]) -> None:
        """Leave what is in no batch's hand on disk, for who opens it next."""
        for number in numbers:
            held = self._held.get(number)
            if held is not None and number not in self._busy:
                self._cache.offer(number, held.index, held.window_ms, is_left=True)

    async def handle(self, batch: Batch) -> None:
        """One verdict for each record, written before the batch is acknowledged."""
        number = batch.partition.number
        held = self._held[number]
        self._busy.add(number)
        try:
            if held.window_ms < self._window_ms():  # a shop's was widened
                held = await self._opened(number, batch.offset)
            for piece in batch.pieces():
                if batch.is_current():
                    await self._settle(batch, piece, held)
        finally:
            self._busy.discard(number)

    async def _settle(self, batch: Batch, piece: Piece, held: Held) -> None:
        number, index = batch.partition.number, held.index
        while batch.is_current():
            began = time.monotonic()
            if held.is_dirty:
                found = await self._readback.catch_up(number, index)
                metrics.FOREIGN_OUTCOMES.inc(found)
                held.is_dirty = False
            async with batch.building(piece):
                made = _Made.nothing()
                with self._budget.kept():
                    verdicts = self._verdicts.deciding(
                        piece.records, index, self._shops.shops, is_condemned=piece.is_condemned
                    )
                    batches = self._sender.filled(made.outcomes(verdicts))
            if batch.heartbeat_age() > STALE * self._settings.session_timeout:
                # Stopped or starved: let a heartbeat tell whose partition this is, read what
                # another may have written, and build again. It is never dropped while its
                # generation lasts: later batches would commit over it.
                held.is_dirty = True
                self._health.waiting("group", "the group has not heard of us lately")
                await asyncio.sleep(self._settings.heartbeat_interval)
                continue
            self._health.met("group")
            if not batch.is_current():
                return
            appended = await self._sender.send(number, batches, batch.is_current)
            if not batch.is_current():
                return  # what stands of them is read back from the logs
            self._remember(held, made, appended)  # every outcome was sent, and stands
            self._count(made, appended, time.monotonic() - began)
            index.settle(piece.end, piece.records[-1].timestamp - held.window_ms - MARGIN_MS)
            self._cache.offer(number, index, held.window_ms)
            return
        self._health.met("group")

    async def stop(self) -> None:
        """Disconnect. Nothing is unanswered any more, so a flush repeats nothing."""
        self._watching.cancel()
        self._keep(self._held)
        await self._cache.written()
        await self._readback.stop()
        await self._producer.stop()

    def _window_ms(self) -> int:
        shops = self._shops.shops.values()
        return 1000 * max((max(s.window, s.state_retry_window) for s in shops), default=0)

    def _remember(self, held: Held, made: _Made, appended: list[Appended]) -> None:
        """Take our own acknowledged outcomes in; a gap before them is somebody else's."""
        index = held.index
        index.say(made.said)
        for outcome in made.others:
            index.add(noted(outcome.headers))
        for group in appended:
            if group.base == index.upto[group.topic]:
                upto = group.base + group.count
                index.moved(group.topic, upto, noted(group.last.headers).name)
            else:
                held.is_dirty = True

    def _count(self, made: _Made, appended: list[Appended], seconds: float) -> None:
        for (source, kind), count in made.kinds.items():
            metrics.VERDICTS.labels(source, kind).inc(count)
        for (source, reason), count in made.reasons.items():
            metrics.REJECTS.labels(source, reason).inc(count)
        for group in appended:
            metrics.EVENTS.labels(group.topic).inc(group.count)
        for source, event, count in self._unknown.taken():
            metrics.UNKNOWN_FIELDS.labels(source, event).inc(count)
        metrics.BATCH_RECORDS.labels("processors").observe(made.kinds.total())
        metrics.BATCH_SECONDS.labels("processors").observe(seconds)


def run(settings: Settings, stage: Processors | None = None) -> None:
    """Run a processor until it is told to stop."""
    run_worker(settings, stage or Processors())
