"""A list and the tables differ only where both give a value, and where ours is not newer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.history.compare import (
    CUSTOMER,
    ORDER,
    Age,
    Comparison,
    Listed,
    Stored,
    differences,
)
from sinks.merge.last_writer import Layers, merge

STORED: dict[str, Any] = {
    "status": "PAID", "total": "10.00", "currency": "EUR", "deleted": False,
    "refund/1": {"status": "SUCCEEDED", "amount": "2.00"},
}  # fmt: skip
UPDATED, DELETED = 2, 3


def order(key: str, row: int = 1, age: Age = (5, UPDATED), **fields: Any) -> Listed:
    return Listed(ORDER, key, row, age, age[0], {**STORED, **fields})


def held(fields: dict[str, Any] = STORED, age: Age = (5, UPDATED)) -> Stored:
    return Stored(fields, dict.fromkeys(fields, age))


@pytest.mark.parametrize(
    ("given_fields", "names"),
    [
        ({}, []),
        ({"status": "REFUNDED"}, ["status"]),
        ({"total": "10"}, []),
        ({"total": "9.99", "currency": "USD"}, ["currency", "total"]),
        ({"tax_total": "1"}, []),
        ({"refund/1": {"status": "SUCCEEDED", "amount": "2"}}, []),
        ({"refund/2": {"status": "SUCCEEDED", "amount": "2"}}, ["refunds"]),
        ({"refund/1": {"status": "FAILED", "amount": "2"}}, ["refunds"]),
    ],
)
def test_only_what_both_give_can_differ(given_fields: dict[str, Any], names: list[str]) -> None:
    found, is_newer = differences(order("a", **given_fields), held())
    assert sorted(found) == sorted(names)
    assert not is_newer


def test_contact_data_is_in_no_comparison() -> None:
    listed = Listed(CUSTOMER, "a", 1, (5, UPDATED), 5, {"email_hash": "a", "deleted": False})
    stored = held({"email_hash": "b", "deleted": False})
    assert differences(listed, stored) == ([], False)


def test_a_newer_state_here_is_no_difference_and_is_counted() -> None:
    result = Comparison()
    result.add(order("a", status="REFUNDED"), held(age=(6, 0)))
    result.add(order("b", status="REFUNDED"), held())
    result.add(order("c", deleted=False), held({**STORED, "deleted": True}, (5, DELETED)))
    assert (result.newer_here, list(result.different)) == (2, ["b"])


def test_a_field_is_as_old_as_the_state_that_gave_it_whatever_came_later() -> None:
    """A customer's own update is missing, though an order named the customer since."""
    own, mention = {"accepts_marketing": True, "deleted": False}, {"occurred_at": 9}
    layers = merge(merge((), (3, UPDATED, 0, 0, 0), "own", own), (9, 0, 0, 0, 1), "order", mention)
    listed = Listed(CUSTOMER, "a", 1, (5, UPDATED), 5, {**own, "accepts_marketing": False})
    assert differences(listed, Stored.of(layers)) == (["accepts_marketing"], False)


def test_who_is_only_mentioned_here_is_missing() -> None:
    result = Comparison()
    fields = {"created_at": 1, "deleted": False}
    result.add(Listed(CUSTOMER, "a", 7, (5, UPDATED), 1, fields), held({"occurred_at": 9}, (9, 0)))
    assert result.missing_here == {"a": 7}


@pytest.mark.parametrize(
    ("fields", "age", "is_change", "is_older"),
    [
        ({}, (6, UPDATED), True, True),
        ({}, (5, UPDATED), True, False),
        ({}, (4, UPDATED), True, False),
        ({}, (6, UPDATED), False, False),  # the list's own time says nothing of the entity
        ({"updated_at": 6}, (6, UPDATED), True, True),
        ({"updated_at": 4}, (4, UPDATED), True, False),
        # A clock ahead of ours: the stored state is held at the time at which it was appended.
        ({"updated_at": 5}, (9, UPDATED), True, False),
    ],
)
def test_a_state_that_changed_nothing_that_is_compared_is_missed_all_the_same(
    fields: dict[str, Any], age: Age, is_change: bool, is_older: bool
) -> None:
    stored = {**STORED, "updated_at": 5} if fields else STORED
    result = Comparison()
    result.add(Listed(ORDER, "a", 3, age, 1, {**STORED, **fields}, is_change), held(stored))
    assert result.older_here == ({"a": 3} if is_older else {})
    assert result.alike == (0 if is_older else 1)


@pytest.mark.parametrize("turn", [1, -1])
def test_of_several_rows_of_an_entity_the_newest_is_compared(turn: int) -> None:
    """As in exports of several days, one after the other."""
    rows = [order("a", 1, (5, UPDATED)), order("a", 2, (8, UPDATED), status="REFUNDED")][::turn]
    result = Comparison(rows=2)
    for each in rows:
        result.add(each, held())
    assert result.different == {"a": (2, ["status"])}
    assert (result.alike, result.compared, result.repeated) == (0, 1, 1)
    assert not result.is_equal


def test_an_empty_list_and_one_that_the_tables_lag_behind_are_not_equal() -> None:
    assert not Comparison().is_equal
    assert Comparison(rows=1, alike=1).is_equal
    assert not Comparison(rows=1, alike=1, is_whole=False).is_equal


FIELDS = st.fixed_dictionaries(
    {"deleted": st.booleans()},
    optional={
        "status": st.sampled_from(["PAID", "REFUNDED"]),
        "total": st.sampled_from(["1.00", "2.00"]),
        "updated_at": st.integers(1, 4),
        "refund/1": st.fixed_dictionaries({"amount": st.sampled_from(["1", "2"])}),
    },
)
STATES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), FIELDS), max_size=4)


@given(STATES, st.integers(1, 4), FIELDS, st.booleans())
def test_a_repair_leaves_nothing_to_repair(
    states: list[tuple[int, int, dict[str, Any]]],
    at: int,
    fields: dict[str, Any],
    is_change: bool,
) -> None:
    layers: Layers = ()
    for number, (when, rank, each) in enumerate(states):
        layers = merge(layers, (when, rank, number, 0, number), str(number), each)
    row = Listed(ORDER, "a", 1, (at, UPDATED), at, fields, is_change)
    before, after = Comparison(), Comparison()
    before.add(row, Stored.of(layers) if layers else None)
    if before.to_import:
        layers = merge(layers, (at, UPDATED, 99, 0, 99), "imported", fields)
    after.add(row, Stored.of(layers))
    assert not after.to_import


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.sampled_from(["alike", "missing", "different", "newer", "older"])
        )
    )
)
def test_each_listed_entity_is_counted_in_one_way(rows: list[tuple[int, str]]) -> None:
    result = Comparison()
    for number, (key, what) in enumerate(rows, start=1):
        is_other = what in ("different", "newer")
        listed = order(f"k{key}", number, status="REFUNDED" if is_other else "PAID")
        ages = {"newer": (9, UPDATED), "older": (1, UPDATED)}
        stored = None if what == "missing" else held(age=ages.get(what, (5, UPDATED)))
        result.add(listed, stored)
    lost = len(result.missing_here) + len(result.different) + len(result.older_here)
    assert result.alike + result.newer_here + lost == result.compared == len({k for k, _ in rows})
    assert result.compared + result.repeated == len(rows)
    assert len(result.to_import) == lost
    if result.compared:
        assert result.lost_share == lost / result.compared
