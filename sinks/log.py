"""The sinks' requests to Kafka apart from their batches: offsets, commits, heartbeats, identity."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from aiokafka import TopicPartition

from runtime import logs
from runtime.kafka import log_reader
from runtime.kafka.reasons import explained
from runtime.kafka.topic_checks import partition_count
from runtime.kafka.topics_admin import admin_client
from runtime.settings import Settings
from runtime.stage import Partition
from schemas import envelopes
from schemas.json_records import heartbeats
from schemas.topics import CANONICAL, CART_SIGNALS, INGRESS, WEBHOOKS, Group, Topic

log = logs.get("hookline.sinks.log")

STALLED_S = 15.0
"""Seconds without a record after which a read that is not at its end is given up."""
_DIGEST_BYTES, _DIGITS = 16, 19
_READ = (WEBHOOKS, INGRESS, CART_SIGNALS, *CANONICAL)


class Log:
    """Reads ``topics`` without a consumer group. Use as an async context manager.

    Every method may raise KafkaError or OSError while Kafka is away, DeniedError where a right is
    missing.
    """

    def __init__(self, settings: Settings, topics: Iterable[Topic] = _READ) -> None:
        self._settings = settings
        self._connections = AsyncExitStack()
        self._topics: dict[str, list[TopicPartition]] = {}
        for topic in topics:
            name = settings.topic(topic)
            numbers = range(partition_count(topic, settings))
            self._topics[name] = [TopicPartition(name, number) for number in numbers]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as connections:
            self._admin = await connections.enter_async_context(admin_client(self._settings))
            self._consumer = await connections.enter_async_context(
                log_reader.consumer(self._settings)
            )
            # All at once, so that metadata is fetched once; paused until something is read.
            assigned = [tp for partitions in self._topics.values() for tp in partitions]
            self._consumer.assign(assigned)
            self._consumer.pause(*assigned)
            self._connections = connections.pop_all()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._connections.__aexit__(*raised)  # type: ignore[arg-type] # an error of Kafka's gets its reason there

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    async def cluster_id(self) -> str:
        """Ask for the cluster's id."""
        return str((await self._admin.describe_cluster())["cluster_id"])

    async def starts(self, *topics: Topic) -> dict[Partition, int]:
        """Ask for the first offset that each partition still holds."""
        async with explained(self._settings, "Describe"):
            return _by_partition(
                await log_reader.beginning_offsets(self._consumer, self._partitions(*topics))
            )

    async def ends(self, *topics: Topic) -> dict[Partition, int]:
        """Ask for the offset after the last record of each partition."""
        async with explained(self._settings, "Describe"):
            return _by_partition(
                await log_reader.end_offsets(self._consumer, self._partitions(*topics))
            )

    async def since(self, topic: Topic, milliseconds: int) -> dict[Partition, int]:
        """Find the first offset appended at or after a broker time; the end where there is none."""
        async with explained(self._settings, "Describe"):
            return _by_partition(
                await log_reader.offsets_since(
                    self._consumer, self._partitions(topic), milliseconds
                )
            )

    async def commits(self, group: Group) -> dict[Partition, int]:
        """Ask for the group's commits; partitions without one are left out."""
        async with explained(self._settings, "Describe", of_group="Describe"):
            return _by_partition(await log_reader.group_offsets(self._admin, self._settings, group))

    async def heartbeats(
        self, offsets: Mapping[int, int]
    ) -> tuple[list[tuple[int, bool]], dict[int, int]]:
        """Read heartbeats from ``offsets`` (by partition) on: (append ms, healthy), oldest first.

        Returns them with the offsets to continue from. A record that is no heartbeat counts as an
        unhealthy one.
        """
        ends, starts = await self.ends(INGRESS), await self.starts(INGRESS)
        following = {tp: max(offsets.get(tp.number, 0), start) for tp, start in starts.items()}
        beats: list[tuple[int, bool]] = []
        async for fetched in self.read(following, ends):
            for tp, records in fetched.items():
                beats += [(record.timestamp, _is_healthy(record.value)) for record in records]
                following[tp] = records[-1].offset + 1
        return sorted(beats), {tp.number: offset for tp, offset in following.items()}

    async def read(
        self,
        start: Mapping[Partition, int],
        end: Mapping[Partition, int],
        stalled_after: float = STALLED_S,
    ) -> AsyncIterator[dict[Partition, list[Any]]]:
        """Yield all records from ``start`` up to ``end`` (exclusive), fetch by fetch.

        Each partition's records are in order and never empty. Raises TimeoutError when nothing
        came for ``stalled_after`` seconds.
        """
        offsets = _by_tp(start), _by_tp(end)
        async with explained(self._settings, "Read"):
            async for fetched in log_reader.batches(self._consumer, *offsets, stalled_after):
                yield {Partition(*tp): list(records) for tp, records in fetched.items()}

    async def event_id(self, partition: Partition, offset: int) -> str | None:
        """Return the event id of one record; None where it was trimmed or has no event id."""
        tp = TopicPartition(partition.topic, partition.number)
        async with explained(self._settings, "Read"):
            record = await log_reader.first_record(self._consumer, tp, offset)
        if record is None or record.offset != offset:
            return None
        return event_id(record.headers)

    def _partitions(self, *topics: Topic) -> list[TopicPartition]:
        return [tp for topic in topics for tp in self._topics[self._settings.topic(topic)]]


def _by_partition(offsets: Mapping[TopicPartition, int]) -> dict[Partition, int]:
    return {Partition(*tp): offset for tp, offset in offsets.items()}


def _by_tp(offsets: Mapping[Partition, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(tp.topic, tp.number): offset for tp, offset in offsets.items()}


def event_id(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Return the event id of a canonical record by its headers; None where it has none."""
    values = dict(headers)
    delivery, slot = values.get(envelopes.DELIVERY), values.get(envelopes.SLOT)
    if delivery is None or slot is None:
        return None
    return envelopes.event_id(delivery.decode(errors="replace"), slot.decode(errors="replace"))


def is_outcome(headers: Iterable[tuple[str, Any]]) -> bool:
    """Whether the processors wrote a record: it has the headers of an outcome, as they give them.

    One of ours must never be set aside; another producer's must never stop a partition.
    """
    values = dict(headers)
    if None in values.values():
        return False
    slot, slots, delivery = (
        values.get(name, b"") for name in (envelopes.SLOT, envelopes.SLOTS, envelopes.DELIVERY)
    )
    numbers = values.get(envelopes.RAW_OFFSET, b""), values.get(envelopes.RAW_TIME, b"")
    return (
        bool(slot and delivery)
        and envelopes.ENTITY in values
        and slot in slots.split(b",")
        and slots.isascii()
        and delivery.isascii()
        and all(number.isdigit() and len(number) < _DIGITS for number in numbers)
        and len(values.get(envelopes.DIGEST, b"")) == _DIGEST_BYTES
    )


def _is_healthy(value: bytes | None) -> bool:
    beat = heartbeats.decode_or_none(value)
    if beat is None:
        log.warning("record is no heartbeat: what else writes to this topic?")
    return beat is not None and beat.healthy
