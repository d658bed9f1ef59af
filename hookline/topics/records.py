"""Topics with their record counts, and decoded records for the command line."""

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import TopicPartition

from hookline.console.errors import CommandError
from runtime.kafka import log_reader
from runtime.registry import load_codec
from runtime.settings import Settings
from schemas.codec import Codec, UnframedError, UnknownSchemaError
from schemas.topics import ALL, Topic

_NO_END = 1 << 62


@dataclass(frozen=True, slots=True)
class TopicCount:
    """A topic and its size. ``records`` are those that are still retained."""

    topic: Topic
    name: str
    partitions: int
    records: int


def topic_named(name: str, settings: Settings) -> Topic:
    """Find a topic by ``carts``, ``hookline.carts`` or its name on the broker."""
    for topic in ALL:
        if name in (topic.name, topic.name.removeprefix("hookline."), settings.topic(topic)):
            return topic
    names = ", ".join(topic.name.removeprefix("hookline.") for topic in ALL)
    raise CommandError(f"no topic {name!r}: there is {names}")


async def count_records(settings: Settings) -> list[TopicCount]:
    """Count the records of all topics. Raises CommandError if a topic does not exist."""
    counts = []
    async with log_reader.consumer(settings) as client:
        for topic, partitions in (await log_reader.topic_partitions(settings)).items():
            first = await log_reader.beginning_offsets(client, partitions)
            last = await log_reader.end_offsets(client, partitions)
            records = sum(last[tp] - first[tp] for tp in partitions)
            counts.append(TopicCount(topic, settings.topic(topic), len(partitions), records))
    return counts


async def tail(
    settings: Settings, topic: Topic, *, from_start: bool, follow: bool
) -> AsyncIterator[dict[str, Any]]:
    """Decode records as they arrive; without ``follow``, up to the current end.

    Each holds partition, offset, appended (ms), key, headers and value: the canonical record,
    or the body as text if it is UTF-8, else as base64 under ``value_base64``.
    """
    codec = await load_codec(settings) if topic.record else None
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[topic]
        last = await log_reader.end_offsets(client, partitions)
        start = await log_reader.beginning_offsets(client, partitions) if from_start else last
        end: Mapping[TopicPartition, int] = dict.fromkeys(partitions, _NO_END) if follow else last
        async for _, batch in log_reader.records(client, start, end, stalled_after=float("inf")):
            for record in batch:
                yield _readable(record, codec)


async def record_at(
    settings: Settings, topic: Topic, partition: int, offset: int
) -> dict[str, Any]:
    """Read one record, which must exist, in the form of ``tail``."""
    codec = await load_codec(settings) if topic.record else None
    async with log_reader.consumer(settings) as client:
        tp = (await log_reader.topic_partitions(settings))[topic][partition]
        client.assign([tp])
        client.seek(tp, offset)
        return _readable(await client.getone(tp), codec)


def _readable(record: Any, codec: Codec | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "partition": record.partition,
        "offset": record.offset,
        "appended": record.timestamp,
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
    }
    value = record.value or b""
    if codec is not None:
        fields |= decoded(value, codec)
    else:
        try:
            fields["value"] = value.decode()
        except UnicodeDecodeError:
            fields["value_base64"] = base64.b64encode(value).decode()
    return fields


def decoded(value: bytes, codec: Codec) -> dict[str, Any]:
    """Decode a canonical record: its ``value``, or under ``unreadable`` why it has none."""
    try:
        return {"value": msgspec.to_builtins(codec.decode(value))}
    except (UnframedError, UnknownSchemaError) as error:
        return {"unreadable": str(error)}


def _text(value: bytes | None) -> str | None:
    """Decode UTF-8; bytes that are not printable text, such as digests, become hexadecimal."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()
