"""Reads topics from end to end, without a group: nothing that it does is seen by a stage."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from runtime.kafka.topics_admin import TopicsError, find_topics
from runtime.settings import Settings
from schemas.topics import ALL, MIB, Group, Topic

FETCH = 5 * MIB
"""Bytes a partition: the largest record of any topic and its frame."""
POLL_MS = 250

Offsets = Mapping[TopicPartition, int]
COORDINATOR_AWAY = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)


@asynccontextmanager
async def consumer(
    settings: Settings, fetch: int = FETCH, at_once: int = 16 * MIB
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, started, stopped at the end.

    ``fetch`` and ``at_once``: bytes of a partition and of all that one request asks for; a
    single larger record comes nevertheless.
    """
    client = AIOKafkaConsumer(
        **settings.kafka(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # what retention trims meanwhile is skipped, no more
        max_partition_fetch_bytes=fetch,
        fetch_max_bytes=at_once,
    )
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


async def places(settings: Settings) -> dict[Topic, list[TopicPartition]]:
    """The partitions of all our topics. Raises TopicsError where one is missing."""
    found = await find_topics(settings)
    for topic in ALL:
        if (name := settings.topic(topic)) not in found:
            message = (
                f"there is no topic {name} at {settings.brokers}: run `hookline topics create`, "
                "or set another HOOKLINE_PREFIX"
            )
            raise TopicsError([message])
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


def runs(offsets: Iterable[int], gap: int = 1000) -> list[tuple[int, int]]:
    """(first, last) of ascending offsets that lie close: ``gap`` records are read, not skipped."""
    found: list[tuple[int, int]] = []
    for offset in offsets:
        if found and offset - found[-1][1] <= gap:
            found[-1] = (found[-1][0], offset)
        else:
            found.append((offset, offset))
    return found


async def _patiently(ask: Callable[[], Awaitable[Any]], patience: float = 30.0) -> Any:
    """An answer about a group: a new cluster, or one that moves, has no coordinator at first."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return await ask()
        except COORDINATOR_AWAY:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.2)


async def committed(settings: Settings, group: Group) -> dict[TopicPartition, int]:
    """Where a group stands, by partition; what it never committed is not in it."""
    admin = AIOKafkaAdminClient(**settings.kafka())
    try:
        await admin.start()
        found = await _patiently(
            lambda: admin.list_consumer_group_offsets(f"{settings.prefix}{group}")
        )
    finally:
        await admin.close()
    return {place: said.offset for place, said in found.items() if said.offset >= 0}


class Streams:
    """Several partitions side by side from ``start`` up to ``end`` (exclusive).

    Whoever reads says at each fetch which of them it wants more of; the others wait.
    """

    def __init__(
        self, client: AIOKafkaConsumer, start: Offsets, end: Offsets, stalled_after: float = 30.0
    ) -> None:
        self._client, self._end, self._stalled_after = client, end, stalled_after
        self._next = {place: offset for place, offset in start.items() if offset < end[place]}
        if self._next:
            client.assign(list(self._next))
        for place, offset in self._next.items():
            client.seek(place, offset)

    def position(self, place: TopicPartition) -> int:
        """The offset to be read next; the end where nothing is left."""
        return self._next.get(place, self._end[place])

    def is_open(self, place: TopicPartition) -> bool:
        """Whether anything is left of it."""
        return place in self._next

    async def fetch(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, Sequence[Any]]:
        """The next records of the wanted ones, which must be open; at least of one of them.

        Raises TimeoutError when a broker gives nothing for ``stalled_after`` seconds.
        """
        self._client.pause(*(place for place in self._next if place not in wanted))
        self._client.resume(*wanted)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._stalled_after
        while True:
            found = {}
            for place, batch in (await self._client.getmany(*wanted, timeout_ms=POLL_MS)).items():
                end = self._end[place]
                is_all = batch[-1].offset < end
                found[place] = batch if is_all else [each for each in batch if each.offset < end]
            for place in wanted:  # the position, since the last offsets may be control records
                self._next[place] = await self._client.position(place)
                if self._next[place] >= self._end[place]:
                    del self._next[place]
                    self._client.pause(place)
            if found or not all(map(self.is_open, wanted)):
                return found
            if loop.time() > deadline:
                raise TimeoutError(f"no records for {self._stalled_after:.0f} s")
