"""Carts after their order: echoes of the checkout, and orders that are cancelled later."""

from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.analysis.what_if import CountsBySetting, count_generations
from schemas.events import LineItem
from sinks.carts.fold import fold
from sinks.carts.lines import is_part
from sinks.carts.records import Activity, CandidateOrder, Generation
from tests.unit.sinks.carts.test_fold import LATE, MINUTE, act, at, bought, cart, items


def ids(quantity: int | None = 1, **identifiers: Any) -> LineItem:
    return LineItem(quantity=quantity, **identifiers)


@pytest.mark.parametrize(
    ("late", "is_echo"),
    [
        ("AA", True),
        ("AAB", True),
        ("AAC", True),
        ("BC", True),
        ("", True),
        (None, True),
        ("AAA", False),
        ("BB", False),
        ("D", False),
    ],
)
def test_a_late_state_is_an_echo_if_cart_and_order_hold_all_of_it(
    late: str | None, is_echo: bool
) -> None:
    order = bought(10, items=items("AAC"))
    rows = fold([cart(act(0, "AB"), act(11, late))], [order], at(LATE))
    assert is_echo == (len(rows) == 1)
    assert rows[0].items == items("AB")


@pytest.mark.parametrize(
    ("minute", "generations"), [(10, 1), (40, 1), (40 + 1 / MINUTE, 2), (200, 2)]
)
def test_only_within_the_grace_after_the_order(minute: float, generations: int) -> None:
    order = bought(10, items=items("AA"))
    rows = fold([cart(act(0, "A"), act(minute, "AA"))], [order], at(LATE))
    assert generations == len(rows)


def test_an_order_without_lines_adds_nothing_to_the_cart() -> None:
    order = bought(10, items=None)
    assert 2 == len(fold([cart(act(0, "A"), act(11, "AA"))], [order], at(LATE)))


CASES = [
    (ids(variant_id="v"), ids(variant_id="v", line_id="x"), True),
    (ids(variant_id="v"), ids(variant_id="w"), False),
    (ids(variant_id="v", product_id="p"), ids(variant_id="w", product_id="p"), False),
    (ids(variant_id="v", product_id="p"), ids(product_id="p"), True),
    (ids(variant_id="v", sku="s"), ids(sku="s"), True),
    (ids(sku="s"), ids(variant_id="v", sku="s"), True),
    (ids(3, variant_id="v"), ids(2, variant_id="v"), False),
    (ids(None, variant_id="v"), ids(None, variant_id="v"), True),
    (ids(variant_id="v"), ids(-1, variant_id="v"), False),
    (ids(name="tee"), ids(name="tee"), False),
]


@pytest.mark.parametrize(("line", "ordered", "expected"), CASES)
def test_ordered_lines_are_compared_by_variant_else_product_else_sku(
    line: LineItem, ordered: LineItem, expected: bool
) -> None:
    assert expected is is_part((line,), (), (ordered,))


def test_units_of_one_variant_on_two_lines_count_together() -> None:
    two = (ids(line_id="1", variant_id="v"), ids(line_id="2", variant_id="v"))
    assert is_part(two, (), (ids(2, variant_id="v"),))
    assert not is_part(two, (), (ids(1, variant_id="v"),))


letters = st.text("ABC", max_size=4)


@given(letters, letters, letters, letters)
def test_less_of_an_echo_is_an_echo(late: str, state: str, ordered: str, less: str) -> None:
    if is_part(items(late), items(state), items(ordered) or ()):
        kept = "".join(each for each in late if each in less)
        assert is_part(items(kept), items(state), items(ordered) or ())
    assert is_part(items(state), items(state), items(ordered) or ())
    assert is_part(items(ordered), items(state), items(ordered) or ())


@given(
    st.lists(
        st.builds(act, st.integers(0, 60), letters), max_size=5, unique_by=lambda each: each.at
    ),
    st.lists(
        st.builds(
            lambda minute, bag, key: bought(minute, key, items=items(bag)),
            st.integers(0, 60),
            letters,
            st.uuids().map(str),
        ),
        max_size=3,
    ),
    st.randoms(use_true_random=False),
)
def test_any_order_of_arrival_gives_the_same_rows(
    activities: list[Activity], orders: list[CandidateOrder], random: Random
) -> None:
    expected = fold([cart(*activities)], orders, at(LATE))
    random.shuffle(activities)
    random.shuffle(orders)
    assert expected == fold([cart(*activities)], orders, at(LATE))


@pytest.mark.parametrize(
    ("standing", "came_back", "value"),
    [
        ("COUNTED", True, Decimal(9)),
        ("PENDING", True, Decimal(9)),
        ("CANCELLED", False, Decimal(0)),
        ("NOT_A_SALE", False, Decimal(9)),
    ],
)
def test_the_standing_of_its_order(standing: str, came_back: bool, value: Decimal) -> None:
    [row] = fold([cart(act(0, "A"))], [bought(70, standing=standing)], at(LATE))
    assert ("RECOVERED", standing) == (row.status, row.order_standing)
    assert (came_back, value) == (row.came_back, row.recovered_value)


def test_without_an_order_there_is_no_standing_and_a_conversion_is_no_recovery() -> None:
    [left] = fold([cart(act(0, "A"))], [], at(LATE))
    [converted] = fold([cart(act(0, "A"))], [bought(10)], at(LATE))
    assert (None, "COUNTED") == (left.order_standing, converted.order_standing)
    assert not left.came_back
    assert not converted.came_back


@pytest.mark.parametrize(
    ("standing", "later", "counts"),
    [
        ("COUNTED", False, (1, 1, 1, 10)),
        ("PENDING", False, (1, 1, 1, 10)),
        ("CANCELLED", False, (1, 0, 0, 0)),
        ("CANCELLED", True, (1, 0, 0, 0)),
    ],
)
def test_what_if_leaves_a_cancelled_order_out_of_what_came_back(
    standing: str, later: bool, counts: tuple[object, ...]
) -> None:
    history = cart(act(0, "A"), *([act(70, "A")] if later else []))
    into: CountsBySetting = {}
    count_generations([history], [bought(80, standing=standing)], [60 * MINUTE], at(LATE), 0, into)
    row = into[60 * MINUTE]["USD"]
    assert counts == (row.abandoned, row.came_back, row.ordered, row.came_back_value)


def test_a_stored_row_of_an_earlier_release_is_read() -> None:
    [row] = fold([cart(act(0, "A"))], [bought(70)], at(LATE))
    stored = msgspec.to_builtins(row)
    del stored["order_standing"]
    assert msgspec.convert(stored, Generation).order_standing is None
