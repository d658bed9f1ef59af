"""Reads topics from end to end, without a group: nothing that it does is seen by a stage."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from hookline.errors import CommandError
from runtime.admin import find_topics
from runtime.settings import Settings
from schemas.topics import ALL, MIB, Group, Topic

FETCH = 5 * MIB
"""Bytes a partition: the largest record of any topic and its frame."""
POLL_MS = 250

# What a client cannot do reaches the terminal once, as our own line.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

Offsets = Mapping[TopicPartition, int]


@asynccontextmanager
async def consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, started, stopped at the end."""
    client = AIOKafkaConsumer(
        **settings.kafka(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # what retention trims meanwhile is skipped, no more
        max_partition_fetch_bytes=FETCH,
        fetch_max_bytes=16 * MIB,
    )
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


async def places(settings: Settings) -> dict[Topic, list[TopicPartition]]:
    """The partitions of all our topics. Raises CommandError where one is not there."""
    found = await find_topics(settings)
    for topic in ALL:
        if (name := settings.topic(topic)) not in found:
            raise CommandError(
                f"there is no topic {name} at {settings.brokers}: run `hookline topics create`, "
                "or name another HOOKLINE_PREFIX"
            )
    return {
        topic: [
            TopicPartition(settings.topic(topic), number)
            for number in range(found[settings.topic(topic)].partitions)
        ]
        for topic in ALL
    }


async def ends(client: AIOKafkaConsumer, at: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset behind the last record of each."""
    found: dict[TopicPartition, int] = await client.end_offsets(list(at))
    return found


async def begins(
    client: AIOKafkaConsumer, at: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """The offset of the first record that is kept of each."""
    found: dict[TopicPartition, int] = await client.beginning_offsets(list(at))
    return found


async def since(
    client: AIOKafkaConsumer, at: Sequence[TopicPartition], milliseconds: int
) -> dict[TopicPartition, int]:
    """The first offset appended at or after a time; the end where there is none."""
    behind = await ends(client, at)
    found = await client.offsets_for_times(dict.fromkeys(at, milliseconds))
    return {place: found[place].offset if found[place] else behind[place] for place in at}


async def appended_at(client: AIOKafkaConsumer, place: TopicPartition, offset: int) -> int:
    """When the first record at or after ``offset``, which must be there, was appended, in ms."""
    client.assign([place])
    client.seek(place, offset)
    return int((await client.getone(place)).timestamp)


async def records(
    client: AIOKafkaConsumer, start: Offsets, end: Offsets, stalled_after: float = 30.0
) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
    """All records from ``start`` up to ``end`` (exclusive), a fetched batch at a time.

    Raises TimeoutError when a broker gives nothing for ``stalled_after`` seconds.
    """
    open_places = {place for place, offset in start.items() if offset < end[place]}
    if not open_places:
        return
    client.assign(list(open_places))
    for place in open_places:
        client.seek(place, start[place])
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while open_places:
        batches = await client.getmany(timeout_ms=POLL_MS)
        for place, batch in batches.items():
            heard = loop.time()
            yield place, [record for record in batch if record.offset < end[place]]
        for place in list(open_places):
            if await client.position(place) >= end[place]:
                open_places.discard(place)
                client.pause(place)
        if loop.time() - heard > stalled_after:
            raise TimeoutError(f"no records for {stalled_after:.0f} s")


async def committed(settings: Settings, group: Group) -> dict[TopicPartition, int]:
    """Where a group stands, by partition; what it never committed is not in it."""
    admin = AIOKafkaAdminClient(**settings.kafka())
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(f"{settings.prefix}{group}")
    finally:
        await admin.close()
    return {place: said.offset for place, said in found.items() if said.offset >= 0}
