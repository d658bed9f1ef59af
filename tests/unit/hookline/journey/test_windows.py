"""The time in a delivery's id, and the spans around it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hookline.journey.windows import (
    CLOCKS_MS,
    PROCESSING,
    RECEIPT,
    WAIT_MS,
    received_ms,
    uuid_version,
)
from ingest.ids import uuid7


@given(st.integers(0, (1 << 48) - 1), st.integers(0, 999_999), st.integers(0, (1 << 62) - 1))
def test_the_id_of_a_delivery_holds_its_time(at_ms: int, nanos: int, random: int) -> None:
    delivery = uuid7(at_ms * 1_000_000 + nanos, random).decode()
    assert received_ms(delivery) == at_ms


@given(st.text())
def test_any_other_text_has_no_time(text: str) -> None:
    assert received_ms(text) is None or uuid_version(text) == "7"


def test_each_span_contains_the_one_before_it() -> None:
    for spans in (RECEIPT, PROCESSING):
        for inner, outer in itertools.pairwise(spans):
            assert inner[0] <= outer[0]
            assert inner[1] <= outer[1]
            assert inner != outer


def test_the_widest_spans_reach_as_far_as_clocks_may_differ_and_deliveries_wait() -> None:
    assert RECEIPT[-1][0] >= CLOCKS_MS
    assert RECEIPT[-1][1] >= CLOCKS_MS + WAIT_MS
    assert PROCESSING[-1][0] >= CLOCKS_MS
    assert PROCESSING[-1][1] >= 28 * 86_400_000
