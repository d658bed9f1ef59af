"""Why a cart is in the table or not: of every kind of generation, and never against its row."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.explain.cart_summary import cart_summary
from schemas.events import CustomerRef
from sinks.carts.fold import fold
from sinks.carts.records import CandidateOrder, CartHistory, Generation, activity_of
from sinks.lifetime.order_money import candidate_order, order_money
from sinks.lifetime.order_state import order_state
from sinks.merge.last_writer import flatten
from tests.layers import merge_record
from tests.sink_events import DAY, HOUR, MINUTE, NOON, cart, line, order

KEY = "run-free/main/cart:1"
SHOES = [line("v1")]
RATES = "Counts in the rates of the day on which it was first seen"


def _history(*states: tuple[int, list[Any] | None], abandoned: bool = False) -> CartHistory:
    events = [
        cart("1", NOON + at, items, source="run-free", abandoned=abandoned) for at, items in states
    ]
    activities = tuple(map(activity_of, events))
    names = {"source": "run-free", "shop": "main", "native_cart_id": "1", "customer_id": "1"}
    return CartHistory(cart_key=KEY, activities=activities, **names)


def _order(at: int) -> CandidateOrder:
    event = order("9", NOON + at, source="run-free", customer=CustomerRef(customer_id="1"))
    state = order_state(
        "run-free/main/order:9", "run-free", "main", flatten(merge_record((), event))
    )
    return candidate_order(state, order_money(state), is_renewal=False)


def _rows(history: CartHistory, at: int, *orders: CandidateOrder) -> list[Generation]:
    return list(fold([history], orders, NOON + at))


def _summary(history: CartHistory, at: int, *orders: CandidateOrder) -> tuple[str, ...]:
    return cart_summary(_rows(history, at, *orders), {})


def test_a_cart_in_use_is_not_in_the_table_and_says_when_it_will_be() -> None:
    assert _summary(_history((0, SHOES)), MINUTE) == (
        (
            "Not in abandoned_carts: it is in use; without activity it counts as left at"
            " 2026-01-01 13:00:00 UTC"
        ),
        RATES,
    )


def test_an_open_cart_says_when_it_was_left_and_when_it_expires() -> None:
    assert _summary(_history((0, SHOES)), DAY) == (
        (
            "In abandoned_carts as ABANDONED: left at 2026-01-01 13:00:00 UTC, after a silence with"
            " items in it; open: no order has closed it, and it expires at 2026-01-31 12:00:00 UTC"
        ),
        RATES,
    )
    (expired, _) = _summary(_history((0, SHOES)), 60 * DAY)
    assert "no order came in time: expired at 2026-01-31 12:00:00 UTC" in expired


def test_an_order_before_the_silence_keeps_a_cart_out_of_the_table() -> None:
    (text, _) = _summary(_history((0, SHOES)), DAY, _order(10 * MINUTE))
    assert text == (
        "Not in abandoned_carts: run-free/main/order:9 closed it at 2026-01-01 12:10:00 UTC,"
        " before it was left"
    )


def test_a_recovered_cart_names_its_order_and_what_a_cancelled_one_brought_back() -> None:
    (row,) = _rows(_history((0, SHOES)), DAY, _order(3 * HOUR))
    (text, _) = cart_summary([row], {})
    assert "recovered at 2026-01-01 15:00:00 UTC by run-free/main/order:9, 2:00:00 after" in text
    (text, _) = cart_summary([replace(row, order_standing="CANCELLED")], {})
    assert text.endswith("which is CANCELLED since: it brought nothing back")


def test_an_empty_cart_has_no_row_and_an_emptied_one_was_never_left() -> None:
    (only,) = _summary(_history((0, [])), DAY)
    assert only.startswith("Not in abandoned_carts: no event of it ever showed an item")
    (text, _) = _summary(_history((0, SHOES), (MINUTE, [])), DAY)
    assert "emptied at 2026-01-01 12:01:00 UTC, before it was left" in text


@pytest.mark.parametrize(
    ("change", "merged", "counted"),
    [
        ({"is_test": True}, {}, "Counts nowhere: it is a test"),
        ({}, {(KEY, 1): "run-free/main/cart:2"}, "Counts once in the rates, with run-free/main/"),
        ({"item_count": 0}, {}, "Counts not in the rates: it holds no item"),
    ],
)
def test_what_a_cart_counts_for_is_a_sentence(
    change: dict[str, Any], merged: dict[tuple[str, int], str], counted: str
) -> None:
    (row,) = _rows(_history((0, SHOES)), DAY)
    assert cart_summary([replace(row, **change)], merged)[1].startswith(counted)


def test_a_reported_cart_counts_in_the_money_alone() -> None:
    texts = _summary(_history((0, SHOES), abandoned=True), MINUTE)
    assert "as its platform reported" in texts[0]
    assert texts[1].startswith("Counts in the money, not in the rates")


states = st.tuples(
    st.integers(0, 50 * 24 * 60).map(lambda minutes: minutes * MINUTE),
    st.sampled_from([None, [], SHOES]),
)


@given(
    st.lists(states, min_size=1, max_size=6, unique_by=lambda each: each[0]),
    st.lists(st.integers(0, 50 * 24 * 60), max_size=1),
    st.integers(0, 90),
    st.booleans(),
)
def test_a_summary_says_in_the_table_of_exactly_the_generations_that_have_a_row_there(
    states_at: list[tuple[int, Any]], placed: list[int], days: int, reported: bool
) -> None:
    orders = [_order(minutes * MINUTE) for minutes in placed]
    rows = _rows(_history(*states_at, abandoned=reported), days * DAY, *orders)
    texts = cart_summary(rows, {})
    assert all(texts)
    if not rows:
        return
    places = [text for text in texts if "in abandoned_carts" in text.lower()]
    assert ["Not in" not in text for text in places] == [row.was_abandoned for row in rows]
    assert all(row.status in text for row, text in zip(rows, places, strict=True)
               if row.was_abandoned)  # fmt: skip
