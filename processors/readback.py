"""Reads a partition's outcome logs back into its index."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from processors.index import PartitionIndex, noted
from runtime import logs, metrics
from runtime.health import Health
from runtime.settings import Settings
from schemas.topics import CANONICAL, OUTCOMES, WEBHOOKS, Group

log = logs.get("hookline.index")
T = TypeVar("T")

MARGIN_MS = 10 * 60 * 1000
"""Clock differences between brokers, and records that were long under way."""
FETCH_BYTES = 8 << 20


class HorizonError(Exception):
    """An outcome log no longer reaches back far enough to answer for a partition."""


class ReadBack:
    """One groupless reader for all outcome logs of this process."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._one_at_a_time = asyncio.Lock()
        self._reader = AIOKafkaConsumer(
            **settings.kafka(),
            group_id=settings.prefix + Group.PROCESSORS,  # to read its commits, never to join
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=4 * FETCH_BYTES,
        )

    async def start(self) -> None:
        """Connect. Kafka must answer."""
        await self._reader.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    async def open(self, partition: int, index: PartitionIndex, window_ms: int) -> None:
        """Bring an index up to the ends of its logs; a new one starts at its horizon.

        Waits out a broker that is away. Raises HorizonError where a log does not reach back.
        """
        began = time.monotonic()
        await self._patiently(lambda: self._open(partition, index, window_ms))
        metrics.INDEX_SECONDS.set(time.monotonic() - began)

    async def catch_up(self, partition: int, index: PartitionIndex) -> int:
        """Read what stands beyond ``index.upto``; return how many outcomes that were."""
        return await self._patiently(lambda: self._catch_up(partition, index))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._one_at_a_time:
            while True:
                try:
                    result = await work()
                except KafkaError as error:
                    self._health.waiting("index", "Kafka does not let the outcome logs be read")
                    log.warning("waiting to read the index", error=repr(error))
                    await asyncio.sleep(1.0)
                else:
                    self._health.met("index")
                    return result

    def _logs(self, partition: int) -> dict[str, TopicPartition]:
        return {
            topic.name: TopicPartition(self._settings.topic(topic), partition) for topic in OUTCOMES
        }

    async def _open(self, partition: int, index: PartitionIndex, window_ms: int) -> None:
        if not index.upto:
            horizon = await self._anchor(partition) - window_ms - MARGIN_MS
            outcome_logs = self._logs(partition)
            keys = list(outcome_logs.values())
            starts = await self._reader.beginning_offsets(keys)
            ends = await self._reader.end_offsets(keys)
            found = await self._reader.offsets_for_times(dict.fromkeys(keys, max(horizon, 0)))
            for topic in CANONICAL:
                if starts[outcome_logs[topic.name]] > 0:
                    raise HorizonError(
                        f"{self._settings.topic(topic)}/{partition} no longer starts at 0: its"
                        " records were deleted, so repeats cannot be told from news;"
                        " restore the topic, or start over under a new prefix"
                    )
            for name, key in outcome_logs.items():
                at = found[key]
                index.upto[name] = at.offset if at is not None else ends[key]
        await self._catch_up(partition, index)

    async def _anchor(self, partition: int) -> int:
        """Append time (ms) of the first raw record that may be processed again."""
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        committed = await self._reader.committed(raw)
        start = (await self._reader.beginning_offsets([raw]))[raw]
        end = (await self._reader.end_offsets([raw]))[raw]
        if start == end:
            return int(time.time() * 1000)
        at = start if committed is None else min(max(committed, start), end - 1)
        self._reader.assign([raw])
        self._reader.seek(raw, at)
        while True:
            fetched = await self._reader.getmany(raw, timeout_ms=500, max_records=1)
            for record in fetched.get(raw, ()):
                return int(record.timestamp)

    async def _catch_up(self, partition: int, index: PartitionIndex) -> int:
        outcome_logs = self._logs(partition)
        ends = await self._reader.end_offsets(list(outcome_logs.values()))
        behind = {key: name for name, key in outcome_logs.items() if index.upto[name] < ends[key]}
        if not behind:
            return 0
        read = 0
        self._reader.assign(list(behind))
        for key, name in behind.items():
            self._reader.seek(key, index.upto[name])
        while behind:
            fetched = await self._reader.getmany(*behind, timeout_ms=200, max_records=10_000)
            for key, records in fetched.items():
                for record in records:
                    index.add(noted(record.headers))
                read += len(records)
                index.upto[behind[key]] = records[-1].offset + 1
                await asyncio.sleep(0)
            behind = {key: name for key, name in behind.items() if index.upto[name] < ends[key]}
            if fetched:
                self._health.waiting("index", f"reading {len(behind)} outcome logs back")
        self._reader.assign([])
        return read
