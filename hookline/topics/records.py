"""Reads topics for commands: record counts, decoded records, parts of logs with progress."""

import base64
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.topics.selection import Selection
from runtime.kafka import log_reader
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.codec import Codec, UnframedError, UnknownSchemaError
from schemas.topics import ALL, Topic

_NO_END = 1 << 62


def topic_named(name: str, settings: Settings) -> Topic:
    """Find a topic by ``carts``, ``hookline.carts`` or its name on the broker."""
    for topic in ALL:
        if name in (topic.name, topic.name.removeprefix("hookline."), settings.topic(topic)):
            return topic
    names = ", ".join(topic.name.removeprefix("hookline.") for topic in ALL)
    raise CommandError(f"no topic {name!r}: there is {names}")


async def count_records(settings: Settings) -> list[dict[str, Any]]:
    """Return each topic with its retained records. Raises CommandError if one does not exist."""
    counts = []
    async with log_reader.consumer(settings) as client:
        for topic, partitions in (await log_reader.topic_partitions(settings)).items():
            first = await log_reader.beginning_offsets(client, partitions)
            last = await log_reader.end_offsets(client, partitions)
            counts.append(
                {
                    "topic": settings.topic(topic),
                    "records": sum(last[tp] - first[tp] for tp in partitions),
                    "partitions": len(partitions),
                    "key": topic.key,
                    "writer": topic.writer,
                    "readers": topic.readers,
                    "description": topic.description,
                }
            )
    return counts


async def tail(
    settings: Settings, topic: Topic, selection: Selection, *, follow: bool
) -> AsyncIterator[dict[str, Any]]:
    """Decode the selected records as they arrive; without ``follow``, up to the current end.

    Each holds partition, offset, appended (ms), key, headers and value: the canonical record,
    or the body as text if it is UTF-8, else as base64 under ``value_base64``.
    """
    codec = await load_codec(settings) if topic.record else None
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[topic]
        start, end = await _part(client, partitions, selection, follow=follow)
        async for _, batch in log_reader.records(client, start, end, stalled_after=float("inf")):
            for record in batch:
                if selection.is_wanted(_described(record)):
                    yield _readable(record, codec)


async def _part(
    client: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    selection: Selection,
    *,
    follow: bool,
) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
    """Find the offsets at which to begin, and before which to end."""
    last = await log_reader.end_offsets(client, partitions)
    if selection.since_ms is not None:
        start = await log_reader.offsets_since(client, partitions, selection.since_ms)
    elif selection.from_start or selection.until_ms is not None:
        start = await log_reader.beginning_offsets(client, partitions)
    else:
        start = last
    if selection.until_ms is not None:
        return start, await log_reader.offsets_since(client, partitions, selection.until_ms)
    return start, dict.fromkeys(partitions, _NO_END) if follow else last


async def record_at(
    settings: Settings, topic: Topic, partition: int, offset: int
) -> dict[str, Any]:
    """Read one record in the form of ``tail``. Raises CommandError where there is none."""
    codec = await load_codec(settings) if topic.record else None
    async with log_reader.consumer(settings) as client:
        tp = (await log_reader.topic_partitions(settings))[topic][partition]
        record = await log_reader.first_record(client, tp, offset)
        if record is None:
            raise CommandError(f"{tp.topic}/{partition} has no record at {offset}")
        return _readable(record, codec)


def _described(record: Any) -> dict[str, Any]:
    return {
        "partition": record.partition,
        "offset": record.offset,
        "appended": record.timestamp,
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
    }


def _readable(record: Any, codec: Codec | None) -> dict[str, Any]:
    fields = _described(record)
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
    except Exception as error:  # noqa: BLE001 - any error comes from this record
        return {"unreadable": f"not a record of its schema ({type(error).__name__})"}


def _text(value: bytes | None) -> str | None:
    """Decode UTF-8; bytes that are not printable text, such as digests, become hexadecimal."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


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
