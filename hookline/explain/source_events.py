"""Canonical records found again in their topics, by what their rows keep of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from runtime.kafka import log_reader
from runtime.registry import load_codec
from runtime.settings import Settings
from schemas.codec import UnframedError, UnknownSchemaError
from schemas.topics import CANONICAL
from sinks.log import event_id

_SLACK_MS = 10_000
"""An outcome is appended behind its raw record, on the same broker's clock."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event: the raw partition, which its outcomes have too, and when raw was appended."""

    partition: int
    appended_at: int


async def records(settings: Settings, wanted: Mapping[str, Wanted]) -> dict[str, dict[str, Any]]:
    """Event id -> topic, partition, offset and the decoded value of its first copy.

    Reads each partition from the earliest append time wanted on until all of its events are
    found, headers first: what is not found is left out.
    """
    if not wanted:
        return {}
    codec = await load_codec(settings)
    found: dict[str, dict[str, Any]] = {}
    async with log_reader.consumer(settings) as client:
        places = await log_reader.places(settings)
        for partition in sorted({each.partition for each in wanted.values()}):
            mine = {key for key, each in wanted.items() if each.partition == partition}
            oldest = min(wanted[key].appended_at for key in mine) // 1000 - _SLACK_MS
            at = [
                place for topic in CANONICAL for place in places[topic][partition : partition + 1]
            ]
            start = await log_reader.since(client, at, max(oldest, 0))
            end = await log_reader.ends(client, at)
            async for place, batch in log_reader.records(client, start, end):
                for record in batch:
                    key = event_id(record.headers)
                    if key in mine and key not in found:
                        said = {
                            "topic": place.topic,
                            "partition": place.partition,
                            "offset": record.offset,
                        }
                        try:
                            said["value"] = msgspec.to_builtins(codec.decode(record.value or b""))
                        except (UnframedError, UnknownSchemaError) as error:
                            said["unreadable"] = str(error)
                        found[key] = said
                if mine <= found.keys():
                    break
    return found
