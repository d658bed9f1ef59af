"""Settles deliveries that lack outcomes, just as a processor would have.

Nothing is appended to the raw topic: each delivery is decided as of its own offset, against an
index read back from the outcome logs, and only the outcomes that do not stand are written, under
the raw coordinates of the first time. So it may run beside the processors, which never come
back to what lies below their commits, and again after it was killed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.errors import CommandError
from hookline.tables.session import connected
from processors.decide import Verdicts
from processors.index.outcome_headers import noted
from processors.index.partition_index import PartitionIndex
from processors.index.recovery import MARGIN_MS
from processors.sources import ADAPTERS
from runtime.health import Health
from runtime.kafka import log_reader
from runtime.kafka.producer import BatchSender, new_producer
from runtime.registry import load_codec
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas.topics import MIB, OUTCOMES, WEBHOOKS, Topic
from sinks.postgres.migrate import lock_key

_AT_ONCE = 500
_AT_ONCE_BYTES = 32 * MIB


@dataclass(slots=True)
class Repaired:
    """What was done: deliveries decided, outcomes written."""

    deliveries: int = 0
    outcomes: int = 0


async def repair(settings: Settings, missing: Mapping[int, Sequence[int]]) -> Repaired:
    """Settle these deliveries: raw offsets by partition, all below the processors' commits.

    Raises CommandError where another repair runs or the key of e-mail hashes is not set; ends
    the process where Kafka's answer stays unknown, as a processor does.
    """
    if not settings.contact_key:
        raise CommandError(
            "HOOKLINE_CONTACT_KEY is not set: a repair decides as the processors do, so give it"
            " their settings"
        )
    done = Repaired()
    async with _alone(settings), log_reader.consumer(settings) as client:
        worker = await _Worker.make(settings, client)
        try:
            for number, offsets in sorted(missing.items()):
                await worker.settle(number, sorted(offsets), done)
        finally:
            await worker.producer.stop()  # the sender has waited for every answer
    return done


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[None]:
    """Two repairs at once would write the same outcomes twice."""
    async with connected(settings, "repair") as connection:
        key = lock_key(settings.sql_schema, "repair")
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if await cursor.fetchone() != (True,):
            raise CommandError("another repair is running: wait for its end, then look again")
        yield


@dataclass(slots=True)
class _Worker:
    settings: Settings
    client: AIOKafkaConsumer
    places: Mapping[Topic, Sequence[TopicPartition]]
    verdicts: Verdicts
    shops: ShopBook
    producer: Any
    sender: BatchSender

    @classmethod
    async def make(cls, settings: Settings, client: AIOKafkaConsumer) -> "_Worker":
        places = await log_reader.places(settings)
        shops = ShopBook(settings.shops_file)
        codec = await load_codec(settings)
        producer = new_producer(settings)
        await producer.start()
        return cls(
            settings,
            client,
            places,
            Verdicts(
                codec, ADAPTERS, settings.contact_key.encode(), cloudevents=settings.cloudevents
            ),
            shops,
            producer,
            BatchSender(settings, Health(), producer),
        )

    async def settle(self, number: int, offsets: Sequence[int], done: Repaired) -> None:
        index = await self._index(number, offsets)
        async for records in self._records(number, offsets):
            verdicts = self.verdicts.decide(records, index, self.shops.shops)
            outcomes = [outcome for verdict in verdicts for outcome in verdict.outcomes]
            await self.sender.send(number, self.sender.filled(outcomes), lambda: True)
            for outcome in outcomes:
                index.add(noted(outcome.headers))
            done.deliveries += len(verdicts)
            done.outcomes += len(outcomes)

    async def _index(self, number: int, offsets: Sequence[int]) -> PartitionIndex:
        """What stood when these deliveries should have been decided, and what stands of them."""
        wanted, last = frozenset(offsets), offsets[-1]
        raw = self.places[WEBHOOKS][number]
        window = 1000 * max((shop.window for shop in self.shops.shops.values()), default=0)
        first = await log_reader.appended_at(self.client, raw, offsets[0])
        logs = [self.places[topic][number] for topic in OUTCOMES]
        horizon = max(first - window - MARGIN_MS, 0)
        start = await log_reader.since(self.client, logs, horizon)
        index = PartitionIndex()
        async for _, batch in log_reader.records(
            self.client, start, await log_reader.ends(self.client, logs)
        ):
            for record in batch:
                outcome = noted(record.headers)
                if outcome.raw_offset <= last:
                    # Of the others nothing will be written: no need to know their slots.
                    is_wanted = outcome.raw_offset in wanted
                    index.committed = 0 if is_wanted else outcome.raw_offset + 1
                    index.add(outcome)
            index.committed = 0
            index.settle(0, 0)
        return index

    async def _records(self, number: int, offsets: Sequence[int]) -> AsyncIterator[list[Any]]:
        """The raw records, in order, as many at once as memory holds."""
        raw, wanted = self.places[WEBHOOKS][number], frozenset(offsets)
        held: list[Any] = []
        size = 0
        for first, last in log_reader.runs(offsets):
            async for _, batch in log_reader.records(self.client, {raw: first}, {raw: last + 1}):
                for record in batch:
                    if record.offset not in wanted:
                        continue
                    held.append(record)
                    size += len(record.value or b"")
                    if len(held) >= _AT_ONCE or size >= _AT_ONCE_BYTES:
                        yield held
                        held, size = [], 0
        if held:
            yield held
