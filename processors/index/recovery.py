"""Reads a partition's outcome logs back into its index, or the rest of them into a kept one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from processors.index.disk_cache import CacheError, IndexCache
from processors.index.outcome_headers import noted
from processors.index.partition_index import PartitionIndex
from runtime import logs, metrics
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.topic_checks import retention_ms
from runtime.settings import Settings
from runtime.stage import RefusedError
from schemas.topics import OUTCOMES, WEBHOOKS

log = logs.get("hookline.index")
T = TypeVar("T")

MARGIN_MS = 10 * 60 * 1000
"""Clock differences between brokers, and records that were long under way."""
FETCH_BYTES = 8 << 20


class HorizonError(RefusedError):
    """An outcome log no longer reaches back far enough to answer for a partition."""


class ForeignLogError(RefusedError):
    """The outcomes speak of raw records that the raw topic never had."""


def check_horizon(name: str, start: int, retention_ms: float, horizon_ms: int, now_ms: int) -> None:
    """Raise HorizonError where a log's beginning was deleted within the horizon.

    ``start``: the log's first offset. What retention alone has trimmed is older than that.
    """
    if start > 0 and not retention_ms > now_ms - horizon_ms:
        raise HorizonError(
            f"{name} keeps records {retention_ms / 3.6e6:.0f} h, but what is processed now asks for"
            f" {(now_ms - horizon_ms) / 3.6e6:.0f} h: repeats could not be told from news; restore"
            " what was trimmed and raise its retention.ms, or start over under a new prefix"
        )
    if start > 0 and retention_ms == float("inf"):
        raise HorizonError(
            f"{name} no longer starts at 0 though it keeps records for ever: somebody deleted"
            " some, so repeats cannot be told from news; restore the topic, or start over under"
            " a new prefix"
        )


class ReadBack:
    """One groupless reader for all outcome logs of this process."""

    def __init__(self, settings: Settings, health: Health, cache: IndexCache) -> None:
        self._settings = settings
        self._health = health
        self._cache = cache
        self._one_at_a_time = asyncio.Lock()
        self._reader = AIOKafkaConsumer(
            **settings.kafka(),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=4 * FETCH_BYTES,
        )

    async def start(self) -> None:
        """Connect. Kafka must answer."""
        await self._reader.start()
        found = await topics_admin.find_topics(self._settings)
        self._retention_ms = {
            topic.name: retention_ms(found[self._settings.topic(topic)]) for topic in OUTCOMES
        }

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    async def open(self, partition: int, due: int, window_ms: int) -> PartitionIndex:
        """The index of a partition that is processed from raw offset ``due`` on.

        Waits out a broker that is away. Raises HorizonError where a log does not reach back,
        ForeignLogError where the raw topic is not the one that the outcomes speak of.
        """
        began = time.monotonic()
        index = await self._patiently(lambda: self._open(partition, due, window_ms))
        metrics.INDEX_SECONDS.set(time.monotonic() - began)
        return index

    async def reaches(self, partition: int, index: PartitionIndex) -> bool:
        """Whether the logs still hold everything from ``index.upto`` on."""
        outcome_logs = self._logs(partition)
        starts = await self._patiently(
            lambda: self._reader.beginning_offsets(list(outcome_logs.values()))
        )
        return all(starts[key] <= index.upto[name] for name, key in outcome_logs.items())

    async def catch_up(self, partition: int, index: PartitionIndex) -> int:
        """Read what stands beyond ``index.upto``; return how many outcomes that were."""
        return await self._patiently(lambda: self._catch_up(partition, index))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._one_at_a_time:
            try:
                while True:
                    try:
                        return await work()
                    except KafkaError as error:
                        self._reader.assign([])
                        self._health.waiting("index", "Kafka does not let outcomes be read")
                        log.warning("waiting to read the index", error=repr(error))
                        await asyncio.sleep(1.0)
            finally:
                self._reader.assign([])  # who has partitions without a leader asks without pause
                self._health.met("index")

    def _logs(self, partition: int) -> dict[str, TopicPartition]:
        return {
            topic.name: TopicPartition(self._settings.topic(topic), partition) for topic in OUTCOMES
        }

    async def _open(self, partition: int, due: int, window_ms: int) -> PartitionIndex:
        self._fetch(partition, {})
        horizon = await self._anchor(partition, due) - window_ms - MARGIN_MS
        outcome_logs = self._logs(partition)
        keys = list(outcome_logs.values())
        starts = await self._reader.beginning_offsets(keys)
        ends = await self._reader.end_offsets(keys)
        found = await self._reader.offsets_for_times(dict.fromkeys(keys, max(horizon, 0)))
        first = {}
        for name, key in outcome_logs.items():
            place = f"{key.topic}/{partition}"
            now = int(time.time() * 1000)
            check_horizon(place, starts[key], self._retention_ms[name], horizon, now)
            at = found[key]
            first[name] = at.offset if at is not None else ends[key]
        index = await self._kept(partition, due, window_ms)
        if index is None:
            index = PartitionIndex(due)
        for name, at in first.items():
            if at > index.upto.get(name, -1):  # what lies between answers no question any more
                index.upto[name] = at
                index.last.pop(name, None)
        start = dict(index.upto)
        await self._catch_up(partition, index)
        await self._check_raw(partition, index.newest)
        unknown = {name: at for name, at in index.upto.items() if name not in index.last}
        index.last |= await self._right_before(partition, unknown)
        read = sum(index.upto.values()) - sum(start.values())
        log.info("index opened", partition=partition, entries=len(index), outcomes_read=read)
        return index

    async def _kept(self, partition: int, due: int, window_ms: int) -> PartitionIndex | None:
        """The index on disk, where it is shown to be one of these very logs; else None."""
        try:
            index = await asyncio.to_thread(self._cache.read, partition, due, window_ms)
        except FileNotFoundError:
            return None
        except (CacheError, OSError) as error:
            why = str(error)
        else:
            why = await self._unlike(partition, index)
            if not why:
                return index
        log.warning("the index on disk is refused, the logs are read", partition=partition, why=why)
        return None

    async def _unlike(self, partition: int, index: PartitionIndex) -> str:
        """Why the logs are not those of a kept index, or do not hold what it lacks; else empty."""
        outcome_logs = self._logs(partition)
        keys = list(outcome_logs.values())
        starts = await self._reader.beginning_offsets(keys)
        ends = await self._reader.end_offsets(keys)
        if index.upto.keys() != outcome_logs.keys():
            return "it is of other topics"
        for name, key in outcome_logs.items():
            if not starts[key] <= index.upto[name] <= ends[key]:
                return (
                    f"it was read up to {index.upto[name]} of {key.topic}, which holds"
                    f" {starts[key]} to {ends[key]}"
                )
        for name, said in (await self._right_before(partition, index.upto)).items():
            if not said or said != index.last.get(name):
                return f"{name} holds another record before {index.upto[name]}"
        return ""

    async def _right_before(self, partition: int, upto: Mapping[str, int]) -> dict[str, str]:
        """What stands right before these offsets of the outcome logs.

        A log that was trimmed up to there is left out; what is no outcome of ours has no name.
        """
        outcome_logs = self._logs(partition)
        starts = await self._reader.beginning_offsets(list(outcome_logs.values()))
        missing = {
            key: name for name, key in outcome_logs.items() if starts[key] < upto.get(name, 0)
        }
        self._fetch(partition, {key: upto[name] - 1 for key, name in missing.items()})
        stands = {}
        while missing:
            fetched = await self._reader.getmany(*missing, timeout_ms=200, max_records=1)
            for key, (record, *_) in fetched.items():
                name = missing.pop(key)
                try:
                    said = noted(record.headers).name
                except (KeyError, ValueError):
                    said = ""
                stands[name] = said if record.offset == upto[name] - 1 else ""
        return stands

    async def _anchor(self, partition: int, due: int) -> int:
        """Append time (ms) of the first raw record that may be processed again."""
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        start = (await self._reader.beginning_offsets([raw]))[raw]
        end = (await self._reader.end_offsets([raw]))[raw]
        if start == end:
            return int(time.time() * 1000)
        self._fetch(partition, {raw: min(max(due, start), end - 1)})
        while True:
            fetched = await self._reader.getmany(raw, timeout_ms=500, max_records=1)
            for record in fetched.get(raw, ()):
                return int(record.timestamp)

    def _fetch(self, partition: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Fetch these from their offsets on.

        All logs of the partition are assigned whatever is wanted, so that their metadata is
        asked for at once: topic by topic it takes a second.
        """
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        everything = [raw, *self._logs(partition).values()]
        self._reader.assign(everything)
        for key in everything:
            self._reader.seek(key, offsets.get(key, 0))
        self._reader.pause(*(key for key in everything if key not in offsets))

    async def _catch_up(self, partition: int, index: PartitionIndex) -> int:
        outcome_logs = self._logs(partition)
        self._fetch(partition, {})
        ends = await self._reader.end_offsets(list(outcome_logs.values()))
        behind = {key: name for name, key in outcome_logs.items() if index.upto[name] < ends[key]}
        if not behind:
            return 0
        read = 0
        self._fetch(partition, {key: index.upto[name] for key, name in behind.items()})
        while behind:
            fetched = await self._reader.getmany(*behind, timeout_ms=200, max_records=10_000)
            for key, records in fetched.items():
                outcome = None
                for record in records:
                    try:
                        outcome = noted(record.headers)
                    except (KeyError, ValueError):  # it answers no question
                        log.warning("not an outcome of ours", log=key, offset=record.offset)
                        outcome = None
                        continue
                    index.add(outcome)
                read += len(records)
                last = "" if outcome is None else outcome.name
                index.moved(behind[key], records[-1].offset + 1, last)
                index.sort()
                await asyncio.sleep(0)
            behind = {key: name for key, name in behind.items() if index.upto[name] < ends[key]}
            if fetched:
                self._health.waiting("index", f"reading {len(behind)} outcome logs back")
        await self._check_raw(partition, index.newest)
        return read

    async def _check_raw(self, partition: int, newest: int) -> None:
        """An outcome is never older than its raw record: the raw log must reach beyond it."""
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        end = (await self._reader.end_offsets([raw]))[raw]
        if newest >= end:
            raise ForeignLogError(
                f"{raw.topic}/{partition} ends at {end}, but outcomes of its offset {newest} stand:"
                " the topic was recreated or cut under us; restore it, or start over under a new"
                " prefix"
            )
