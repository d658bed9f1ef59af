"""The window of a delivery: it lies within, whatever the clocks show; nothing is read twice."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.journey import logs as journey_logs
from hookline.journey.logs import Logs, first_match, ranges
from hookline.journey.windows import CLOCKS_MS, PROCESSING, RECEIPT, WAIT_MS, Span
from runtime.settings import Settings
from schemas.topics import ALL
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record
from tests.sink_events import CODEC

SETTINGS = Settings(contact_key="key")
TPS = [TopicPartition("raw", number) for number in range(3)]
STEP_MS = 1000
"""Between two batches of a fake log."""
SPANS = st.lists(
    st.tuples(st.integers(0, 9_000), st.integers(0, 9_000)), min_size=1, max_size=5
).map(lambda pairs: list(zip(*map(sorted, zip(*pairs, strict=True)), strict=True)))
"""Each contains the one before it."""


def log_of(sizes: Sequence[int], number: int = 0) -> list[Batch]:
    return [
        Batch(
            tuple(Record(b"%d" % number, b"%d:%d" % (at, each), ()) for each in range(size)),
            codec=at % 5,
        )
        for at, size in enumerate(sizes)
    ]


def logs_of(by_partition: dict[TopicPartition, list[Batch]]) -> Logs:
    consumer: Any = FakeConsumer(by_partition)
    consumer.assign(by_partition)
    return Logs(SETTINGS, consumer, {topic: list(by_partition) for topic in ALL}, CODEC)


async def all_ranges(
    logs: Logs, at_ms: int, spans: Sequence[Span]
) -> list[tuple[TopicPartition, int]]:
    read = []
    async for start, end in ranges(logs, TPS, at_ms, spans):
        for tp, first in start.items():
            assert first < end[tp]
            read += [(tp, offset) for offset in range(first, end[tp])]
    return read


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 3), max_size=8), min_size=3, max_size=3),
    st.integers(-3_000, 12_000),
    SPANS,
)
def test_every_record_of_the_widest_span_is_read_once_and_no_other(
    sizes: list[list[int]], at: int, spans: list[Span]
) -> None:
    by_partition = {tp: log_of(each) for tp, each in zip(TPS, sizes, strict=True)}
    read = asyncio.run(all_ranges(logs_of(by_partition), NOW_MS + at, spans))
    before, after = spans[-1]
    expected = []
    for tp, each in zip(TPS, sizes, strict=True):
        ends = [0, *itertools.accumulate(each)]
        for number, size in enumerate(each):
            if at - before <= number * STEP_MS <= at + after:
                expected += [(tp, ends[number] + i) for i in range(size)]
    assert sorted(read) == expected
    assert len(read) == len(set(read))


@settings(deadline=None)
@given(
    st.integers(0, 2),
    st.integers(0, 5),
    st.integers(-CLOCKS_MS, CLOCKS_MS),
    st.integers(0, WAIT_MS),
)
def test_a_delivery_is_found_whatever_the_clocks_show_and_however_long_it_waited(
    partition: int, batch: int, ahead: int, waited: int
) -> None:
    """``ahead``: how far the broker's clock is before the ingress's."""
    by_partition = {tp: log_of([2] * 6, tp.partition) for tp in TPS}
    wanted = b"%d:1" % batch
    appended_ms = NOW_MS + batch * STEP_MS
    received_ms = appended_ms - ahead - waited

    def matches(record: Any) -> bool:
        return bool(record.value == wanted and record.partition == partition)

    found = asyncio.run(first_match(logs_of(by_partition), TPS, received_ms, RECEIPT, matches))
    assert found is not None
    assert found.timestamp == appended_ms


def test_what_is_near_is_read_before_what_is_far() -> None:
    by_partition = {tp: log_of([1] * 60) for tp in TPS}
    logs = logs_of(by_partition)
    read = asyncio.run(all_ranges(logs, NOW_MS + 30 * STEP_MS, RECEIPT))
    offsets = [offset for tp, offset in read if tp == TPS[0]]
    assert offsets[0] == 30
    assert offsets[1:3] == [31, 32]


@pytest.mark.parametrize("spans", [RECEIPT, PROCESSING])
def test_nothing_is_found_in_empty_logs_and_nothing_is_waited_for(spans: Sequence[Span]) -> None:
    logs = logs_of({tp: [] for tp in TPS})
    assert asyncio.run(first_match(logs, TPS, NOW_MS, spans, lambda _: True)) is None


def test_progress_counts_what_is_read_of_each_window() -> None:
    seen: list[tuple[str, int, int]] = []
    logs = logs_of({tp: log_of([5]) for tp in TPS})
    work = first_match(logs, TPS, NOW_MS, RECEIPT, lambda _: False, lambda *each: seen.append(each))
    asyncio.run(work)
    assert seen[-1][1:] == (15, 15)
    assert journey_logs.silent("", 0, 0) is None  # type: ignore[func-returns-value]
