"""How far back an index reads, and when the logs no longer reach that far."""

import asyncio
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndTimestamp
from structlog.testing import capture_logs

from processors.decide import Decider
from processors.index.disk_cache import IndexCache
from processors.index.horizon import ForeignLogError, HorizonError, check_horizon
from processors.index.partition_index import PartitionIndex
from processors.index.recovery import HORIZON_MARGIN_MS, IndexRecovery
from runtime.health import Health
from runtime.settings import Settings
from schemas.topics import CARTS, OUTCOMES, WEBHOOKS
from tests import toy_platform
from tests.toy_platform import CODEC, SHOPS, record

HOUR = 3_600_000
DAY = 24 * HOUR
WINDOW_MS = 72 * HOUR
VERDICTS = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key")
NOW = 1_800_000_000_000


@pytest.mark.parametrize("retention_ms", [30 * DAY, 29 * DAY, inf])
def test_a_log_whose_beginning_is_gone_within_the_horizon_is_refused(retention_ms: float) -> None:
    """One that keeps all, and yet has lost some, was deleted from by somebody."""
    with pytest.raises(HorizonError, match="start over under a new prefix"):
        check_horizon("hookline.carts", 0, 1, retention_ms, NOW - 30 * DAY, NOW)


@pytest.mark.parametrize(("start", "retention_ms"), [(0, inf), (0, DAY), (1, 34 * DAY)])
def test_a_log_that_is_whole_or_lost_only_what_is_older_than_the_horizon_is_read(
    start: int, retention_ms: float
) -> None:
    check_horizon("hookline.carts", 0, start, retention_ms, NOW - 30 * DAY, NOW)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as a log holds it."""

    offset: int
    timestamp: int
    headers: Any = ()


class Reader:
    """Logs in memory, read as ``AIOKafkaConsumer`` reads them. ``trimmed``: where they begin.

    ``given``: offsets that were read, by log.
    """

    def __init__(self, logs: dict[TopicPartition, list[Stored]]) -> None:
        self.logs = logs
        self.trimmed: dict[TopicPartition, int] = {}
        self.given: dict[TopicPartition, list[int]] = {}
        self.at: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()

    async def beginning_offsets(self, keys: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {key: self.trimmed.get(key, 0) for key in keys}

    async def end_offsets(self, keys: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {key: len(self.logs.get(key, ())) for key in keys}

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[Any, Any]:
        return {
            key: next(
                (
                    OffsetAndTimestamp(each.offset, each.timestamp)
                    for each in self.logs.get(key, ())
                    if each.timestamp >= at and each.offset >= self.trimmed.get(key, 0)
                ),
                None,
            )
            for key, at in times.items()
        }

    def assign(self, keys: list[TopicPartition]) -> None:
        self.at = dict.fromkeys(keys, 0)
        self.paused.clear()

    def pause(self, *keys: TopicPartition) -> None:
        self.paused.update(keys)

    def resume(self, *keys: TopicPartition) -> None:
        self.paused.difference_update(keys)

    def seek(self, key: TopicPartition, offset: int) -> None:
        self.at[key] = offset

    async def getmany(
        self, *keys: TopicPartition, timeout_ms: int, max_records: int | None = None
    ) -> dict[TopicPartition, list[Stored]]:
        assert timeout_ms > 0
        wanted = [key for key in keys or self.at if key not in self.paused]
        found = {key: self.logs.get(key, [])[self.at[key] :][:max_records] for key in wanted}
        self.at.update({key: self.at[key] + len(records) for key, records in found.items()})
        for key, records in found.items():
            self.given.setdefault(key, []).extend(each.offset for each in records)
        return {key: records for key, records in found.items() if records}


def logs_of(ages: list[int], settings: Settings) -> dict[TopicPartition, list[Stored]]:
    """Raw deliveries appended at these times, each with its outcome at the same time."""
    raws = [record(number, b"content %d" % number, at=at) for number, at in enumerate(ages)]
    decided = VERDICTS.decide(raws, PartitionIndex(), SHOPS)
    headers = [verdict.outcomes[0].headers for verdict in decided]
    return {
        TopicPartition(settings.topic(WEBHOOKS), 0): [
            Stored(raw.offset, raw.timestamp) for raw in raws
        ],
        TopicPartition(settings.topic(CARTS), 0): [
            Stored(raw.offset, raw.timestamp, each) for raw, each in zip(raws, headers, strict=True)
        ],
    }


def recovery_of(reader: Reader, settings: Settings) -> IndexRecovery:
    recovery = object.__new__(IndexRecovery)  # without the consumer that it would make
    recovery._settings, recovery._health = settings, Health()
    recovery._cache = IndexCache(settings, "cluster")
    recovery._one_at_a_time = asyncio.Lock()
    recovery._reader = reader
    recovery._retention_ms = {topic.name: inf for topic in OUTCOMES}
    return recovery


async def test_an_index_reads_from_the_due_record_less_the_window_and_the_margin(
    tmp_path: Path,
) -> None:
    settings = Settings(prefix="t_", state_dir=str(tmp_path))
    horizon = NOW - WINDOW_MS - HORIZON_MARGIN_MS
    ages = [horizon - 1, horizon, NOW - WINDOW_MS, NOW, NOW + 1]
    recovery = recovery_of(Reader(logs_of(ages, settings)), settings)
    index = await recovery.open(0, 3, WINDOW_MS)
    assert len(index) == 4
    assert index.upto[CARTS.name] == 5
    repeated = [record(5, b"content %d" % number, at=NOW) for number in (1, 2)]
    kinds = [VERDICTS.decide([each], index, SHOPS)[0].kind for each in repeated]
    assert kinds == ["canonical", "duplicate"]  # the first is 10 minutes too old
    assert [offset in index.logged for offset in range(5)] == [False] * 3 + [True] * 2


async def test_outcomes_of_raw_records_that_never_were_are_refused(tmp_path: Path) -> None:
    settings = Settings(prefix="t_", state_dir=str(tmp_path))
    logs = logs_of([NOW, NOW + 1], settings)
    logs[TopicPartition(settings.topic(WEBHOOKS), 0)].pop()
    with pytest.raises(ForeignLogError, match="recreated or cut under us"):
        await recovery_of(Reader(logs), settings).open(0, 0, WINDOW_MS)


async def test_records_of_others_among_outcomes_are_logged_once_for_each_read(
    tmp_path: Path,
) -> None:
    settings = Settings(prefix="t_", state_dir=str(tmp_path))
    logs = logs_of([NOW, NOW + 1], settings)
    carts = logs[TopicPartition(settings.topic(CARTS), 0)]
    carts += [Stored(2 + number, NOW, [("a", b"b")]) for number in range(50)]
    with capture_logs() as logged:
        index = await recovery_of(Reader(logs), settings).open(0, 0, WINDOW_MS)
    assert [each["records"] for each in logged if each["log_level"] == "warning"] == [50]
    assert (len(index), index.upto[CARTS.name]) == (2, 52)
