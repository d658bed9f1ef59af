"""The dedupe index: what it answers equals what a plain list of all outcomes answers."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.dedupe import PriorOutcome
from processors.index import run_set
from processors.index.outcome_headers import OutcomeHeaders, parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.index.run_set import RunSet
from processors.index.sorted_run import ROW_BYTES
from schemas import envelopes
from schemas.raw_delivery import RawDelivery
from tests.index_bytes import run_bytes

DIGESTS = [bytes([number]) * 16 for number in range(4)]
ENTITIES = [b"spiffy/s/cart:1", b"spiffy/s/cart:2"]


def outcome(
    offset: int, digest: bytes, entity: bytes, slot: str = "cart", replay: bool = False
) -> OutcomeHeaders:
    return OutcomeHeaders(offset, offset * 10, slot, (slot,), entity, digest, f"d{offset}", replay)


OUTCOMES = st.lists(
    st.builds(
        outcome,
        offset=st.integers(0, 60),
        digest=st.sampled_from(DIGESTS),
        entity=st.sampled_from(ENTITIES),
        slot=st.sampled_from(["cart", envelopes.DEAD_SLOT, envelopes.DUPLICATE_SLOT]),
        replay=st.booleans(),
    ),
    unique_by=lambda each: each.raw_offset,
    max_size=60,
)


@settings(max_examples=200)
@given(OUTCOMES, st.integers(1, 8), st.integers(0, 61))
def test_answers_are_as_of_the_asking_offset_whatever_is_sorted(
    outcomes: list[OutcomeHeaders], sort_at: int, below: int
) -> None:
    index = PartitionIndex()
    before = run_set.SORT_AT
    run_set.SORT_AT = sort_at
    try:
        for each in outcomes:
            index.add(each)
            index.settle(committed=0, oldest_ms=0)
    finally:
        run_set.SORT_AT = before
    canonical = [each for each in outcomes if each.is_canonical and each.raw_offset < below]
    asked = [(digest, entity) for digest in DIGESTS for entity in ENTITIES]
    lookup = index.lookup([entity for _, entity in asked], [digest for digest, _ in asked])
    for position, (digest, entity) in enumerate(asked):
        same = max((s.raw_offset for s in canonical if s.digest == digest), default=None)
        latest = max(
            (s.raw_offset for s in canonical if s.entity == entity and not s.is_replay),
            default=None,
        )
        answers = (
            lookup.same_digest(position, below),
            lookup.latest_state(position, below),
        )
        assert (same, latest) == tuple(each.raw_offset if each else None for each in answers)


def test_a_batch_sees_what_it_has_itself_decided() -> None:
    lookup = PartitionIndex().lookup([ENTITIES[0]], [DIGESTS[0]])
    prior = PriorOutcome(5, 50, DIGESTS[0])
    raw = RawDelivery(0, 5, 50, ENTITIES[0], b"", "d5", "spiffy", "s", "carts/update", 0)
    lookup.claim(0, raw, DIGESTS[0])
    assert lookup.same_digest(0, 6) == lookup.latest_state(0, 6) == prior
    assert lookup.same_digest(0, 5) is lookup.latest_state(0, 5) is None


def test_a_replay_claims_its_digest_but_is_never_the_latest_state() -> None:
    index = PartitionIndex()
    index.add(outcome(5, DIGESTS[0], ENTITIES[0], replay=True))
    lookup = index.lookup([ENTITIES[0]], [DIGESTS[0]])
    assert lookup.same_digest(0, 9) is not None
    assert lookup.latest_state(0, 9) is None


def test_a_delivery_is_complete_when_all_its_slots_are_logged() -> None:
    index = PartitionIndex()
    slots = ("order", "payment")
    index.add(OutcomeHeaders(7, 70, "order", slots, b"e", DIGESTS[0], "d", False))
    written = index.logged.get(7)
    assert written is not None
    assert not written.is_complete
    index.add(OutcomeHeaders(7, 70, "payment", slots, b"e", DIGESTS[0], "d", False))
    assert written.is_complete
    assert written.present == {"order", "payment"}


def test_later_slots_and_later_copies_of_a_delivery_claim_its_digest_once() -> None:
    index = PartitionIndex()
    slots = ("order", "payment")
    for slot in ("order", "payment", "order"):
        index.add(OutcomeHeaders(7, 70, slot, slots, b"e", DIGESTS[0], "d", False))
    assert len(index) == 1


LOGS = st.dictionaries(
    st.sampled_from(["carts", "payments", "duplicates", "dead-letters"]),
    st.lists(
        st.builds(
            OutcomeHeaders,
            raw_offset=st.integers(0, 4),
            raw_time=st.just(70),
            slot=st.sampled_from(["cart", "payment", envelopes.DEAD_SLOT]),
            slots=st.sampled_from([("cart", "payment"), ("payment", "cart"), ("cart",)]),
            entity=st.sampled_from(ENTITIES),
            digest=st.sampled_from(DIGESTS[:2]),
            delivery_id=st.just("d"),
            is_replay=st.booleans(),
            is_rejected=st.booleans(),
        ),
        max_size=6,
    ),
    min_size=2,
)
"""Copies of stopped processes and of other adapter versions, of whole and of half deliveries."""


def merged(logs: dict[str, list[OutcomeHeaders]], chance: random.Random) -> list[OutcomeHeaders]:
    """The logs in one, each in its own order."""
    turns = [name for name, log in logs.items() for _ in log]
    chance.shuffle(turns)
    left = {name: iter(log) for name, log in logs.items()}
    return [next(left[name]) for name in turns]


@settings(max_examples=200)
@given(LOGS, st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_order_in_which_the_logs_are_read_changes_no_answer(
    logs: dict[str, list[OutcomeHeaders]], chance: random.Random, sort_at: int
) -> None:
    answers = []
    before = run_set.SORT_AT
    run_set.SORT_AT = sort_at
    try:
        for _ in range(3):
            index = PartitionIndex()
            for each in merged(logs, chance):
                index.add(each)
                index.settle(committed=0, oldest_ms=0)
            lookup = index.lookup(ENTITIES, [DIGESTS[0], DIGESTS[1]])
            logged = [index.logged.get(offset) for offset in range(5)]
            answers.append(
                [
                    [w and (w.slots, set(w.missing), w.digest, w.is_complete) for w in logged],
                    [
                        (
                            lookup.same_digest(position, below),
                            lookup.latest_state(position, below),
                            lookup.same_delivery(position, "d", 2, below),
                        )
                        for position in (0, 1)
                        for below in range(6)
                    ],
                ]
            )
    finally:
        run_set.SORT_AT = before
    assert answers[0] == answers[1] == answers[2]


def test_slots_below_the_commit_are_not_kept_but_their_digest_is() -> None:
    index = PartitionIndex(committed=5)
    for offset in (4, 5):
        index.add(outcome(offset, DIGESTS[0], ENTITIES[0]))
    assert index.logged.get(4) is None
    assert index.logged.get(5) is not None
    assert index.lookup(ENTITIES[:1], DIGESTS[:1]).same_digest(0, 5) is not None


def test_copies_of_an_entry_are_one_entry_once_they_are_sorted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_set, "SORT_AT", 6)
    index = PartitionIndex()
    for _ in range(run_set.WIDTH):
        for offset in range(6):
            index.add(outcome(offset, DIGESTS[offset % 2], ENTITIES[0]))
        index.settle(committed=0, oldest_ms=0)
    assert len(index) == 6


def test_what_lies_below_the_commit_or_the_window_is_forgotten() -> None:
    index = PartitionIndex()
    for offset in range(20_000):
        index.add(outcome(offset, offset.to_bytes(16, "big"), b"e%d" % offset))
    index.settle(committed=20_000, oldest_ms=0)
    assert index.logged.get(19_999) is None
    index.settle(committed=20_000, oldest_ms=150_000)
    assert len(index) == 5_000


def test_a_delivery_takes_thirty_eight_bytes() -> None:
    many = RunSet()
    for number in range(run_set.SORT_AT):
        many.add(number, number, number.to_bytes(16, "big"), number)
    many.pack()
    assert run_bytes(many) == ROW_BYTES * run_set.SORT_AT == 38 * run_set.SORT_AT


def test_runs_merge_so_that_a_lookup_asks_few_of_them() -> None:
    many = RunSet()
    for number in range(40 * run_set.SORT_AT):
        many.add(number % 1000, number, number.to_bytes(16, "big"), number)
        many.pack()
    assert len(many.runs()) <= 6


def test_a_record_without_our_headers_is_not_taken_for_an_outcome() -> None:
    with pytest.raises(KeyError):
        parse_outcome_headers([("other", b"1")])
