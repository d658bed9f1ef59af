"""Reads parts of topics for a command: a range with progress, or the records at some offsets."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.console.output import Progress
from runtime.kafka import log_reader


async def scan(
    client: AIOKafkaConsumer,
    start: Mapping[TopicPartition, int],
    end: Mapping[TopicPartition, int],
    what: str,
    progress: Progress,
) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
    """Yield all records from ``start`` up to ``end`` (exclusive), reporting progress as ``what``.

    Raises TimeoutError when the brokers return nothing for long.
    """
    done, total = 0, sum(end[tp] - offset for tp, offset in start.items())
    async for tp, batch in log_reader.records(client, start, end):
        yield tp, batch
        done += len(batch)
        progress(what, done, total)


async def at_offsets(
    client: AIOKafkaConsumer,
    tp: TopicPartition,
    offsets: Collection[int],
    max_records: int,
    max_bytes: float = float("inf"),
) -> AsyncIterator[list[Any]]:
    """Yield the records at these offsets of one partition, in order, in lists of bounded size.

    A list ends with the record that reaches ``max_records`` or ``max_bytes`` of values.
    """
    wanted = frozenset(offsets)
    records: list[Any] = []
    size = 0
    for first, last in log_reader.offset_ranges(sorted(wanted)):
        async for _, batch in log_reader.records(client, {tp: first}, {tp: last + 1}):
            for record in batch:
                if record.offset not in wanted:
                    continue
                records.append(record)
                size += len(record.value or b"")
                if len(records) >= max_records or size >= max_bytes:
                    yield records
                    records, size = [], 0
    if records:
        yield records
