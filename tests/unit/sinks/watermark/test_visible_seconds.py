"""What counts as visible, and how a batch is spread over the buckets."""

import itertools
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram

from processors import outcomes
from processors.outcomes import Origin
from runtime import metrics
from schemas.envelopes import Outcome
from schemas.events import Event, Micros
from schemas.raw_delivery import RawDelivery
from schemas.topics import ORDERS
from sinks.watermark import visible_seconds
from tests.sink_events import NOON, SECOND, order, record

ages = visible_seconds.ages
topics = (f"of-test-{number}" for number in itertools.count())


def shown(topic: str) -> dict[str, float]:
    """The samples of a topic: count, sum, and the cumulated buckets by their bound."""
    [family] = metrics.VISIBLE_SECONDS.collect()
    return {
        sample.labels.get("le", sample.name.rpartition("_")[2]): sample.value
        for sample in family.samples
        if sample.labels["topic"] == topic
    }


def stored(topic: str, *received: Micros) -> list[tuple[Any, Event]]:
    events = [order(str(number), at) for number, at in enumerate(received)]
    return [(record(topic, at, event), event) for at, event in enumerate(events)]


def observe(records: list[tuple[Any, Event]], now: Micros = NOON + 2 * SECOND) -> None:
    visible_seconds.observe(records, clock=lambda: now)


def test_an_event_is_as_old_as_its_delivery_when_the_commit_is_done() -> None:
    topic = next(topics)
    observe(stored(topic, NOON, NOON + SECOND, NOON + 1_960_000))
    found = shown(topic)
    assert (found["count"], found["sum"]) == (3, pytest.approx(3.04))
    assert (found["0.05"], found["0.75"], found["1.0"], found["1.5"]) == (1, 1, 2, 2)
    assert found["2.5"] == found["+Inf"] == 3


def test_each_topic_has_its_own_series() -> None:
    one, other = next(topics), next(topics)
    observe([*stored(one, NOON), *stored(other, NOON, NOON)])
    assert (shown(one)["count"], shown(other)["count"]) == (1, 2)


def test_nothing_stored_makes_no_series() -> None:
    before = metrics.VISIBLE_SECONDS.collect()
    observe([])
    assert metrics.VISIBLE_SECONDS.collect() == before


def test_imported_events_do_not_count() -> None:
    topic = next(topics)
    [(of_import, event), *others] = stored(topic, NOON, NOON, NOON)
    meta = msgspec.structs.replace(event.meta, import_id="i-1")
    imported = msgspec.structs.replace(event, meta=meta)
    observe([(of_import, imported), *others])
    assert shown(topic)["count"] == 2


CLOUDEVENTS = [(f"ce_{number}", b"x") for number in range(9)]


@pytest.mark.parametrize("more", [[], CLOUDEVENTS])
def test_replays_do_not_count_and_other_records_do(more: list[tuple[str, bytes]]) -> None:
    """With their headers as the processors write them."""
    topic = next(topics)
    [(first, event), (second, other), plain] = stored(topic, NOON, NOON, NOON)
    raw = RawDelivery(0, 7, 0, b"k", b"", "d", "spiffy", "main", "", NOON)
    again = msgspec.structs.replace(raw, replay_of="0:3")
    records = [
        (replace(each, headers=tuple(made.headers)), of)
        for each, of, delivery in ((first, event, again), (second, other, raw))
        if isinstance(
            made := outcomes.event(
                Origin(delivery, 1, b""), "order", (ORDERS, b"k", b"v", list(more)), ("order",)
            ),
            Outcome,
        )
    ]
    assert len(records) == 2
    observe([*records, plain])
    assert shown(topic)["count"] == 2


def test_a_receipt_after_now_is_of_age_0() -> None:
    """The clock of an ingress may run ahead of the sink's; a sum must never fall."""
    counts, total = ages([NOON + 5, NOON + SECOND], NOON)
    assert (counts[0], sum(counts), total) == (2, 2, 0)


BOUNDS = [round(bound * SECOND) for bound in metrics.VISIBLE_BOUNDS]


@given(
    st.lists(
        st.integers(-400 * SECOND, 400 * SECOND)
        | st.sampled_from(BOUNDS)
        | st.sampled_from(BOUNDS).map(lambda bound: bound + 1)
    )
)
def test_a_batch_counts_as_its_events_one_by_one(given_ages: list[Micros]) -> None:
    one_by_one = Histogram("h", "H.", buckets=metrics.VISIBLE_BOUNDS, registry=None)
    for age in given_ages:
        one_by_one.observe(max(age, 0) / SECOND)
    at_once = metrics.BatchHistogram("h", "H.", buckets=metrics.VISIBLE_BOUNDS, registry=None)
    counts, total = ages([NOON - age for age in given_ages], NOON)
    at_once.add(counts, total / SECOND)
    [expected], [found] = one_by_one.collect(), at_once.collect()
    for want, got in zip(expected.samples, found.samples, strict=True):
        assert (want.name, want.labels) == (got.name, got.labels)
        assert got.value == pytest.approx(want.value)


def test_the_second_of_the_objective_is_a_bound() -> None:
    """Else the share of events within it could only be guessed between two bounds."""
    assert 1.0 in metrics.VISIBLE_BOUNDS
    assert (metrics.VISIBLE_BOUNDS[0], metrics.VISIBLE_BOUNDS[-1]) == (0.05, 300)
