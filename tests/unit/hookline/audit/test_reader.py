"""Segments of a partition: their sum is that of the whole, whatever their size."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from hookline.audit import reader
from hookline.audit.reader import Plan, Segment
from hookline.audit.tally import Count
from schemas import envelopes

RAW = TopicPartition("raw", 0)
LOGS = (TopicPartition("orders", 0), TopicPartition("carts", 0), TopicPartition("duplicates", 0))


@dataclass(frozen=True, slots=True)
class Record:
    """As much of a consumer's record as the audit looks at."""

    offset: int
    headers: tuple[tuple[str, bytes], ...]
    topic: str = "orders"
    partition: int = 0


class Logs:
    """Logs in memory, read as ``log_reader.PartitionStreams`` does, ``step`` at a time."""

    def __init__(self, records: Mapping[TopicPartition, Sequence[Record]], step: int) -> None:
        self._records, self._step = records, step
        self.read = 0

    def __call__(
        self, _client: Any, start: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int]
    ) -> "Logs":
        self._next, self._end = dict(start), end
        return self

    def is_open(self, tp: TopicPartition) -> bool:
        return self._next[tp] < self._end[tp]

    async def fetch(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, list[Record]]:
        found = {}
        for tp in wanted:
            first = self._next[tp]
            self._next[tp] = min(first + self._step, self._end[tp])
            found[tp] = list(self._records[tp][first : self._next[tp]])
            self.read += len(found[tp])
        return found


def raw(offset: int) -> Record:
    headers = ((envelopes.SOURCE, b"spiffy"), (envelopes.SHOP, b"ab"[offset % 2 : offset % 2 + 1]))
    return Record(offset, headers)


def outcome(raw_offset: int, slot: str = "order", slots: str = "order") -> Record:
    return Record(
        0,
        (
            (envelopes.RAW_OFFSET, b"%d" % raw_offset),
            (envelopes.SLOT, slot.encode()),
            (envelopes.SLOTS, slots.encode()),
            (envelopes.DIGEST, bytes(16)),
        ),
    )


def read(
    raws: int,
    outcomes: Sequence[Sequence[Record]],
    *,
    segment: int,
    step: int,
    begin: int = 0,
    **changes: Any,
) -> tuple[list[Segment], int]:
    """The segments of logs that are read whole unless ``changes`` limit it; how much was read."""
    logs = dict(zip(LOGS, outcomes, strict=False))
    end = {tp: len(records) for tp, records in logs.items()}
    plan = replace(
        Plan(RAW, begin, raws, raws, dict.fromkeys(logs, 0), end),
        **changes,
    )
    logs_read = Logs({RAW: [raw(offset) for offset in range(raws)], **logs}, step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "SEGMENT", segment)
        patch.setattr(reader, "PartitionStreams", logs_read)
        client: Any = None
        return asyncio.run(reader.read(client, plan)), logs_read.read


def summed(segments: list[Segment]) -> tuple[dict[str, Count], int, int, list[int]]:
    shops: dict[str, Count] = {}
    for segment in segments:
        for shop, count in segment.result.shops.items():
            shops[shop] = shops.get(shop, Count()) + count
    return (
        shops,
        sum(segment.result.late_copies for segment in segments),
        sum(segment.result.strangers for segment in segments),
        [offset for segment in segments for offset in segment.result.missing_at],
    )


KINDS = {
    "order": (("order", "order", 0),),
    "cart": (("cart", "cart,payment", 1), ("payment", "cart,payment", 0)),
    "duplicate": (("duplicate", "duplicate", 2),),
    "half": (("cart", "cart,payment", 1),),
    "none": (),
}
"""What became of a delivery -> its outcomes: slot, all slots, its log."""


@given(st.data())
def test_each_delivery_is_counted_once_whatever_the_segments_and_however_late_its_outcomes(
    data: st.DataObject,
) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=40))
    begin = data.draw(st.integers(0, len(kinds) - 1))
    logs: list[list[Record]] = [[], [], []]
    late: list[list[Record]] = [[], [], []]
    copies = 0
    for offset, kind in enumerate(kinds):
        for slot, slots, log in KINDS[kind]:
            (late if data.draw(st.booleans()) else logs)[log].append(outcome(offset, slot, slots))
            if data.draw(st.booleans()):
                copies += offset >= begin
                late[log].append(outcome(offset, slot, slots))
    segments, _ = read(
        len(kinds),
        [[*log, *data.draw(st.permutations(more))] for log, more in zip(logs, late, strict=True)],
        segment=data.draw(st.integers(1, 12)),
        step=data.draw(st.integers(1, 9)),
        begin=begin,
    )
    shops, late_copies, strangers, missing_at = summed(segments)
    total = sum(shops.values(), Count())
    looked = kinds[begin:]
    assert total == Count(
        accepted=len(looked),
        canonical=looked.count("order") + looked.count("cart"),
        duplicates=looked.count("duplicate"),
        missing=looked.count("half") + looked.count("none"),
    )
    assert missing_at == [
        n for n, kind in enumerate(kinds) if kind in ("half", "none") and n >= begin
    ]
    assert (late_copies, strangers) == (copies, 0)
    assert [each.begin for each in segments[1:]] == [each.end for each in segments[:-1]]
    assert (segments[0].begin, segments[-1].end) == (begin, len(kinds))


def test_a_delivery_that_was_repaired_long_after_is_not_missing() -> None:
    orders = [outcome(offset) for offset in range(1, 50)] + [outcome(0)]
    for is_whole in (True, False):
        segments, _ = read(50, [orders], segment=10, step=5, is_whole=is_whole)
        assert summed(segments)[3] == []


def test_a_range_reads_no_further_than_it_needs() -> None:
    orders = [outcome(offset) for offset in range(1000)]
    segments, count = read(1000, [orders], segment=10, step=5, barrier=20, is_whole=False)
    assert sum(each.result.total.accepted for each in segments) == 20
    assert count <= 20 + 30


def test_what_may_be_in_flight_has_a_segment_of_its_own() -> None:
    orders = [outcome(offset) for offset in range(7)]
    segments, _ = read(10, [orders], segment=100, step=50, committed=7)
    assert [(each.begin, each.end) for each in segments] == [(0, 7), (7, 10)]
    assert [each.result.total.is_settled for each in segments] == [True, False]


def test_records_that_are_no_outcomes_are_counted_apart() -> None:
    no_offset = ((envelopes.SLOT, b"order"), (envelopes.SLOTS, b"order"))
    foreign = [
        (),
        ((envelopes.RAW_OFFSET, None), *no_offset),
        ((envelopes.RAW_OFFSET, b"0"), *no_offset[:2]),
        ((envelopes.RAW_OFFSET, b"0"), *no_offset[:2], (envelopes.DIGEST, b"short")),
        (*outcome(0).headers, ("other", None)),
        ((envelopes.RAW_OFFSET, b"-1"), *no_offset),
        ((envelopes.RAW_OFFSET, b"9" * 30), *no_offset),
        ((envelopes.RAW_OFFSET, b"0"), (envelopes.SLOT, None), (envelopes.SLOTS, b"order")),
        ((envelopes.RAW_OFFSET, b"0"), (envelopes.SLOT, b"\xff"), (envelopes.SLOTS, b"\xff")),
    ]
    orders = [outcome(0), *(Record(n, headers) for n, headers in enumerate(foreign, 1))]
    segments, _ = read(1, [orders], segment=10, step=5)
    assert sum(each.result.foreign_outcomes for each in segments) == len(foreign)
    assert sum(each.result.total.canonical for each in segments) == 1


def test_raw_records_of_other_producers_are_no_deliveries() -> None:
    letter = outcome(1)
    headers = tuple(
        (name, envelopes.DEAD_SLOT.encode())
        if name in (envelopes.SLOT, envelopes.SLOTS)
        else (name, value)
        for name, value in letter.headers
    )
    dead = Record(1, (*headers, (envelopes.REASON, envelopes.Reason.FOREIGN_RECORD.encode())))
    segments, _ = read(2, [[outcome(0), dead]], segment=10, step=5)
    total = sum((each.result.total for each in segments), Count())
    assert (total.accepted, total.canonical, total.dead_letters, total.foreign) == (1, 1, 0, 1)
    assert total.is_balanced
