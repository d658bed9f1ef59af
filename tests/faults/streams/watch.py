"""When something new became visible: canonical records, rows, records of the comparison, acks."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from runtime.settings import Settings
from schemas.envelopes import DELIVERY
from schemas.topics import CANONICAL
from tests.faults.streams.application import OUTPUT
from tests.faults.watched import count_rows

PLAIN = "plain-comparison"
"""The topic of the plain client, after the prefix."""
EVERY = 0.25
"""Seconds between looks at the tables, and between attempts of the plain clients."""
REQUEST_TIMEOUT = 1500
"""Milliseconds after which observer and plain client give up a broker that does not answer."""
ATTEMPT = 8.0
"""Seconds that one attempt of the plain client may take: it asks silent brokers first, too."""
PLAIN_CLIENTS = 3
"""Attempts at the same time: one that waits for a silent broker delays no other."""

Moments = dict[int, list[float]]
"""Partition -> when something new became visible in it (seconds, monotonic)."""


class Watch:
    """What one observer sees of all sides, so that its own delays are the same for each.

    ``deliveries``: delivery id -> its records in the output topic of Kafka Streams.
    ``plain_group``: a group whose offsets the plain client commits.
    """

    def __init__(self, settings: Settings, plain_group: str) -> None:
        self._settings = settings
        self._plain_group = plain_group
        self._partitions = range(settings.partitions)
        self.streams: Moments = {partition: [] for partition in self._partitions}
        self.canonical: Moments = {partition: [] for partition in self._partitions}
        self.plain: Moments = {partition: [] for partition in self._partitions}
        self.rows: Moments = {0: []}  # the tables have no partitions here
        self.deliveries: Counter[bytes] = Counter()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch all sides until the block ends; end the block where one cannot be watched."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(part())
                for part in (
                    self._watch_records,
                    self._watch_rows,
                    *([self._try_plain_client] * PLAIN_CLIENTS),
                )
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _watch_records(self) -> None:
        """Read both outputs as a consumer of committed records, from their beginning."""
        output = self._settings.prefix + OUTPUT
        topics = [output, *(self._settings.topic(topic) for topic in CANONICAL)]
        reader = AIOKafkaConsumer(
            **self._options(),
            group_id=None,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            metadata_max_age_ms=1000,
        )
        async with _started(reader):
            reader.assign([TopicPartition(t, p) for t in topics for p in self._partitions])
            while True:
                try:
                    fetched = await reader.getmany(timeout_ms=200)
                except KafkaError:
                    await asyncio.sleep(0.1)
                    continue
                now = time.monotonic()
                for key, records in fetched.items():
                    is_streams = key.topic == output
                    (self.streams if is_streams else self.canonical)[key.partition].append(now)
                    if is_streams:
                        self.deliveries.update(_delivery(record) for record in records)

    async def _watch_rows(self) -> None:
        """Count the rows again and again."""
        known = 0
        while True:
            with suppress(psycopg.Error):
                rows = await asyncio.to_thread(count_rows, self._settings)
                if rows > known:
                    self.rows[0].append(time.monotonic())
                    known = rows
            await asyncio.sleep(EVERY)

    async def _try_plain_client(self) -> None:
        """Write to every partition and commit offsets, each time with new clients.

        New ones, since the question is when a client could work again, not when a request that
        waits for a silent broker is given up.
        """
        while True:
            with suppress(KafkaError, OSError):  # TimeoutError is an OSError
                async with asyncio.timeout(ATTEMPT):
                    await self._attempt()
                now = time.monotonic()
                for partition in self._partitions:
                    self.plain[partition].append(now)
            await asyncio.sleep(PLAIN_CLIENTS * EVERY)

    async def _attempt(self) -> None:
        topic = self._settings.prefix + PLAIN
        producer = AIOKafkaProducer(**self._options(), acks="all")
        async with _started(producer):
            sent = [await producer.send(topic, b"x", partition=p) for p in self._partitions]
            offsets = {
                TopicPartition(topic, each.partition): each.offset + 1
                for each in await asyncio.gather(*sent)
            }
        consumer = AIOKafkaConsumer(
            **self._options(), group_id=self._plain_group, enable_auto_commit=False
        )
        async with _started(consumer):
            consumer.assign(list(offsets))
            await consumer.commit(offsets)

    def _options(self) -> dict[str, Any]:
        return {**self._settings.kafka(), "request_timeout_ms": REQUEST_TIMEOUT}


@asynccontextmanager
async def _started(client: Any) -> AsyncIterator[None]:
    """Start a client and stop it; one that could not start has connections to close too."""
    try:
        await client.start()
        yield
    finally:
        await client.stop()


def _delivery(record: Any) -> bytes:
    return dict(record.headers)[DELIVERY]  # type: ignore[no-any-return]
