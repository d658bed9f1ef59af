"""The logs of a stack, opened once for any number of searches by one client without a group."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.audit.added_partitions import declared
from hookline.journey.windows import Span
from runtime.kafka import log_reader
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.codec import Codec
from schemas.topics import MIB, Topic

FETCH = MIB // 4
"""Bytes of a partition that one request asks for: a window is a small part of a log."""
_MAX_RECORDS = 500
_WAIT_MS = 10
"""A broker's wait at the end of a log, where most of what is looked for is: a search reads no more
than is there, and the next one would wait too."""

Progress = Callable[[str, int, int], None]
Offsets = Mapping[TopicPartition, int]


def silent(_what: str, _done: int, _total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class Logs:
    """The partitions of all topics, a client that may read them, and the codec of their events."""

    settings: Settings
    client: AIOKafkaConsumer
    partitions: Mapping[Topic, Sequence[TopicPartition]]
    codec: Codec

    @property
    def declared(self) -> int:
        """The partitions that every topic of the pipeline has."""
        return declared({topic: list(tps) for topic, tps in self.partitions.items()})

    def partition(self, topics: Sequence[Topic], number: int) -> list[TopicPartition]:
        """Return the partition with this number of each topic that has one."""
        return [tp for topic in topics for tp in self.partitions[topic][number : number + 1]]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Logs]:
    """Open the logs. Raises UnreachableError, DeniedError, TopicsError, RegistryError."""
    async with log_reader.consumer(settings, FETCH, wait_ms=_WAIT_MS) as client:
        partitions, codec = await asyncio.gather(
            log_reader.topic_partitions(settings), load_codec(settings)
        )
        every = [tp for tps in partitions.values() for tp in tps]
        client.assign(every)  # once, so that metadata is fetched once; each read resumes its own
        client.pause(*every)
        yield Logs(settings, client, partitions, codec)


async def ranges(
    logs: Logs,
    partitions: Sequence[TopicPartition],
    at_ms: int,
    spans: Sequence[Span],
    is_enough: Callable[[int], bool] = lambda _: False,
) -> AsyncGenerator[tuple[Offsets, Offsets], None]:
    """Yield offsets (start, end) around a broker time: of the first span, then what each adds.

    No offset is in two of them. What comes after the present ends is left out. ``is_enough``
    decides after each of the spans that reach back farthest, by the time up to which it reaches.
    """
    ends = await log_reader.end_offsets(logs.client, partitions)
    widest = max(before for before, _ in spans)
    low: Offsets | None = None
    high: Offsets = {}
    for before, after in spans:
        start, end = await asyncio.gather(
            _since(logs.client, partitions, at_ms - before, ends),
            _since(logs.client, partitions, at_ms + after + 1, ends),
        )
        parts = [(start, end)] if low is None else [(start, low), (high, end)]
        for first, last in parts:
            if wanted := {tp: first[tp] for tp in partitions if first[tp] < last[tp]}:
                yield wanted, {tp: last[tp] for tp in wanted}
        low, high = start, end
        if before == widest and (high == ends or is_enough(at_ms + after)):
            return


async def _since(
    client: AIOKafkaConsumer, partitions: Sequence[TopicPartition], at_ms: int, ends: Offsets
) -> dict[TopicPartition, int]:
    found = await client.offsets_for_times(dict.fromkeys(partitions, max(at_ms, 0)))
    return {tp: found[tp].offset if found[tp] else ends[tp] for tp in partitions}


async def around(
    logs: Logs,
    partitions: Sequence[TopicPartition],
    at_ms: int,
    spans: Sequence[Span],
    progress: Progress = silent,
    is_enough: Callable[[int], bool] = lambda _: False,
) -> AsyncGenerator[tuple[TopicPartition, Sequence[Any]], None]:
    """Yield the records around a broker time, those near it first. Close it to stop reading."""
    async with aclosing(ranges(logs, partitions, at_ms, spans, is_enough)) as parts:
        async for start, end in parts:
            total, done = sum(end[tp] - start[tp] for tp in start), 0
            reading = log_reader.batches(logs.client, start, end, max_records=_MAX_RECORDS)
            async with aclosing(reading) as fetches:
                async for fetched in fetches:
                    for tp, batch in fetched.items():
                        yield tp, batch
                        done += len(batch)
                    progress("reading", done, total)


async def first_match(
    logs: Logs,
    partitions: Sequence[TopicPartition],
    at_ms: int,
    spans: Sequence[Span],
    matches: Callable[[Any], bool],
    progress: Progress = silent,
) -> Any | None:
    """Return the first record around a broker time that matches; None where none does."""
    async with aclosing(around(logs, partitions, at_ms, spans, progress)) as batches:
        async for _, batch in batches:
            for record in batch:
                if matches(record):
                    return record
    return None
