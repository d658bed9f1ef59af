"""Records as a fetcher returns them: from the stage's factory, otherwise as aiokafka makes them."""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record._crc32c import crc
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from runtime.consumer.client.fetched_records import FetchBuffer, Skips, skipped_to
from runtime.stage import Partition, RecordFactory

RAW = TopicPartition("hookline.webhooks", 3)
GZIP, CONTROL = 1, 0x20
Fields = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
"""Offset, timestamp, key, value and headers of a record."""

TEXTS = st.none() | st.binary(max_size=20)
BATCHES = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.integers(1, 3),  # to the next offset: more where something was compacted away
                st.integers(0, 2**40),
                TEXTS,
                TEXTS,
                st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3),
            ),
            min_size=1,
            max_size=6,
        ),
        st.sampled_from([0, 0, 0, GZIP]),
        st.sampled_from([0, 0, 0, 0, CONTROL]),
    ),
    min_size=1,
    max_size=5,
)


def kept(base: int, drawn: Any) -> tuple[bytes, int]:
    """A batch as the broker keeps it from offset ``base`` on, and the offset behind it."""
    records, compression, control = drawn
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, 0, 1 << 20)
    offset = 0
    for step, timestamp, key, value, headers in records:
        builder.append(offset, timestamp, key, value, headers)
        last, offset = offset, offset + step
    made = bytearray(builder.build())
    made[0:8] = base.to_bytes(8, "big")
    made[21:23] = (int.from_bytes(made[21:23], "big") | control).to_bytes(2, "big")
    made[17:21] = crc(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made), base + last + 1


def log(drawn: Sequence[Any], gap: int = 0) -> list[tuple[bytes, int]]:
    """Batches one after the other, with as many offsets missing between two."""
    found: list[tuple[bytes, int]] = []
    for each in drawn:
        found.append(kept(found[-1][1] + gap if found else 100, each))
    return found


def result(blob: bytes, due: int) -> FetchResult:
    """What a fetcher makes of an answer to a fetch from ``due`` on."""
    assignment = Assignment([RAW])
    assignment.state_value(RAW).reset_to(due)
    return FetchResult(
        RAW,
        assignment=assignment,
        partition_records=PartitionRecords(
            RAW, MemoryRecords(blob), None, due, None, None, True, 0
        ),
        backoff=0.0,
    )


def position(found: FetchResult) -> int:
    return int(found._assignment.state_value(RAW).position)


@dataclass(frozen=True, slots=True)
class Made:
    """A record of the stage's own."""

    partition: Partition
    fields: Fields


def factory(partition: Partition) -> RecordFactory:
    return lambda *fields: Made(partition, (*fields[:4], tuple(fields[4])))


def buffered(fetched: FetchResult, make: Callable[[Partition], RecordFactory]) -> FetchResult:
    """The same, as a fetcher of ours holds it."""
    buffer = FetchBuffer(make, {})
    buffer[RAW] = fetched
    held: FetchResult = buffer[RAW]
    return held


def made(record: Any) -> Made:
    """What the factory makes of aiokafka's record."""
    headers = tuple(record.headers)
    fields = (record.offset, record.timestamp, record.key, record.value, headers)
    return Made(Partition(*RAW), fields)


@given(BATCHES, st.integers(0, 2), st.integers(0, 30), st.integers(1, 8))
async def test_records_and_positions_are_those_of_aiokafka_however_many_are_read_at_once(
    drawn: list[Any], gap: int, ahead: int, at_once: int
) -> None:
    batches = log(drawn, gap)
    due = min(100 + ahead, batches[-1][1] - 1)
    blob = b"".join(each for each, behind in batches if behind > due)
    theirs, ours = result(blob, due), buffered(result(blob, due), factory)
    while theirs.has_more():
        expected = [made(record) for record in theirs.getall(at_once)]
        assert expected == ours.getall(at_once)
        assert (position(theirs), theirs.has_more()) == (position(ours), ours.has_more())
    assert not ours.has_more()


@given(BATCHES)
async def test_a_record_that_the_factory_refuses_is_returned_as_aiokafka_makes_it(
    drawn: list[Any],
) -> None:
    def refusing(partition: Partition) -> RecordFactory:
        def make(offset: int, *fields: Any) -> Made:
            if offset % 3 == 0:
                raise AttributeError(offset)
            return factory(partition)(offset, *fields)

        return make

    batches = log(drawn)
    blob = b"".join(each for each, _ in batches)
    theirs, ours = result(blob, 100), buffered(result(blob, 100), refusing)
    expected = [
        record if record.offset % 3 == 0 else made(record) for record in theirs.getall(2000)
    ]
    assert ours.getall(2000) == expected
    assert position(ours) == batches[-1][1]


@given(BATCHES)
async def test_a_batch_that_was_damaged_is_refused(drawn: list[Any]) -> None:
    blob = bytearray(b"".join(each for each, _ in log(drawn)))
    blob[-1] ^= 0xFF
    with pytest.raises(CorruptRecordException, match="Invalid CRC"):
        buffered(result(bytes(blob), 100), factory).getall(2000)


async def test_a_fetchers_errors_are_left_as_they_are() -> None:
    buffer = FetchBuffer(factory, {})
    buffer[RAW] = error = FetchError(error=ValueError(), backoff=0.0)
    assert buffer[RAW] is error


async def test_fetched_bytes_are_freed_without_the_garbage_collector() -> None:
    """It runs so rarely that the bytes of a thousand fetches would wait for it."""
    blob = kept(100, ([(1, 5, b"k", b"v", [])], 0, 0))[0]
    gc.disable()
    try:
        found = result(blob, 100)
        theirs = weakref.ref(found._partition_records)
        ours = weakref.ref(buffered(found, factory)._partition_records)
        assert 1 == len(found.getall(2000))
        assert (None, None) == (theirs(), ours())
    finally:
        gc.enable()


@given(BATCHES, st.integers(0, 1), st.integers(1, 8))
async def test_exactly_the_offsets_of_transaction_markers_are_known_to_be_no_records(
    drawn: list[Any], gap: int, at_once: int
) -> None:
    batches = log(drawn, gap)
    skips: Skips = {}
    buffer = FetchBuffer(None, skips)
    buffer[RAW] = result(b"".join(each for each, _ in batches), 100)
    while buffer[RAW].has_more():
        buffer[RAW].getall(at_once)
    markers: set[int] = set()
    for each, end in batches:
        if int.from_bytes(each[21:23], "big") & CONTROL:
            markers |= set(range(int.from_bytes(each[:8], "big"), end))
    for offset in range(100, batches[-1][1] + 1):
        following = next(n for n in range(offset, batches[-1][1] + 2) if n not in markers)
        assert skipped_to(skips.get(RAW, ()), offset) == following


async def test_few_ranges_of_markers_are_kept_however_many_there_are() -> None:
    skips: Skips = {}
    buffer = FetchBuffer(None, skips)
    blob = b"".join(
        kept(100 + 2 * n, ([(1, 5, b"k", b"v", [])], 0, CONTROL * (n % 2)))[0] for n in range(500)
    )
    buffer[RAW] = result(blob, 100)
    buffer[RAW].getall(10_000)
    assert len(skips[RAW]) <= 64
    assert skips[RAW][-1] == (1098, 1099)
