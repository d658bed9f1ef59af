"""Whatever another producer writes to the raw topic becomes one dead letter and stops nothing."""

from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from processors import outcomes
from processors.decide import Decider
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.parse import raw_of
from schemas import envelopes
from schemas.envelopes import Reason
from schemas.topics import DEAD_LETTERS, MIB
from tests import toy_platform
from tests.toy_platform import CODEC, SHOPS, record

OURS = sorted(
    value
    for name, value in vars(envelopes).items()
    if name.isupper() and isinstance(value, str) and value.startswith("hookline-")
)
BYTES = st.none() | st.binary(max_size=20)
HEADERS = st.lists(st.tuples(st.sampled_from(OURS) | st.text(max_size=6), BYTES), max_size=12)
DECIDER = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key")


@dataclass(frozen=True, slots=True)
class Record:
    """A consumer's record of the raw topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int = 3
    timestamp: int = 1_800_000_000_000


def reason(outcome: envelopes.Outcome) -> bytes | None:
    return dict(outcome.headers).get(envelopes.REASON)


@given(BYTES, BYTES, HEADERS, st.booleans())
def test_any_record_gets_one_verdict_which_the_index_reads_back(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], condemned: bool
) -> None:
    foreign = Record(7, key, value, tuple(headers))
    index = PartitionIndex()
    [verdict] = DECIDER.decide([foreign], index, SHOPS, is_condemned=condemned)
    [outcome] = verdict.outcomes
    read = parse_outcome_headers(outcome.headers)
    assert (verdict.kind, read.raw_offset, read.slot) == ("dead-letter", 7, envelopes.DEAD_SLOT)
    index.add(read)
    assert DECIDER.decide([foreign], index, SHOPS) == []
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 5 * MIB)
    assert builder.append(0, 1, outcome.key, outcome.value, outcome.headers) is not None


@given(st.sampled_from(sorted(r for r in (envelopes.DELIVERY, envelopes.SOURCE, envelopes.SHOP))))
def test_a_delivery_without_a_header_that_every_ingress_writes_is_foreign(missing: str) -> None:
    ours = record(7, b"content 1")
    headers = tuple(pair for pair in ours.headers if pair[0] != missing)
    broken = Record(7, ours.key, ours.value, headers)
    [verdict] = DECIDER.decide([broken], PartitionIndex(), SHOPS)
    assert verdict.reason == Reason.FOREIGN_RECORD
    kept = dict(verdict.outcomes[0].headers)
    assert {f"foreign-{name}" for name, _ in headers if name.startswith("hookline-")} <= kept.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (envelopes.RECEIVED_US, b"yesterday"),
        (envelopes.DELIVERY, b"\xff"),
        (envelopes.SOURCE, b""),
        (envelopes.SHOP, None),
        (envelopes.ORIGINAL, b"1:2"),
        (envelopes.REPLAY_OF, b"\xff"),
    ],
)
def test_a_header_that_no_ingress_writes_so_makes_the_record_foreign(
    name: str, value: bytes | None
) -> None:
    ours = record(7, b"content 1")
    headers = (*(pair for pair in ours.headers if pair[0] != name), (name, value))
    [verdict] = DECIDER.decide([Record(7, ours.key, ours.value, headers)], PartitionIndex(), SHOPS)
    assert verdict.reason == Reason.FOREIGN_RECORD


def test_a_foreign_record_claims_no_place_in_the_dedupe_of_a_shop() -> None:
    ours = record(8, b"content 1")
    foreign = Record(7, ours.key, ours.value, ())
    verdicts = DECIDER.decide([foreign, ours], PartitionIndex(), SHOPS)
    assert [verdict.kind for verdict in verdicts] == ["dead-letter", "canonical"]


def test_the_same_foreign_record_has_the_same_delivery_id_in_every_attempt() -> None:
    ids = [raw_of(Record(7, None, value, ())).delivery_id for value in (b"a", b"b")]
    assert ids[0] == ids[1] != raw_of(Record(8, None, b"a", ())).delivery_id


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k", b"v" * 5 * MIB, ()),
        (b"k" * 5 * MIB, b"v", ()),
        (b"k", b"v", (("name", b"h" * 5 * MIB),)),
    ],
    ids=["body", "key", "header"],
)
def test_a_record_that_no_topic_of_ours_takes_is_described_by_its_digest(
    key: bytes, value: bytes, headers: Any
) -> None:
    [verdict] = DECIDER.decide([Record(7, key, value, headers)], PartitionIndex(), SHOPS)
    [outcome] = verdict.outcomes
    assert not outcomes.too_large(DEAD_LETTERS, outcome)
    assert b'"raw_offset":7' in outcome.value
    assert reason(outcome) == Reason.FOREIGN_RECORD.encode()
