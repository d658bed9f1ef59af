"""Timelines of carts end in the rows of the fold, and name the rule that applied."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.analysis.what_if import CountsBySetting, WhatIfCounts, count_generations
from hookline.explain.cart_timeline import Moment, timeline
from schemas.events import CustomerRef
from sinks.carts.fold import fold
from sinks.carts.records import CandidateOrder, CartHistory, activity_of
from sinks.lifetime.order_money import candidate_order, order_money
from sinks.lifetime.order_state import order_state
from sinks.merge.last_writer import flatten
from tests.layers import merge_record
from tests.sink_events import DAY, HOUR, MINUTE, NOON, cart, line, order

KEY = "run-free/main/cart:1"
ANNA = CustomerRef(customer_id="1")
LONG_AFTER = NOON + 100 * DAY
EMPTIED = (
    "emptied, which is no activity: for 30 min an order still closes it;"
    " items and value stay those of the last state with items"
)


def _cart(*states: tuple[int, list[Any] | None], **fields: Any) -> CartHistory:
    events = [cart("1", NOON + at, items, source="run-free", **fields) for at, items in states]
    return CartHistory(
        cart_key=KEY,
        source="run-free",
        shop="main",
        native_cart_id="1",
        customer_id="1",
        activities=tuple(map(activity_of, events)),
    )


def _order(native: str, at: int, **fields: Any) -> CandidateOrder:
    event = order(native, NOON + at, source="run-free", customer=ANNA, **fields)
    state = order_state(
        f"run-free/main/order:{native}", "run-free", "main", flatten(merge_record((), event))
    )
    return candidate_order(state, order_money(state), is_renewal=False)


def _rules(moments: list[Moment]) -> list[tuple[str, str]]:
    return [(each.kind, each.rule) for each in moments]


def test_silence_coming_back_and_an_order() -> None:
    shoes = [line("v1")]
    history = _cart((0, shoes), (3 * HOUR, shoes), (4 * HOUR, shoes))
    bought = _order("9", 4 * HOUR + 30 * MINUTE)
    assert _rules(timeline(KEY, [history], [bought], LONG_AFTER)) == [
        ("cart event", "the first activity: opens generation 1"),
        ("silence", "no activity for 1 h, and items in it: abandoned"),
        ("cart event", "activity: active again; the time of silence restarts"),
        ("silence", "no activity for 1 h, and items in it: abandoned"),
        ("cart event", "activity: active again; the time of silence restarts"),
        (
            "order",
            "names this cart by customer-id: closes generation 1, abandoned before, so RECOVERED",
        ),
    ]


def test_emptied_echoed_and_opened_again() -> None:
    shoes = [line("v1")]
    history = _cart((0, shoes), (MINUTE, []), (10 * MINUTE, []), (2 * HOUR, shoes))
    bought = _order("9", 5 * MINUTE)
    assert _rules(timeline(KEY, [history], [bought], NOON + 2 * HOUR)) == [
        ("cart event", "the first activity: opens generation 1"),
        (
            "cart event",
            EMPTIED,
        ),
        (
            "order",
            "names this cart by customer-id: closes generation 1, never abandoned, so CONVERTED",
        ),
        (
            "cart event",
            "changes nothing: within 30 min of the order, and no more than it bought",
        ),
        ("cart event", "activity after CONVERTED: opens generation 2"),
    ]


def test_expiry_and_an_order_that_comes_too_late() -> None:
    history = _cart((0, [line("v1")]))
    rules = _rules(timeline(KEY, [history], [_order("9", 40 * DAY)], LONG_AFTER))
    assert [kind for kind, _ in rules] == ["cart event", "silence", "silence", "order"]
    assert rules[2][1] == "no order within 30 d of the last activity: expired"
    assert rules[3][1].startswith("closes nothing")


def test_a_report_overrides_the_timer() -> None:
    shoes = [line("v1")]
    history = _cart((0, shoes), (5 * HOUR, shoes), abandoned=False)
    report = _cart((2 * HOUR, shoes), abandoned=True)
    both = _with(history, (*history.activities, *report.activities))
    rules = _rules(timeline(KEY, [both], [], NOON + DAY))
    assert ("cart event", "changes nothing: the platform's own reports override our timer") in rules
    assert any(kind == "report" for kind, _ in rules)


def _with(history: CartHistory, activities: tuple[Any, ...]) -> CartHistory:
    from dataclasses import replace  # noqa: PLC0415 - here only

    return replace(history, activities=activities)


states = st.tuples(
    st.integers(0, 50 * 24 * 60).map(lambda minutes: minutes * MINUTE),
    st.sampled_from([None, [], [line("v1")], [line("v1"), line("v2")]]),
    st.booleans(),
)


@given(
    st.lists(states, min_size=1, max_size=7, unique_by=lambda each: each[0]),
    st.lists(st.integers(0, 50 * 24 * 60), max_size=3, unique=True),
    st.integers(0, 60),
)
def test_every_timeline_ends_in_the_rows_of_the_fold(
    states_at: list[tuple[int, Any, bool]], placed: list[int], days: int
) -> None:
    events = [
        cart("1", NOON + at, items, source="run-free", abandoned=reported)
        for at, items, reported in states_at
    ]
    history = _with(_cart((0, None)), tuple(map(activity_of, events)))
    orders = [_order(str(minutes), minutes * MINUTE) for minutes in placed]
    watermark = NOON + days * DAY
    found: dict[tuple[int, str], Any] = {}
    for moment in timeline(KEY, [history], orders, watermark):
        assert moment.rule
        found |= {(each.generation, each.name): each.after for each in moment.changes}
    rows = {row.generation: row for row in fold([history], orders, watermark)}
    last = {field: value for field, value in found.items() if value is not None}
    assert {number for number, _ in last} == set(rows)
    assert last == {field: getattr(rows[field[0]], field[1]) for field in last}


def test_a_longer_silence_calls_no_more_carts_abandoned() -> None:
    shoes = [line("v1", price="12.50")]
    back = _cart((0, shoes), (2 * HOUR, shoes))
    outcomes: CountsBySetting = {}
    count_generations(
        [back], [_order("9", 2 * HOUR + MINUTE)], [HOUR, 3 * HOUR], LONG_AFTER, 0, outcomes
    )
    assert outcomes[HOUR]["USD"].came_back == outcomes[HOUR]["USD"].ordered == 1
    assert str(outcomes[HOUR]["USD"].at_stake) == "12.50"
    assert outcomes[3 * HOUR] == {"USD": WhatIfCounts(carts=1)}


def test_a_cart_silent_for_less_than_the_setting_up_to_the_watermark_is_undecided() -> None:
    outcomes: CountsBySetting = {}
    count_generations([_cart((0, [line("v1")]))], [], [HOUR, DAY], NOON + 2 * HOUR, 0, outcomes)
    assert [outcomes[each]["USD"].abandoned for each in (HOUR, DAY)] == [1, 0]
    assert [outcomes[each]["USD"].undecided for each in (HOUR, DAY)] == [0, 1]
