"""The journal: bounds of received_at from ids, one acceptance for each fact."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.sending.journal import Journal, Outcome, received_ms
from hookline.simulate.sending.schedule import Delivery, Kind
from ingest.ids import uuid7
from tests.unit.hookline.simulate.sending.simple_facts import order, render, shop, steps

HISTORY = steps([order(shop("spiffy"), number % 3, number) for number in range(9)])
NANOS = st.integers(10**18, 4 * 10**18)
"""Between 2001 and 2096."""


def delivery(number: int, kind: Kind = Kind.FACT) -> Delivery:
    step = HISTORY[number]
    return Delivery(number, step, render(step.fact), step.due, kind, 1)


@given(NANOS, st.integers(0, 2**62 - 1))
def test_the_record_s_time_of_receipt_lies_within_the_bounds(now: int, random: int) -> None:
    journal = Journal()
    journal.accepted(delivery(0), uuid7(now, random))
    bounds = journal.bounds(0)
    assert bounds is not None
    assert bounds[0] <= now // 1000 <= bounds[1]
    assert bounds[1] - bounds[0] == 999


@given(NANOS, st.integers(1, 60_000))
def test_after_a_lost_answer_the_bounds_reach_back_to_the_first_attempt(
    now: int, earlier_ms: int
) -> None:
    journal, unsure = Journal(), delivery(0)
    sent = now // 1000 - earlier_ms * 1000
    unsure.unsure_since = sent / 1e6
    journal.accepted(unsure, uuid7(now, 0))
    bounds = journal.bounds(0)
    assert bounds is not None
    assert bounds[0] <= sent
    assert bounds[1] >= now // 1000


def test_a_clock_that_is_behind_ours_leaves_the_bounds_in_order() -> None:
    journal, unsure = Journal(), delivery(0)
    unsure.unsure_since = 2000.0
    journal.accepted(unsure, uuid7(1_000 * 10**9, 0))
    assert journal.bounds(0) == (1_000_000_000, 1_000_000_999)


def test_repeats_of_a_fact_are_not_received_again_and_keep_its_first_time() -> None:
    journal = Journal()
    assert journal.accepted(delivery(4), uuid7(5 * 10**9, 0))
    assert not journal.accepted(delivery(4, Kind.REPEAT), uuid7(9 * 10**9, 0))
    (received,) = journal.received(HISTORY)
    assert received.fact is HISTORY[4].fact
    assert (received.earliest, received.latest) == (5_000_000, 5_000_999)


def test_a_broken_copy_is_no_fact() -> None:
    journal = Journal()
    assert not journal.accepted(delivery(0, Kind.MALFORMED), uuid7(10**9, 0))
    assert list(journal.received(HISTORY)) == []


@given(st.permutations(range(9)))
def test_numbers_rise_within_an_entity_in_the_order_of_acceptance(order: list[int]) -> None:
    journal = Journal()
    for at, number in enumerate(order):
        journal.accepted(delivery(number), uuid7(at * 10**9, 0))
    received = list(journal.received(HISTORY))
    assert [each.fact for each in received] == [step.fact for step in HISTORY]
    by_number = sorted(received, key=lambda each: each.number)
    assert [each.earliest for each in by_number] == sorted(each.earliest for each in received)


def test_refused_unsettled_and_unsent_facts_are_counted_and_not_received() -> None:
    journal, sent = Journal(), delivery(7)
    sent.unsure_since = 1.0
    journal.refused(delivery(5), "413")
    journal.unsettled(sent)
    journal.unsettled(delivery(8))
    assert [journal.count(Outcome.REFUSED), journal.count(Outcome.UNSETTLED)] == [1, 1]
    assert list(journal.received(HISTORY)) == []


def test_a_repeat_that_is_not_answered_leaves_its_fact_accepted() -> None:
    journal = Journal()
    journal.accepted(delivery(2), uuid7(10**9, 0))
    journal.unsettled(delivery(2, Kind.REPEAT))
    assert journal.count(Outcome.ACCEPTED) == 1


def test_each_delivery_that_ended_is_a_line_of_json() -> None:
    file = io.BytesIO()
    journal = Journal(file)
    journal.accepted(delivery(1), uuid7(10**9, 0))
    journal.refused(delivery(2), "401")
    first, second = [json.loads(line) for line in file.getvalue().splitlines()]
    assert first["entity"] == "spiffy/sim-1-spiffy/order:1"
    assert (first["status"], first["delivery"]) == ("200", uuid7(10**9, 0).decode())
    assert (second["status"], second["delivery"]) == ("401", None)


def test_an_id_that_is_no_uuid7_is_refused() -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        received_ms(b"6f1c2f6e-1111-4111-8111-111111111111")
