"""Compares the schema ids that the newest events carry with those that the registry gives."""

from typing import Any

from hookline.local.doctor.finding import Finding
from runtime.kafka import log_reader
from runtime.registry import schema_ids
from runtime.registry.client import RegistryAwayError, RegistryClient, RegistryError
from runtime.settings import Settings
from schemas import codec, compatibility, envelopes
from schemas.topics import CANONICAL, Topic

_LAST = 3
"""Records at the end of each log in which an event of ours is looked for."""
_ID = slice(1, 5)
"""Where the Confluent wire format has the schema's id."""


async def check(settings: Settings) -> list[Finding]:
    """Ask the registry for the schema of each id in use. Raises KafkaError, TopicsError."""
    subject = "schema ids"
    in_use = await _in_use(settings)
    try:
        ids = await schema_ids.look_up(settings)
        async with RegistryClient(settings) as client:
            problems = [
                problem
                for (topic, schema_id), at in in_use.items()
                if schema_id != ids.current[str(topic.record)]
                and (problem := await _problem(client, topic, schema_id, at))
            ]
    except RegistryAwayError as error:
        return [Finding(subject, "note", f"not compared: {error}")]
    except RegistryError as error:
        return [Finding(subject, "wrong", str(error))]
    if problems:
        return [Finding(subject, "wrong", problem) for problem in problems]
    return [Finding(subject, "ok", "those of the newest events are the registry's")]


async def _in_use(settings: Settings) -> dict[tuple[Topic, int], str]:
    """The ids that the newest events carry, by topic, each with the position of one of them."""
    found: dict[tuple[Topic, int], str] = {}
    async with log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        topics = {tp: topic for topic in CANONICAL for tp in partitions[topic]}
        end = await log_reader.end_offsets(client, list(topics))
        first = await log_reader.beginning_offsets(client, list(topics))
        start = {tp: max(end[tp] - _LAST, first[tp]) for tp in topics}
        async for tp, batch in log_reader.records(client, start, end):
            for record in batch:
                if (schema_id := _schema_id(record)) is not None:
                    at = f"{tp.topic}/{tp.partition} at {record.offset}"
                    found[topics[tp], schema_id] = at
    return found


def _schema_id(record: Any) -> int | None:
    """Return the schema id of an event of ours; None for a record of another producer."""
    headers = dict(record.headers)
    if envelopes.DELIVERY not in headers or envelopes.SLOT not in headers:
        return None
    value = record.value or b""
    return int.from_bytes(value[_ID], "big") if value[:1] == b"\0" else None


async def _problem(client: RegistryClient, topic: Topic, schema_id: int, at: str) -> str | None:
    """What is wrong with the registry's schema of an id that is not our newest; None for nothing.

    An older or a newer version of the same record is in order.
    """
    try:
        found = compatibility.canonical(await client.schema(schema_id))
    except RegistryAwayError:
        raise
    except RegistryError:
        is_ours = False
    else:
        expected = compatibility.canonical(codec.schema(str(topic.record)))["name"]
        is_ours = isinstance(found, dict) and found.get("name") == expected
    if is_ours:
        return None
    return (
        f"{at} has the schema id {schema_id}, which the registry has not for {topic.record}: it"
        " lost its data or was restored out of order. Restore the registry with the same ids;"
        " nothing is lost meanwhile"
    )
