"""Topics with their counts, and their records as a person or a machine reads them."""

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import TopicPartition

from hookline.errors import CommandError
from runtime.kafka import log_reader
from runtime.registry import load_codec
from runtime.settings import Settings
from schemas.codec import Codec, UnframedError, UnknownSchemaError
from schemas.topics import ALL, Topic

_FIRST_FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Counted:
    """A topic and how much of it there is. ``records`` are those not yet trimmed."""

    topic: Topic
    name: str
    partitions: int
    records: int


def topic_named(name: str, settings: Settings) -> Topic:
    """The topic called ``carts``, ``hookline.carts`` or by its name on the broker."""
    for topic in ALL:
        if name in (topic.name, topic.name.removeprefix("hookline."), settings.topic(topic)):
            return topic
    known = ", ".join(topic.name.removeprefix("hookline.") for topic in ALL)
    raise CommandError(f"no topic {name!r}: there is {known}")


async def counted(settings: Settings) -> list[Counted]:
    """All topics with their counts. Raises CommandError where one is not there."""
    found = []
    async with log_reader.consumer(settings) as client:
        for topic, at in (await log_reader.places(settings)).items():
            first = await log_reader.begins(client, at)
            last = await log_reader.ends(client, at)
            records = sum(last[place] - first[place] for place in at)
            found.append(Counted(topic, settings.topic(topic), len(at), records))
    return found


async def tail(
    settings: Settings, topic: Topic, *, from_start: bool, follow: bool
) -> AsyncIterator[dict[str, Any]]:
    """Decoded records, as they come; ends at the present end unless ``follow``.

    Each holds partition, offset, appended (ms), key, headers and value: the canonical record,
    or the body as text where it is UTF-8, else as base64 under ``value_base64``.
    """
    codec = await load_codec(settings) if topic.record else None
    async with log_reader.consumer(settings) as client:
        at = (await log_reader.places(settings))[topic]
        last = await log_reader.ends(client, at)
        start = await log_reader.begins(client, at) if from_start else last
        end: Mapping[TopicPartition, int] = dict.fromkeys(at, _FIRST_FOREVER) if follow else last
        async for _, batch in log_reader.records(client, start, end, stalled_after=float("inf")):
            for record in batch:
                yield _readable(record, codec)


async def record_at(
    settings: Settings, topic: Topic, partition: int, offset: int
) -> dict[str, Any]:
    """One record, which must be there, as ``tail`` gives it."""
    codec = await load_codec(settings) if topic.record else None
    async with log_reader.consumer(settings) as client:
        place = (await log_reader.places(settings))[topic][partition]
        client.assign([place])
        client.seek(place, offset)
        return _readable(await client.getone(place), codec)


def _readable(record: Any, codec: Codec | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "partition": record.partition,
        "offset": record.offset,
        "appended": record.timestamp,
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
    }
    value = record.value or b""
    if codec is not None:
        try:
            said["value"] = msgspec.to_builtins(codec.decode(value))
        except (UnframedError, UnknownSchemaError) as error:
            said["unreadable"] = str(error)
    else:
        try:
            said["value"] = value.decode()
        except UnicodeDecodeError:
            said["value_base64"] = base64.b64encode(value).decode()
    return said


def _text(value: bytes | None) -> str | None:
    """UTF-8, else hexadecimal (digests)."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()
