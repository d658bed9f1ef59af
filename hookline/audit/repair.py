"""Settles deliveries that lack outcomes, exactly as a processor would have.

Nothing is appended to the raw topic. Each delivery is decided as of its own offset, against an
index read back from the outcome logs, and only the missing outcomes are written, with the original
raw coordinates. So a repair may run beside the processors, which never return to offsets below
their commits, and may be repeated after it was killed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.console.errors import CommandError
from hookline.tables.queries import connected
from hookline.topics.records import at_offsets
from processors.decide import Decider, Verdict
from processors.erasures import ProcessorErasures
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.index.recovery import HORIZON_MARGIN_MS
from processors.sources import ADAPTERS
from runtime import contact_key
from runtime.health import Health
from runtime.kafka import log_reader
from runtime.kafka.producer import BatchSender, new_producer
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas.topics import MIB, OUTCOMES, WEBHOOKS, Topic
from sinks.postgres.migrate import lock_key

_BATCH_RECORDS = 500
_BATCH_BYTES = 32 * MIB


@dataclass(slots=True)
class RepairResult:
    """How many deliveries were decided, and outcomes written."""

    deliveries: int = 0
    outcomes: int = 0


async def repair(settings: Settings, missing: Mapping[int, Sequence[int]]) -> RepairResult:
    """Settle these deliveries: raw offsets by partition, all below the processors' commits.

    Raises CommandError where another repair is running, SettingsError or AnotherKeyError where
    the key of e-mail hashes is not that of the processors; ends the process where Kafka's answer
    stays unknown, as a processor does.
    """
    settings.require_contact_key()  # a repair decides as the processors do
    await contact_key.claim(settings)
    result = RepairResult()
    async with _exclusively(settings), log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        codec, erasures = await load_codec(settings), ProcessorErasures(settings, Health())
        await erasures.catch_up()
        await erasures.close()
        decider = Decider(
            codec, ADAPTERS, erasures.contact_key,
            cloudevents=settings.cloudevents, ledger=erasures.ledger,
        )  # fmt: skip
        shops = ShopBook(settings.shops_file, with_secrets=False)
        producer = new_producer(settings)
        await producer.start()
        sender = BatchSender(settings, Health(), producer)
        repairer = _Repairer(client, partitions, decider, erasures, shops, sender)
        try:
            for number, offsets in sorted(missing.items()):
                await repairer.settle(number, sorted(offsets), result)
        finally:
            await producer.stop()  # the sender has waited for every answer
    return result


@asynccontextmanager
async def _exclusively(settings: Settings) -> AsyncIterator[None]:
    """Hold the repair lock: two repairs at once would write the same outcomes twice."""
    async with connected(settings, "repair") as connection:
        key = lock_key(settings.sql_schema, "repair")
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if await cursor.fetchone() != (True,):
            raise CommandError("another repair is running: wait for it to end, then audit again")
        yield


@dataclass(frozen=True, slots=True)
class _Repairer:
    client: AIOKafkaConsumer
    partitions: Mapping[Topic, Sequence[TopicPartition]]
    decider: Decider
    erasures: ProcessorErasures
    shops: ShopBook
    sender: BatchSender

    async def settle(self, number: int, offsets: Sequence[int], result: RepairResult) -> None:
        index = await self._index(number, offsets)
        raw = self.partitions[WEBHOOKS][number]
        async for records in at_offsets(self.client, raw, offsets, _BATCH_RECORDS, _BATCH_BYTES):
            verdicts = await self._decided(records, index)
            outcomes = [outcome for verdict in verdicts for outcome in verdict.outcomes]
            await self.sender.send(number, self.sender.build_batches(outcomes), lambda: True)
            for outcome in outcomes:
                index.add(parse_outcome_headers(outcome.headers))
            result.deliveries += len(verdicts)
            result.outcomes += len(outcomes)

    async def _decided(self, records: Sequence[Any], index: PartitionIndex) -> list[Verdict]:
        while True:
            verdicts = self.decider.decide(records, index, self.shops.shops)
            rotations = self.erasures.take_unrecorded()
            if await self.erasures.record_rotations(rotations, self.sender, lambda: True):
                return verdicts

    async def _index(self, number: int, offsets: Sequence[int]) -> PartitionIndex:
        """Read back the index as it was before these deliveries, with what exists of them."""
        wanted, last = frozenset(offsets), offsets[-1]
        raw = self.partitions[WEBHOOKS][number]
        window = 1000 * max((shop.window for shop in self.shops.shops.values()), default=0)
        first = await log_reader.appended_at(self.client, raw, offsets[0])
        logs = [self.partitions[topic][number] for topic in OUTCOMES]
        start = await log_reader.offsets_since(
            self.client, logs, max(first - window - HORIZON_MARGIN_MS, 0)
        )
        end = await log_reader.end_offsets(self.client, logs)
        index = PartitionIndex()
        async for _, batch in log_reader.records(self.client, start, end):
            for record in batch:
                try:
                    outcome = parse_outcome_headers(record.headers)
                except (KeyError, ValueError):
                    continue  # no outcome of this pipeline
                if outcome.raw_offset <= last:
                    # Only for wanted deliveries the index must keep which slots exist.
                    is_wanted = outcome.raw_offset in wanted
                    index.committed = 0 if is_wanted else outcome.raw_offset + 1
                    index.add(outcome)
            index.committed = 0
            index.settle(0, 0)
        return index
