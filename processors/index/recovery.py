"""Recovers a partition's dedupe index from its outcome logs, or brings a saved one up to date."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from processors.index.disk_cache import CacheError, IndexCache
from processors.index.horizon import (
    ForeignLogError,
    HorizonError,
    check_horizon,
    require_accepted,
)
from processors.index.moved_offsets import first_skipped
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.outcome_reader import require_read, started_reader
from processors.index.partition_index import PartitionIndex
from runtime import logs, metrics
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.reasons import explanation
from runtime.kafka.topic_checks import retention_ms
from runtime.settings import Settings
from schemas.topics import OUTCOMES, WEBHOOKS

log = logs.get("hookline.index")
T = TypeVar("T")

HORIZON_MARGIN_MS = 10 * 60 * 1000
"""For clocks of brokers that differ, and for records that took long to be appended."""


class IndexRecovery:
    """Reads the outcome logs of all partitions of this process, without a consumer group."""

    def __init__(self, settings: Settings, health: Health, cache: IndexCache) -> None:
        self._settings = settings
        self._health = health
        self._cache = cache
        self._one_at_a_time = asyncio.Lock()
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """Connect; waits while Kafka is away. Raises DeniedError."""
        self._reader = await topics_admin.once_kafka_answers(
            self._settings, self._health, started_reader
        )
        self._opened.push_async_callback(self._reader.stop)
        find = partial(topics_admin.find_topics, topics=OUTCOMES)
        configs = await topics_admin.once_kafka_answers(self._settings, self._health, find)
        self._retention_ms = {
            topic.name: retention_ms(configs[self._settings.topic(topic)]) for topic in OUTCOMES
        }
        await self._retry(partial(require_read, self._reader, self._settings))

    async def stop(self) -> None:
        """Disconnect, if connected."""
        await self._opened.aclose()

    async def open(self, partition: int, due: int, window_ms: int) -> PartitionIndex:
        """Recover the index of a partition that is processed from raw offset ``due`` on.

        Waits while the broker is away. Raises HorizonError if a log does not reach back far
        enough, ForeignLogError if the outcomes are those of another raw topic.
        """
        began = time.monotonic()
        index = await self._retry(lambda: self._open(partition, due, window_ms))
        metrics.INDEX_SECONDS.set(time.monotonic() - began)
        return index

    async def reaches(self, partition: int, index: PartitionIndex) -> bool:
        """Whether the logs still hold everything from ``index.upto`` on."""
        outcome_logs = self._logs(partition)
        starts = await self._retry(
            lambda: self._reader.beginning_offsets(list(outcome_logs.values()))
        )
        return all(starts[tp] <= index.upto[name] for name, tp in outcome_logs.items())

    async def catch_up(self, partition: int, index: PartitionIndex) -> int:
        """Read the logs from ``index.upto`` to their ends; return the number of outcomes."""
        return await self._retry(lambda: self._catch_up(partition, index))

    async def skipped(self, partition: int, due: int, index: PartitionIndex) -> int | None:
        """Return the first raw offset that a commit at ``due`` would skip unprocessed."""
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        logs = self._logs(partition)
        return await self._retry(
            lambda: first_skipped(self._settings, raw, logs, index.newest, due)
        )

    async def _retry(self, read: Callable[[], Awaitable[T]]) -> T:
        """Repeat a read until Kafka answers. One at a time: they share the reader."""
        logged = set()
        async with self._one_at_a_time:
            try:
                while True:
                    try:
                        return await read()
                    except (KafkaError, OSError) as error:
                        self._reader.assign([])
                        why = explanation(error, self._settings) or repr(error)
                        self._health.waiting("index", f"outcomes cannot be read: {why}")
                        if why not in logged:
                            logged.add(why)
                            log.warning("waiting to read the index", error=why)
                        await asyncio.sleep(1.0)
            finally:
                # aiokafka asks for metadata without pause while a partition has no leader.
                self._reader.assign([])
                self._health.met("index")

    def _logs(self, partition: int) -> dict[str, TopicPartition]:
        return {
            topic.name: TopicPartition(self._settings.topic(topic), partition) for topic in OUTCOMES
        }

    async def _open(self, partition: int, due: int, window_ms: int) -> PartitionIndex:
        self._fetch(partition, {})
        horizon = await self._anchor(partition, due) - window_ms - HORIZON_MARGIN_MS
        first = await self._first_offsets(partition, horizon)
        index = await self._saved(partition, due, window_ms)
        if index is None:
            index = PartitionIndex(due)
        for name, offset in first.items():
            if offset > index.upto.get(name, -1):  # no lookup needs the outcomes between
                index.upto[name] = offset
                index.last.pop(name, None)
        start = dict(index.upto)
        await self._catch_up(partition, index)
        await self._check_raw(partition, index.newest)
        unknown = {name: upto for name, upto in index.upto.items() if name not in index.last}
        index.last |= await self._records_before(partition, unknown)
        read = sum(index.upto.values()) - sum(start.values())
        log.info("index opened", partition=partition, entries=len(index), outcomes_read=read)
        return index

    async def _first_offsets(self, partition: int, horizon_ms: int) -> dict[str, int]:
        """By outcome topic, the offset of the first record that is not older than the horizon.

        Raises HorizonError.
        """
        outcome_logs = self._logs(partition)
        tps = list(outcome_logs.values())
        starts = await self._reader.beginning_offsets(tps)
        ends = await self._reader.end_offsets(tps)
        at_horizon = await self._reader.offsets_for_times(dict.fromkeys(tps, max(horizon_ms, 0)))
        first, refusals = {}, []
        for name, tp in outcome_logs.items():
            now_ms = int(time.time() * 1000)
            found = at_horizon[tp]
            first[name] = found.offset if found is not None else ends[tp]
            if first[name] == starts[tp]:  # else it holds records from before the horizon
                retention = self._retention_ms[name]
                try:
                    check_horizon(tp.topic, partition, starts[tp], retention, horizon_ms, now_ms)
                except HorizonError as error:
                    refusals.append(error)
        await require_accepted(self._settings, refusals)
        return first

    async def _saved(self, partition: int, due: int, window_ms: int) -> PartitionIndex | None:
        """The index on disk, if it is shown to be of these very logs."""
        try:
            index = await asyncio.to_thread(self._cache.read, partition, due, window_ms)
        except FileNotFoundError:
            return None
        except (CacheError, OSError) as error:
            why = str(error)
        else:
            why = await self._mismatch(partition, index)
            if not why:
                return index
        log.warning("the index on disk is refused, the logs are read", partition=partition, why=why)
        return None

    async def _mismatch(self, partition: int, index: PartitionIndex) -> str:
        """Why a saved index is not of these logs, or lacks what was trimmed; empty if it fits."""
        outcome_logs = self._logs(partition)
        tps = list(outcome_logs.values())
        starts = await self._reader.beginning_offsets(tps)
        ends = await self._reader.end_offsets(tps)
        if index.upto.keys() != outcome_logs.keys():
            return "it is of other topics"
        for name, tp in outcome_logs.items():
            if not starts[tp] <= index.upto[name] <= ends[tp]:
                return (
                    f"it was read up to {index.upto[name]} of {tp.topic}, which holds"
                    f" {starts[tp]} to {ends[tp]}"
                )
        for name, record_id in (await self._records_before(partition, index.upto)).items():
            if not record_id or record_id != index.last.get(name):
                return f"{name} holds another record before {index.upto[name]}"
        return ""

    async def _records_before(self, partition: int, upto: Mapping[str, int]) -> dict[str, str]:
        """The ids of the records right before these offsets of the outcome logs.

        A log that is trimmed up to its offset is left out. The id is empty for a foreign record.
        """
        outcome_logs = self._logs(partition)
        starts = await self._reader.beginning_offsets(list(outcome_logs.values()))
        missing = {tp: name for name, tp in outcome_logs.items() if starts[tp] < upto.get(name, 0)}
        self._fetch(partition, {tp: upto[name] - 1 for tp, name in missing.items()})
        ids = {}
        while missing:
            fetched = await self._reader.getmany(*missing, timeout_ms=200, max_records=1)
            for tp, (record, *_) in fetched.items():
                name = missing.pop(tp)
                try:
                    record_id = parse_outcome_headers(record.headers).record_id
                except (KeyError, ValueError):
                    record_id = ""
                ids[name] = record_id if record.offset == upto[name] - 1 else ""
            for tp in await self._passed({tp: upto[name] for tp, name in missing.items()}):
                ids[missing.pop(tp)] = ""  # a transaction marker, which is no record
        return ids

    async def _passed(self, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Which of these logs have been read up to their ends, the last offsets being markers."""
        return [tp for tp, end in ends.items() if await self._reader.position(tp) >= end]

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
            if await self._passed({raw: end}):
                return int(time.time() * 1000)

    def _fetch(self, partition: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Fetch these logs from their offsets on.

        All logs of the partition are assigned, and the others paused, so that aiokafka asks for
        the metadata of all topics at once: topic by topic takes a second.
        """
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        tps = [raw, *self._logs(partition).values()]
        self._reader.assign(tps)
        for tp in tps:
            self._reader.seek(tp, offsets.get(tp, 0))
        self._reader.pause(*(tp for tp in tps if tp not in offsets))

    async def _catch_up(self, partition: int, index: PartitionIndex) -> int:
        outcome_logs = self._logs(partition)
        self._fetch(partition, {})
        ends = await self._reader.end_offsets(list(outcome_logs.values()))
        unread = {tp: name for name, tp in outcome_logs.items() if index.upto[name] < ends[tp]}
        if not unread:
            return 0
        read = 0
        self._fetch(partition, {tp: index.upto[name] for tp, name in unread.items()})
        while unread:
            fetched = await self._reader.getmany(*unread, timeout_ms=200, max_records=10_000)
            for tp, records in fetched.items():
                outcome, foreign = None, 0
                for record in records:
                    try:
                        outcome = parse_outcome_headers(record.headers)
                    except (KeyError, ValueError):  # no lookup needs it
                        outcome, foreign = None, foreign + 1
                        continue
                    index.add(outcome)
                if foreign:
                    log.warning("records are no outcomes", log=tp, records=foreign)
                read += len(records)
                last = "" if outcome is None else outcome.record_id
                index.advance(unread[tp], records[-1].offset + 1, last)
                index.pack()
                await asyncio.sleep(0)  # heartbeats go on
            for tp in await self._passed({tp: ends[tp] for tp in unread.keys() - fetched.keys()}):
                index.advance(unread[tp], ends[tp], "")
            unread = {tp: name for tp, name in unread.items() if index.upto[name] < ends[tp]}
            if fetched:
                self._health.waiting("index", f"reading {len(unread)} outcome logs back")
        await self._check_raw(partition, index.newest)
        return read

    async def _check_raw(self, partition: int, newest: int) -> None:
        """Raise ForeignLogError unless the raw log reaches beyond the newest outcome's record."""
        raw = TopicPartition(self._settings.topic(WEBHOOKS), partition)
        end = (await self._reader.end_offsets([raw]))[raw]
        if newest >= end:
            raise ForeignLogError(
                f"{raw.topic}/{partition} ends at {end}, but there are outcomes of its offset"
                f" {newest}: the topic was recreated or cut under us; restore it, or start over"
                " under a new prefix"
            )
