"""What the sinks ask of Kafka beside their batches: ends, commits, heartbeats, identity."""

from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from runtime import logs
from runtime.kafka.topics_admin import partition_count
from runtime.settings import Settings
from runtime.stage import Partition
from schemas import envelopes, heartbeats
from schemas.topics import CANONICAL, CART_SIGNALS, INGRESS, MIB, WEBHOOKS, Group, Topic

log = logs.get("hookline.sinks.log")

_FETCH_BYTES = 5 * MIB
_ROUND = 10_000
"""Records held at a time."""
_WAIT_MS = 500


class Log:
    """A look at the log, without a group. Use as an async context manager.

    Every method may raise KafkaError or OSError while Kafka is away.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin = AIOKafkaAdminClient(**settings.kafka())
        self._consumer = AIOKafkaConsumer(
            **settings.kafka(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=4 * _FETCH_BYTES,
        )
        self._topics: dict[str, list[TopicPartition]] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._admin.start()
            await self._consumer.start()
            for topic in (WEBHOOKS, INGRESS, CART_SIGNALS, *CANONICAL):
                name = self._settings.topic(topic)
                numbers = range(partition_count(topic, self._settings))
                self._topics[name] = [TopicPartition(name, number) for number in numbers]
            everything = [place for places in self._topics.values() for place in places]
            self._consumer.assign(everything)
            self._consumer.pause(*everything)  # nothing is fetched but what is asked for
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._consumer.stop()
        await self._admin.close()

    async def cluster_id(self) -> str:
        """Which cluster this is."""
        return str((await self._admin.describe_cluster())["cluster_id"])

    async def starts(self, *topics: Topic) -> dict[Partition, int]:
        """Where the logs begin."""
        found = await self._consumer.beginning_offsets(self._places(*topics))
        return {Partition(place.topic, place.partition): at for place, at in found.items()}

    async def ends(self, *topics: Topic) -> dict[Partition, int]:
        """Where the next record will stand."""
        found = await self._consumer.end_offsets(self._places(*topics))
        return {Partition(place.topic, place.partition): at for place, at in found.items()}

    async def commits(self, group: Group) -> dict[Partition, int]:
        """The group's commits; partitions without one are left out."""
        found = await self._admin.list_consumer_group_offsets(f"{self._settings.prefix}{group}")
        return {
            Partition(place.topic, place.partition): told.offset
            for place, told in found.items()
            if told.offset >= 0
        }

    async def heartbeats(
        self, offsets: Mapping[int, int]
    ) -> tuple[list[tuple[int, bool]], dict[int, int]]:
        """Heartbeats from ``offsets`` (by partition) on: (append ms, healthy), oldest first.

        Returns them with the offsets to go on from. What is no heartbeat is passed over: it
        says nothing good, so it ends no silence.
        """
        ends, starts = await self.ends(INGRESS), await self.starts(INGRESS)
        following = {place: max(offsets.get(place.number, 0), at) for place, at in starts.items()}
        beats: list[tuple[int, bool]] = []
        async for fetched in self.read(following, ends):
            for place, records in fetched.items():
                beats += [(record.timestamp, _is_healthy(record.value)) for record in records]
                following[place] = records[-1].offset + 1
        return sorted(beats), {place.number: at for place, at in following.items()}

    async def since(self, topic: Topic, milliseconds: int) -> dict[Partition, int]:
        """The first offset appended at or after a broker time; the end where there is none."""
        places = self._places(topic)
        ends = await self._consumer.end_offsets(places)
        found = await self._consumer.offsets_for_times(dict.fromkeys(places, milliseconds))
        return {
            Partition(place.topic, place.partition): (
                found[place].offset if found[place] else ends[place]
            )
            for place in places
        }

    async def read(
        self, start: Mapping[Partition, int], end: Mapping[Partition, int]
    ) -> AsyncIterator[dict[Partition, list[Any]]]:
        """All records from ``start`` up to ``end`` (exclusive), as they are fetched.

        What is yielded holds each partition's records in order, never none.
        """
        due = {
            TopicPartition(place.topic, place.number): end[place]
            for place, at in start.items()
            if at < end[place]
        }
        for place in due:
            self._consumer.seek(place, start[Partition(place.topic, place.partition)])
        self._consumer.resume(*due)
        try:
            while due:
                fetched = await self._consumer.getmany(
                    *due, timeout_ms=_WAIT_MS, max_records=_ROUND
                )
                wanted = {
                    Partition(place.topic, place.partition): kept
                    for place, records in fetched.items()
                    if (kept := [record for record in records if record.offset < due[place]])
                }
                if wanted:
                    yield wanted
                for place in [*due]:
                    if await self._consumer.position(place) >= due[place]:
                        self._consumer.pause(place)
                        del due[place]
        finally:
            self._consumer.pause(*due)

    async def event_id(self, partition: Partition, offset: int) -> str | None:
        """Event id of one record; None where it stands there no more, or names none."""
        place = TopicPartition(partition.topic, partition.number)
        starts = await self._consumer.beginning_offsets([place])
        if offset < starts[place]:
            return None
        self._consumer.seek(place, offset)
        self._consumer.resume(place)
        try:
            record = await self._consumer.getone(place)
        finally:
            self._consumer.pause(place)
        return event_id(record.headers)

    def _places(self, *topics: Topic) -> list[TopicPartition]:
        return [place for topic in topics for place in self._topics[self._settings.topic(topic)]]


def event_id(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """Event id of a canonical record, by its headers alone; None where they name none."""
    said = dict(headers)
    if envelopes.DELIVERY not in said or envelopes.SLOT not in said:
        return None
    return envelopes.event_id(
        said[envelopes.DELIVERY].decode(errors="replace"),
        said[envelopes.SLOT].decode(errors="replace"),
    )


def _is_healthy(value: bytes | None) -> bool:
    try:
        return heartbeats.decode(value or b"").healthy
    except msgspec.MsgspecError as error:
        log.warning("no heartbeat", error=str(error))
        return False
