"""Records as a fetcher gives them: those that aiokafka would have made, and nothing is held."""

import gc
import weakref
from collections.abc import Sequence
from functools import partial
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

from runtime.consumer.fetched_records import Holding, Record
from runtime.stage import Partition

PLACE = TopicPartition("hookline.webhooks", 3)
GZIP, CONTROL = 1, 0x20
Told = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
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
    assignment = Assignment([PLACE])
    assignment.state_value(PLACE).reset_to(due)
    return FetchResult(
        PLACE,
        assignment=assignment,
        partition_records=PartitionRecords(
            PLACE, MemoryRecords(blob), None, due, None, None, True, 0
        ),
        backoff=0.0,
    )


def position(found: FetchResult) -> int:
    return int(found._assignment.state_value(PLACE).position)


def told(record: Any) -> Told:
    return (
        record.offset, record.timestamp, record.key, record.value, tuple(record.headers),
    )  # fmt: skip


def held(found: FetchResult) -> FetchResult:
    """The same, as our fetchers hold it."""
    holding = Holding()
    holding[PLACE] = found
    result: FetchResult = holding[PLACE]
    return result


@given(BATCHES, st.integers(0, 2), st.integers(0, 30), st.integers(1, 8))
async def test_records_and_positions_are_those_that_aiokafka_gives_however_many_at_once(
    drawn: list[Any], gap: int, ahead: int, at_once: int
) -> None:
    batches = log(drawn, gap)
    due = min(100 + ahead, batches[-1][1] - 1)
    blob = b"".join(each for each, behind in batches if behind > due)
    theirs, ours = result(blob, due), held(result(blob, due))
    while theirs.has_more():
        expected, made = theirs.getall(at_once), ours.getall(at_once)
        assert [told(record) for record in expected] == [told(record) for record in made]
        assert all(type(record) is Record for record in made)
        assert {(each.topic, each.partition) for each in made} <= {PLACE}
        assert (position(theirs), theirs.has_more()) == (position(ours), ours.has_more())
    assert not ours.has_more()


@given(BATCHES)
async def test_a_stages_own_records_are_made_of_the_same_and_what_it_refuses_is_given_plain(
    drawn: list[Any],
) -> None:
    def refusing(place: Partition, offset: int, *fields: Any) -> Any:
        if offset % 3 == 0:
            raise AttributeError(offset)
        return place, Record(place.topic, place.number, offset, *fields)

    batches = log(drawn)
    blob = b"".join(each for each, _ in batches)
    plain, ours = held(result(blob, 100)), result(blob, 100)
    holding = Holding(lambda place: partial(refusing, place))
    holding[PLACE] = ours
    place = Partition(PLACE.topic, PLACE.partition)
    expected = [
        record if record.offset % 3 == 0 else (place, record) for record in plain.getall(2000)
    ]
    assert holding[PLACE].getall(2000) == expected
    assert position(ours) == batches[-1][1]


@given(BATCHES)
async def test_a_batch_that_was_damaged_is_refused(drawn: list[Any]) -> None:
    blob = bytearray(b"".join(each for each, _ in log(drawn)))
    blob[-1] ^= 0xFF
    with pytest.raises(CorruptRecordException, match="Invalid CRC"):
        held(result(bytes(blob), 100)).getall(2000)


async def test_a_fetchers_errors_are_left_as_they_are() -> None:
    holding = Holding()
    holding[PLACE] = error = FetchError(error=ValueError(), backoff=0.0)
    assert holding[PLACE] is error


async def test_what_was_fetched_is_let_go_of_without_the_collector() -> None:
    """Which looks so seldom that the bytes of a thousand fetches would wait for it."""
    blob = kept(100, ([(1, 5, b"k", b"v", [])], 0, 0))[0]
    gc.disable()
    try:
        found = result(blob, 100)
        theirs = weakref.ref(found._partition_records)
        ours = weakref.ref(held(found)._partition_records)
        assert (None, 1) == (theirs(), len(found.getall(2000)))
        assert ours() is None
    finally:
        gc.enable()
