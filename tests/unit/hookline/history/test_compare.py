"""A list and the tables differ only where both give a value, and where ours is not newer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.history.compare import CUSTOMER, ORDER, Comparison, Listed, differences

STORED: dict[str, Any] = {
    "status": "PAID", "total": "10.00", "currency": "EUR", "deleted": False,
    "refund/1": {"status": "SUCCEEDED", "amount": "2.00"},
}  # fmt: skip


def order(key: str, row: int = 1, at: int = 5, **fields: Any) -> Listed:
    return Listed(ORDER, key, row, at, at, {**STORED, **fields})


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
    assert sorted(differences(ORDER, {**STORED, **given_fields}, STORED)) == sorted(names)


def test_contact_data_is_in_no_comparison() -> None:
    assert differences(CUSTOMER, {"email_hash": "a"}, {"email_hash": "b"}) == []


def test_a_newer_state_here_is_no_difference_and_is_counted() -> None:
    result = Comparison()
    result.add(order("a", status="REFUNDED"), (6, STORED))
    result.add(order("b", status="REFUNDED"), (5, STORED))
    assert (result.newer_here, list(result.different)) == (1, ["b"])


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["alike", "missing", "different", "newer"]))
    )
)
def test_each_listed_entity_is_counted_in_one_way(rows: list[tuple[int, str]]) -> None:
    result = Comparison()
    for number, (key, what) in enumerate(rows, start=1):
        listed = order(f"k{key}", number, status="PAID" if what == "alike" else "REFUNDED")
        stored = None if what == "missing" else (9 if what == "newer" else 1, STORED)
        result.add(listed, stored)
    counted = result.alike + result.newer_here + len(result.missing_here) + len(result.different)
    assert counted == result.compared == len({key for key, _ in rows})
    assert result.compared + result.repeated == len(rows)
    assert len(result.to_import) == len(result.missing_here) + len(result.different)
    if result.compared:
        assert result.lost_share == len(result.to_import) / result.compared
