"""Finds deliveries that a moved commit would skip.

Somebody can set a group's offsets forward with Kafka's own tools. Every raw record has an outcome
once it is processed, so a raw record below the commit without one was never processed. Offsets that
were set back need no care: what has its outcomes is recognised by raw offset and slot.
"""

from collections.abc import Mapping

from aiokafka import TopicPartition

from processors.index.outcome_headers import parse_outcome_headers
from runtime.kafka import log_reader
from runtime.settings import Settings

MARGIN_MS = 10 * 60 * 1000
"""For clocks of brokers that differ."""


async def first_skipped(
    settings: Settings,
    raw: TopicPartition,
    outcome_logs: Mapping[str, TopicPartition],
    newest: int,
    due: int,
) -> int | None:
    """Return the offset of the first raw record after the newest outcome and below ``due``.

    ``newest``: raw offset of the newest outcome that the index holds, -1 for none. Outcomes older
    than the index reaches are looked for too. None where nothing is skipped. Raises KafkaError.
    """
    if newest + 1 >= due:
        return None
    async with log_reader.consumer(settings) as client:
        start = (await log_reader.beginning_offsets(client, [raw]))[raw]
        first = await log_reader.first_record(client, raw, max(start, newest + 1))
        if first is None or first.offset >= due:
            return None  # transaction markers, or trimmed
        logs = list(outcome_logs.values())
        begin = await log_reader.offsets_since(client, logs, max(first.timestamp - MARGIN_MS, 0))
        end = await log_reader.end_offsets(client, logs)
        async for _, batch in log_reader.records(client, begin, end):
            for record in batch:
                try:
                    newest = max(newest, parse_outcome_headers(record.headers).raw_offset)
                except (KeyError, ValueError):
                    continue  # no outcome of this pipeline
        if newest + 1 >= due:
            return None
        first = await log_reader.first_record(client, raw, max(start, newest + 1))
        return None if first is None or first.offset >= due else int(first.offset)
