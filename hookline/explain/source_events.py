"""Finds canonical records in their topics by event id and raw append time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookline.topics.records import decoded
from runtime.kafka import log_reader
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.topics import CANONICAL
from sinks.log import event_id

_SLACK_MS = 10_000
"""An outcome is appended after its raw record, by the same broker's clock."""


@dataclass(frozen=True, slots=True)
class EventLocation:
    """The raw partition of an event, which its outcomes share, and when raw was appended (µs)."""

    partition: int
    appended_at: int


async def records(
    settings: Settings, wanted: Mapping[str, EventLocation]
) -> dict[str, dict[str, Any]]:
    """Return event id -> topic, partition, offset and decoded value of its first copy.

    Reads each partition from the earliest append time wanted until all of its events are found;
    events that no longer exist are left out.
    """
    if not wanted:
        return {}
    codec = await load_codec(settings)
    found: dict[str, dict[str, Any]] = {}
    async with log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        for partition in sorted({each.partition for each in wanted.values()}):
            ids = {key for key, each in wanted.items() if each.partition == partition}
            oldest_ms = min(wanted[key].appended_at for key in ids) // 1000 - _SLACK_MS
            logs = [
                tp for topic in CANONICAL for tp in partitions[topic][partition : partition + 1]
            ]
            start = await log_reader.offsets_since(client, logs, max(oldest_ms, 0))
            end = await log_reader.end_offsets(client, logs)
            async for tp, batch in log_reader.records(client, start, end):
                for record in batch:
                    key = event_id(record.headers)
                    if key in ids and key not in found:
                        found[key] = {
                            "topic": tp.topic,
                            "partition": tp.partition,
                            "offset": record.offset,
                            **decoded(record.value or b"", codec),
                        }
                if ids <= found.keys():
                    break
    return found
