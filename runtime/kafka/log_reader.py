"""Reads topics without a consumer group: no commit and no rebalance of a stage is affected."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaTimeoutError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
)

from runtime.kafka.client.silent_brokers import avoid_silent_brokers
from runtime.kafka.reasons import explained, unseen
from runtime.kafka.topics_admin import TopicsError, admin_client, find_topics
from runtime.settings import Settings
from schemas.topics import ALL, MIB, Group, Topic

FETCH = 5 * MIB
"""Bytes a partition: the largest record of any topic and its frame."""
POLL_MS = 250
MAX_POLL_RECORDS = 10_000
WAIT_MS = 500

Offsets = Mapping[TopicPartition, int]
COORDINATOR_AWAY = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)


@asynccontextmanager
async def consumer(
    settings: Settings,
    fetch: int = FETCH,
    fetch_total: int = 16 * MIB,
    wait_ms: int = WAIT_MS,
) -> AsyncIterator[AIOKafkaConsumer]:
    """Start a consumer without a group; stop it at the end. Raises UnreachableError, DeniedError.

    ``fetch`` and ``fetch_total``: most bytes that one request asks for, of a partition and in
    all; a single larger record is returned nevertheless. ``wait_ms``: how long a broker waits at
    the end of a log for new records, which other requests to it wait for meanwhile.
    """
    client = AIOKafkaConsumer(
        **settings.kafka(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # skip what retention trims while we read
        max_partition_fetch_bytes=fetch,
        fetch_max_bytes=fetch_total,
        fetch_max_wait_ms=wait_ms,
    )
    avoid_silent_brokers(client._client)  # noqa: SLF001
    async with explained(settings, "Read"):
        try:
            await client.start()
            yield client
        finally:
            await client.stop()


async def topic_partitions(settings: Settings) -> dict[Topic, list[TopicPartition]]:
    """List the partitions of all our topics. Raises TopicsError where a topic is missing."""
    existing = await find_topics(settings)
    found: dict[Topic, list[TopicPartition]] = {}
    for topic in ALL:
        if (name := settings.topic(topic)) not in existing:
            message = (
                f"there is no topic {name} at {settings.brokers}: run `hookline topics create`, "
                f"or set another HOOKLINE_PREFIX{unseen(settings)}"
            )
            raise TopicsError([message])
        found[topic] = [TopicPartition(name, n) for n in range(existing[name].partitions)]
    return found


async def end_offsets(
    client: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Ask for the offset after the last record of each partition."""
    with _naming_denied(client):
        return dict(await client.end_offsets(list(partitions)))


async def beginning_offsets(
    client: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Ask for the offset of the first record that each partition still holds."""
    with _naming_denied(client):
        return dict(await client.beginning_offsets(list(partitions)))


@contextmanager
def _naming_denied(client: AIOKafkaConsumer) -> Iterator[None]:
    """Raise what the block may not see as such: aiokafka only runs out of time."""
    try:
        yield
    except KafkaTimeoutError as error:
        if names := client._client.cluster.unauthorized_topics:  # noqa: SLF001
            raise TopicAuthorizationFailedError(sorted(names)) from error
        raise


async def offsets_since(
    client: AIOKafkaConsumer, partitions: Sequence[TopicPartition], milliseconds: int
) -> dict[TopicPartition, int]:
    """Find the first offset appended at or after a broker time; the end where there is none."""
    ends = await end_offsets(client, partitions)
    first = await client.offsets_for_times(dict.fromkeys(partitions, milliseconds))
    return {tp: first[tp].offset if first[tp] else ends[tp] for tp in partitions}


async def first_record(client: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> Any | None:
    """Return the first record at or after ``offset``; None where the log holds none.

    Waiting for one would not end where only transaction markers follow.
    """
    end = (await end_offsets(client, [tp]))[tp]
    # Closed here: a generator that is left open would pause the partition under the next reader.
    async with aclosing(batches(client, {tp: offset}, {tp: end})) as fetches:
        async for fetched in fetches:
            return fetched[tp][0]
    return None


async def appended_at(client: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> int:
    """Return the append time (ms) of the first record at or after ``offset``; else the time now."""
    record = await first_record(client, tp, offset)
    return int(time.time() * 1000) if record is None else int(record.timestamp)


class PartitionStreams:
    """Several partitions, read side by side from ``start`` up to ``end`` (exclusive).

    Each fetch names the partitions to read on; the others are paused. ``max_records``: most
    records of one fetch.
    """

    def __init__(
        self,
        client: AIOKafkaConsumer,
        start: Offsets,
        end: Offsets,
        stalled_after: float = 30.0,
        max_records: int = MAX_POLL_RECORDS,
    ) -> None:
        self._client, self._end, self._stalled_after = client, end, stalled_after
        self._max_records = max_records
        self._next = {tp: offset for tp, offset in start.items() if offset < end[tp]}
        if not self._next.keys() <= client.assignment():
            client.assign(list(self._next))
        for tp, offset in self._next.items():
            client.seek(tp, offset)

    def is_open(self, tp: TopicPartition) -> bool:
        """Whether the partition has records left to read."""
        return tp in self._next

    @property
    def open_partitions(self) -> list[TopicPartition]:
        """The partitions that have records left to read."""
        return list(self._next)

    async def fetch(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, Sequence[Any]]:
        """Fetch the next records of the wanted partitions, which must be open.

        Returns once there are records of one of them, or one has ended. Raises TimeoutError
        when the brokers return nothing for ``stalled_after`` seconds.
        """
        self._client.pause(*(tp for tp in self._next if tp not in wanted))
        self._client.resume(*wanted)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._stalled_after
        while True:
            records: dict[TopicPartition, Sequence[Any]] = {}
            fetched = await self._client.getmany(
                *wanted, timeout_ms=POLL_MS, max_records=self._max_records
            )
            for tp, batch in fetched.items():
                end = self._end[tp]
                is_whole = batch[-1].offset < end
                records[tp] = batch if is_whole else [r for r in batch if r.offset < end]
            for tp in wanted:  # by position, since the last offsets may be control records
                self._next[tp] = await self._client.position(tp)
                if self._next[tp] >= self._end[tp]:
                    del self._next[tp]
                    self._client.pause(tp)
            if records or not all(map(self.is_open, wanted)):
                return records
            if loop.time() > deadline:
                raise TimeoutError(f"no records for {self._stalled_after:.0f} s")


async def batches(
    client: AIOKafkaConsumer,
    start: Offsets,
    end: Offsets,
    stalled_after: float = 30.0,
    max_records: int = MAX_POLL_RECORDS,
) -> AsyncGenerator[dict[TopicPartition, Sequence[Any]], None]:
    """Yield all records from ``start`` up to ``end`` (exclusive), fetch by fetch.

    Each partition's records are in order and never empty. Raises TimeoutError when the brokers
    return nothing for ``stalled_after`` seconds.
    """
    streams = PartitionStreams(client, start, end, stalled_after, max_records)
    try:
        while wanted := streams.open_partitions:
            fetched = await streams.fetch(wanted)
            if kept := {tp: batch for tp, batch in fetched.items() if batch}:
                yield kept
    finally:
        client.pause(*streams.open_partitions)


async def records(
    client: AIOKafkaConsumer, start: Offsets, end: Offsets, stalled_after: float = 30.0
) -> AsyncIterator[tuple[TopicPartition, Sequence[Any]]]:
    """Yield the same as ``batches``, one partition at a time."""
    async for fetched in batches(client, start, end, stalled_after):
        for tp, batch in fetched.items():
            yield tp, batch


def offset_ranges(offsets: Iterable[int], gap: int = 1000) -> list[tuple[int, int]]:
    """Group ascending offsets into (first, last) ranges; gaps up to ``gap`` are read over."""
    ranges: list[tuple[int, int]] = []
    for offset in offsets:
        if ranges and offset - ranges[-1][1] <= gap:
            ranges[-1] = (ranges[-1][0], offset)
        else:
            ranges.append((offset, offset))
    return ranges


async def group_offsets(
    admin: AIOKafkaAdminClient, settings: Settings, group: Group
) -> dict[TopicPartition, int]:
    """Ask for a group's committed offsets; partitions without a commit are left out."""
    name = f"{settings.prefix}{group}"
    try:
        offsets = await admin.list_consumer_group_offsets(name)
    except GroupAuthorizationFailedError as error:
        raise GroupAuthorizationFailedError(name) from error  # aiokafka's is a whole sentence
    return {tp: commit.offset for tp, commit in offsets.items() if commit.offset >= 0}


async def committed(settings: Settings, group: Group) -> dict[TopicPartition, int]:
    """The same, waiting up to 30 s for a coordinator, as in a new cluster or during a move."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 30.0
    async with admin_client(settings) as admin:
        while True:
            try:
                return await group_offsets(admin, settings, group)
            except COORDINATOR_AWAY:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(0.2)
