"""What operators gave up, and how large the dedupe index is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.local.doctor.index_size import IndexSize
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from runtime.kafka.operator_decisions import accepted_until, divided
from schemas.json_records import decisions
from schemas.json_records.decisions import AcceptedLoss
from tests.index_bytes import index_bytes
from tests.toy_platform import CODEC, SHOPS, adapter, record


def loss(first: int, until: int, partition: int = 3) -> AcceptedLoss:
    return AcceptedLoss(partition=partition, first=first, until=until, at=1)


@pytest.mark.parametrize(
    ("made", "until"),
    [
        ([], 10),
        ([loss(10, 20)], 20),
        ([loss(5, 20)], 20),  # part of it was accepted for an earlier commit
        ([loss(15, 30), loss(10, 20)], 30),
        ([loss(11, 20)], 10),  # 10 itself was never given up
        ([loss(10, 20, partition=4)], 10),
    ],
)
def test_only_what_was_given_up_from_the_offset_due_is_passed_over(
    made: list[AcceptedLoss], until: int
) -> None:
    assert until == accepted_until(made, 3, 10)


def test_a_decision_is_read_as_it_was_written_and_nothing_else_is_one() -> None:
    assert loss(1, 5) == decisions.decode(decisions.encode(loss(1, 5)))
    assert 4 == loss(1, 5).count
    with pytest.raises(msgspec.MsgspecError):
        decisions.decode(b'{"type": "another", "partition": 1}')


def test_the_index_takes_rate_by_window_by_bytes() -> None:
    size = IndexSize(rate=10.0, window_s=72 * 3600, partitions=4)
    assert 10 * 72 * 3600 * 38 == size.nbytes
    assert "98.5 MB in all processors together, 24.6 MB a partition" in str(size)


def test_the_bytes_told_are_those_that_a_delivery_takes() -> None:
    from processors.decide import Decider  # noqa: PLC0415 - one figure of it is swapped
    from processors.index import run_set  # noqa: PLC0415

    index, count = PartitionIndex(), 300
    rule = Decider(CODEC, {"spiffy": adapter()}, b"key")
    made = [record(n, b"content %d" % n, entity=f"cart:{n}") for n in range(count)]
    for verdict in rule.decide(made, index, SHOPS):
        for outcome in verdict.outcomes:
            index.add(parse_outcome_headers(outcome.headers))
    before, run_set.SORT_AT = run_set.SORT_AT, 1
    try:
        index.settle(count, 0)
    finally:
        run_set.SORT_AT = before
    assert IndexSize(rate=count, window_s=1, partitions=1).nbytes == index_bytes(index)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.integers(3, 4))),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_every_offset_is_either_given_up_or_not(
    told: list[tuple[int, int, int]], first: int, count: int
) -> None:
    made = [loss(start, start + size, partition) for start, size, partition in told]
    accepted, others = divided(made, 3, first, first + count)
    expected = {
        offset
        for offset in range(first, first + count)
        if any(each.partition == 3 and each.first <= offset < each.until for each in made)
    }
    listed = [offset for start, until in accepted for offset in range(start, until)]
    rest = [offset for start, until in others for offset in range(start, until)]
    assert expected == set(listed)
    assert sorted([*listed, *rest]) == list(range(first, first + count))
