"""The processor stage: raw deliveries in, one verdict each out.

    parse -> validate -> dedupe -> transform -> emit

``verdicts.py`` decides; here is the order in which it becomes safe: the outcomes first, the
offset second.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping

from aiokafka import AIOKafkaProducer

from processors.index import PartitionIndex, noted
from processors.readback import MARGIN_MS, ReadBack
from processors.sources import ADAPTERS
from processors.verdicts import Verdict, Verdicts
from runtime import admin, logs, metrics
from runtime.health import Health
from runtime.producer import Appended, BatchSender, new_producer
from runtime.registry import load_codec
from runtime.settings import Settings, SettingsError
from runtime.shops import ShopBook
from runtime.stage import Batch, Partition
from runtime.worker import run_worker
from schemas.topics import WEBHOOKS, Group, Topic

log = logs.get("hookline.processors")

STALE = 0.8
"""Share of the session timeout after which a silent group may have given us up."""


class Processors:
    """The stage that ``runtime.worker`` runs."""

    topics: tuple[Topic, ...] = (WEBHOOKS,)
    group = Group.PROCESSORS

    def __init__(self) -> None:
        self._indexes: dict[int, PartitionIndex] = {}
        self._dirty: set[int] = set()

    async def start(self, settings: Settings, health: Health) -> None:
        """Connect: schemas, shops, the producer, the reader of the outcome logs."""
        if not settings.contact_key:
            raise SettingsError(
                "HOOKLINE_CONTACT_KEY is not set: it keys the hash of e-mail addresses; set the"
                " same random text for all processors, and keep it for ever"
            )
        await admin.check_topics(settings, health)
        self._settings, self._health = settings, health
        self._shops = ShopBook(settings.shops_file)
        self._watching = asyncio.ensure_future(self._shops.watch())
        codec = await load_codec(settings, health)
        self._verdicts = Verdicts(codec, ADAPTERS, settings.contact_key.encode())
        self._producer: AIOKafkaProducer = new_producer(settings)
        await self._producer.start()
        self._sender = BatchSender(settings, health, self._producer)
        self._readback = ReadBack(settings, health)
        await self._readback.start()

    async def assigned(self, partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        """Read the partitions' outcome logs back before their first batch."""
        numbers = sorted(partition.number for partition in partitions)
        for count, number in enumerate(numbers, start=1):
            self._health.waiting("indexes", f"reading index {count} of {len(numbers)}")
            index = self._indexes.setdefault(number, PartitionIndex())
            await self._readback.open(number, index, self._window_ms())
            self._dirty.discard(number)
        self._health.met("indexes")
        metrics.INDEX_ENTRIES.set(sum(map(len, self._indexes.values())))
        return {}

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Drop their indexes: the logs keep what they knew."""
        for partition in partitions:
            self._indexes.pop(partition.number, None)

    async def handle(self, batch: Batch) -> None:
        """One verdict for each record, written before the batch is acknowledged."""
        number = batch.partition.number
        index = self._indexes[number]
        while batch.is_current():
            began = time.monotonic()
            if number in self._dirty:
                found = await self._readback.catch_up(number, index)
                metrics.FOREIGN_OUTCOMES.inc(found)
                self._dirty.discard(number)
            verdicts = self._verdicts.decide(batch.records, index, self._shops.shops)
            if batch.heartbeat_age() > STALE * self._settings.session_timeout:
                # Stopped or starved: let a heartbeat tell whose partition this is, read what
                # another may have written, and build again. It is never dropped while its
                # generation lasts: later batches would commit over it.
                self._dirty.add(number)
                await asyncio.sleep(self._settings.heartbeat_interval)
                continue
            if not batch.is_current():
                return
            appended = await self._sender.send(
                number,
                (outcome for verdict in verdicts for outcome in verdict.outcomes),
                batch.is_current,
            )
            self._remember(number, index, appended)
            if not batch.is_current():
                return
            self._count(verdicts, appended, time.monotonic() - began)
            index.settle(batch.end, batch.records[-1].timestamp - self._window_ms() - MARGIN_MS)
            return

    async def stop(self) -> None:
        """Disconnect. Nothing is unanswered any more, so a flush repeats nothing."""
        self._watching.cancel()
        await self._readback.stop()
        await self._producer.stop()

    def _window_ms(self) -> int:
        return 1000 * max((shop.window for shop in self._shops.shops.values()), default=0)

    def _remember(self, number: int, index: PartitionIndex, appended: list[Appended]) -> None:
        """Take our own acknowledged outcomes in; a gap before them is somebody else's."""
        for group in appended:
            for outcome in group.outcomes:
                index.add(noted(outcome.headers))
            if group.base == index.upto[group.topic]:
                index.upto[group.topic] += len(group.outcomes)
            else:
                self._dirty.add(number)

    def _count(self, verdicts: list[Verdict], appended: list[Appended], seconds: float) -> None:
        for (source, kind), count in Counter((v.source, v.kind) for v in verdicts).items():
            metrics.VERDICTS.labels(source, kind).inc(count)
        for verdict in verdicts:
            if verdict.reason:
                metrics.REJECTS.labels(verdict.source, verdict.reason).inc()
        for group in appended:
            metrics.EVENTS.labels(group.topic).inc(len(group.outcomes))
        metrics.BATCH_RECORDS.labels("processors").observe(len(verdicts))
        metrics.BATCH_SECONDS.labels("processors").observe(seconds)


def run(settings: Settings) -> None:
    """Run a processor until it is told to stop."""
    run_worker(settings, Processors())
