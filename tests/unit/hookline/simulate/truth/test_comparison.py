"""Differences of rows: missing, extra, fields; hashes that stand for addresses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from hookline.simulate.truth.amounts import Amount
from hookline.simulate.truth.comparison import Comparison, Difference
from hookline.simulate.truth.expected import Expected
from hookline.simulate.truth.names import Person
from hookline.simulate.truth.spans import Span, UndecidedError

SHOP = "spiffy/s"
ROW = {"order_key": "spiffy/s/order:1", "net": Decimal(5)}


def compared(expected: dict[Any, Any], *rows: dict[str, Any]) -> list[Difference]:
    truth = Expected({"orders": expected})
    return list(Comparison(truth).table("orders", rows))


def test_equal_rows_do_not_differ() -> None:
    assert compared({("spiffy/s/order:1",): {"net": Amount.of(5)}}, ROW) == []


def test_a_missing_row_an_extra_row_and_a_field_are_named() -> None:
    expected = {("spiffy/s/order:1",): {"net": Amount.of(6)}, ("spiffy/s/order:2",): {}}
    extra = {**ROW, "order_key": "spiffy/s/order:3"}
    found = [(each.key[0][-1], each.column, each.kind) for each in compared(expected, ROW, extra)]
    assert found == [("1", "net", "field"), ("3", "", "extra"), ("2", "", "missing")]


_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_NOON = 1_772_366_400_000_000


@pytest.mark.parametrize(
    ("expected", "equal", "other"),
    [
        (None, None, 0),
        (0, 0, None),
        (True, True, False),
        ("a", "a", "b"),
        (Amount.of(Fraction(1, 3)), Decimal("0.3333"), Decimal("0.3334")),
        (Amount.of(0), Decimal(0), None),
        (Fraction(2, 3), Decimal("0.6667"), Decimal("0.6669")),
        (Span(_NOON, _NOON + 5), _AT + timedelta(microseconds=5), _AT + timedelta(microseconds=6)),
        (Span(0, 9), timedelta(microseconds=9), timedelta(microseconds=10)),
        (Span(0, 9), 9, None),
    ],
)
def test_values_of_all_kinds(expected: Any, equal: Any, other: Any) -> None:
    for value, count in ((equal, 0), (other, 1)):
        row = {"order_key": "spiffy/s/order:1", "x": value}
        assert len(compared({("spiffy/s/order:1",): {"x": expected}}, row)) == count


def test_one_address_has_one_hash_and_no_other_address_has_it() -> None:
    def rows(*hashes: str) -> list[dict[str, Any]]:
        return [{"order_key": str(n), "person_key": each} for n, each in enumerate(hashes)]

    people = [Person("a"), Person("a"), Person("b")]
    expected = {(str(n),): {"person_key": each} for n, each in enumerate(people)}
    assert compared(expected, *rows("h1", "h1", "h2")) == []
    assert [each.key for each in compared(expected, *rows("h1", "h3", "h2"))] == [("1",)]
    assert [each.key for each in compared(expected, *rows("h1", "h1", "h1"))] == [("2",)]


def test_a_guests_row_is_found_by_the_hash_that_the_order_showed() -> None:
    guest, key = Person("a", SHOP), "spiffy/s/guest:77"
    truth = Expected(
        {
            "orders": {("spiffy/s/order:1",): {"customer_key": guest}},
            "customer_lifetime_value": {(guest, "EUR"): {"net": Amount.of(5)}},
        }
    )
    comparison = Comparison(truth)
    order = {"order_key": "spiffy/s/order:1", "customer_key": key}
    row = {"customer_key": key, "currency": "EUR", "net": Decimal(4)}
    assert list(comparison.table("orders", [order])) == []
    [found] = comparison.table("customer_lifetime_value", [row])
    assert (found.key, found.column, comparison.compared) == ((key, "EUR"), "net", 2)


def test_what_is_open_is_not_compared_nor_are_views_of_its_shop() -> None:
    truth = Expected({"orders": {}, "coverage": {("spiffy", "s"): {"orders": 5}}})
    truth.undecided.note(SHOP, "spiffy/s/order:1", UndecidedError("which"))
    comparison = Comparison(truth)
    assert list(comparison.table("orders", [ROW])) == []
    shop = {"source": "spiffy", "shop": "s", "orders": 4}
    assert list(comparison.table("coverage", [shop])) == []
    assert len(list(comparison.table("coverage", [{**shop, "shop": "t"}]))) == 1
