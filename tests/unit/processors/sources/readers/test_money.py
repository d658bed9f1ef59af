"""Amounts: bounded before arithmetic, exact to four decimals, rounded half-even beyond."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sources import notes
from processors.sources.readers import money
from processors.sources.readers.prices import Fit, fit, readings
from processors.sources.readers.refusals import Refused
from schemas.events import CurrencySource
from tests.example_files import SHOPS


def amount(value: Any, *, signed: bool = True) -> Decimal | None:
    return money.amount({"a": value}, "a", "x.", signed=signed)


def refused(value: Any, *, signed: bool = True) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        amount(value, signed=signed)
    return caught.value.reject.reason.value, caught.value.reject.path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (50, "50"),
        ("50.000", "50"),
        ("19.99", "19.99"),
        (Decimal("8.32"), "8.32"),
        (Decimal("1E+2"), "100"),
        ("-0.0000000", "0"),
        (Decimal("0E+999999999"), "0"),
        (Decimal("0E-999999999"), "0"),
        ("99999999999999.9999", "99999999999999.9999"),
        (10**14 - 1, "99999999999999"),
        ("1.00000000000000000", "1"),
        ("-5", "-5"),
        ("+5", "5"),
        (" 7.50\n", "7.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.25e2", "125"),
        ("1,234.50", "1234.5"),
        ("1.234,50", "1234.5"),
        ("1 234,50", "1234.5"),
        ("1\u00a0234,50", "1234.5"),
        ("1\u202f234\u202f567,5", "1234567.5"),
        ("1'234.50", "1234.5"),
        ("1\u2019234", "1234"),
        ("-1,234,567.89", "-1234567.89"),
        ("1.234.567", "1234567"),
        ("1,23,456.70", "123456.7"),
        ("12,50", "12.5"),
        ("12,5", "12.5"),
        ("1234,567", "1234.567"),
        ("0,125", "0.125"),
        ("1,234", "1234"),
        ("1.234", "1.234"),
    ],
)
def test_an_amount_is_what_was_given(value: Any, expected: str) -> None:
    assert amount(value) == Decimal(expected)


@pytest.mark.parametrize("value", [None, "", "  ", "\u00a0"])
def test_an_amount_not_given_is_null(value: Any) -> None:
    assert amount(value) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Decimal("1e999999999"), "out-of-range"),
        (Decimal("1e-999999999"), "out-of-range"),
        (Decimal("-1e999999999"), "out-of-range"),
        ("1e999999999", "out-of-range"),
        (Decimal("1e-400"), "out-of-range"),
        (Decimal("0." + "3" * 100), "out-of-range"),
        (Decimal("99999999999999.99995"), "out-of-range"),
        ("123,456,789,012,345", "out-of-range"),
        (10**14, "out-of-range"),
        (10**4000, "out-of-range"),
        (Decimal(100000000000000), "out-of-range"),
        (Decimal("1." + "0" * 100_000 + "1"), "out-of-range"),
        ("9" * 65, "out-of-range"),
        ("1e9999999999", "invalid-payload"),
        ("NaN", "invalid-payload"),
        ("Infinity", "invalid-payload"),
        (Decimal("NaN"), "invalid-payload"),
        ("1_000", "invalid-payload"),
        ("٣", "invalid-payload"),
        ("1,234,50", "invalid-payload"),
        ("1,2,3", "invalid-payload"),
        ("1 23", "invalid-payload"),
        ("1.234.50", "invalid-payload"),
        ("0,123,456", "invalid-payload"),
        ("1,234'567", "invalid-payload"),
        ("12,5e3", "invalid-payload"),
        ("5.00-", "invalid-payload"),
        ("--5", "invalid-payload"),
        ("free", "invalid-payload"),
        ("$5.00", "invalid-payload"),
        ("5.00 EUR", "invalid-payload"),
        ("20,00€", "invalid-payload"),
        (True, "invalid-payload"),
        ([], "invalid-payload"),
        ({}, "invalid-payload"),
    ],
)
def test_what_is_no_amount_or_too_large_is_refused(value: Any, reason: str) -> None:
    assert refused(value) == (reason, "x.a")


def test_a_negative_amount_is_refused_also_where_it_was_accepted_elsewhere_before() -> None:
    assert amount("-7.77") == Decimal("-7.77")
    for value in ("-7.77", -1, Decimal("-0.5")):
        assert refused(value, signed=False) == ("invalid-payload", "x.a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("8.319999999999999"), "8.32"),
        (Decimal("0.30000000000000004"), "0.3"),
        (Decimal("10.400000000000002"), "10.4"),
        ("0.166667", "0.1667"),
        ("0.00005", "0"),
        ("0.00015", "0.0002"),
        ("0.00025", "0.0002"),
        ("0.000250000001", "0.0003"),
        ("8E-5", "0.0001"),
        (Decimal("5.551115123125783E-17"), "0"),
        (Decimal("5E-324"), "0"),
        ("-0.00001", "0"),
        ("1.234,56785", "1234.5678"),
        ("-12,345.67895", "-12345.679"),
    ],
)
def test_more_than_four_decimals_are_rounded_half_even_and_noted(value: Any, expected: str) -> None:
    for _ in range(2):  # a cached amount would be noted only once
        notes.begin()
        assert amount(value) == Decimal(expected)
        assert notes.current() == {"rounded:x.a": value}


@pytest.mark.parametrize("value", ["1.50000000", Decimal("8.320000000000000"), "1,234.500000", 5])
def test_zeros_beyond_four_decimals_are_no_rounding(value: Any) -> None:
    notes.begin()
    assert amount(value) == amount(value)
    assert notes.current() == {}


def test_a_negative_amount_that_rounds_to_nothing_is_none() -> None:
    assert amount(Decimal("-1E-17"), signed=False) == 0


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_an_amount_is_what_was_given_rounded_half_even_or_refused(value: Decimal | int) -> None:
    for spelled in (value, str(value)):
        notes.begin()
        try:
            found = amount(spelled)
        except Refused:
            exact = Decimal(value)
            assert abs(exact) >= Decimal("99999999999999.99995") or len(str(value)) > 64
            continue
        exact = Fraction(value)
        assert found is not None
        assert Fraction(found) == Fraction(round(exact * 10**4), 10**4)  # round() is half-even
        assert bool(notes.current()) == (found != value)


SPELLINGS = [(",", "."), (".", ","), (" ", ","), ("\u00a0", ","), ("\u202f", "."), ("'", ".")]


@settings(deadline=None)
@given(
    st.integers(-(10**14) + 1, 10**14 - 1),
    st.integers(1, 4).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)),
    st.sampled_from(SPELLINGS),
)
def test_thousands_separators_change_no_amount(
    whole: int, decimals: str, spelling: tuple[str, str]
) -> None:
    separator, point = spelling
    spelled = f"{whole:,}".replace(",", separator) + point + decimals
    if len(decimals) == 3 and point == "," and abs(whole) < 1000 and whole:
        spelled += "0"  # a comma and three digits are thousands
    assert amount(spelled) == Decimal(f"{whole}.{decimals}")


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=20))
def test_the_sum_of_floats_is_the_sum_of_the_amounts(cents: list[int]) -> None:
    summed = sum(n / 100 for n in cents)
    assert amount(Decimal(repr(summed))) == Decimal(sum(cents)) / 100


@pytest.mark.parametrize(
    ("units", "currency", "expected"),
    [(12400, "GBP", "124"), (12400, "JPY", "12400"), (12400, "KWD", "12.4"), (5, None, "0.05")],
)
def test_the_smallest_unit_depends_on_the_currency(
    units: int, currency: str | None, expected: str
) -> None:
    assert money.minor({"a": units}, "a", "", currency) == Decimal(expected)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (10**14, "out-of-range"),
        (Decimal("1e999999999"), "out-of-range"),
        (Decimal("1e-999999999"), "out-of-range"),
        (-1, "invalid-payload"),
        ("124.50", "invalid-payload"),
        (Decimal("124.5"), "invalid-payload"),
        (True, "invalid-payload"),
    ],
)
def test_what_no_smallest_units_can_be_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        money.minor({"a": value}, "a", "x.", "GBP")
    assert (caught.value.reject.reason.value, caught.value.reject.path) == (reason, "x.a")
    assert money.minor({}, "a", "x.", "GBP") is None


@pytest.mark.parametrize(
    ("value", "expected", "is_rounded"),
    [
        ("12400", "124", False),
        (Decimal("12400.0"), "124", False),
        (Decimal("12399.999999999998"), "124", True),
        (Decimal("12400.000000000002"), "124", True),
        (Decimal("1E-17"), "0", True),
        (-12400, "-124", False),
    ],
)
def test_dust_on_the_smallest_unit_is_rounded_off(
    value: Any, expected: str, is_rounded: bool
) -> None:
    notes.begin()
    assert money.minor({"a": value}, "a", "x.", "GBP", signed=True) == Decimal(expected)
    assert notes.current() == ({"rounded:x.a": value} if is_rounded else {})


@pytest.mark.parametrize("code", ["euro", "E1R", 978, ["EUR"], "€"])
def test_a_code_that_is_none_leaves_the_currency_unknown(code: Any) -> None:
    notes.begin()
    shop = SHOPS["run-free"]
    assert shop.currency is not None
    assert money.currency({"c": code}, "c", "", shop) == (None, CurrencySource.UNKNOWN)
    assert notes.current() == {"unread:c": code}
    assert money.currency({"c": " eur "}, "c", "", shop) == ("EUR", CurrencySource.PAYLOAD)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.decimals(0, 10**6, places=4), st.integers(0, 1000)), min_size=1, max_size=6
    )
)
def test_the_reading_that_fits_gives_the_total_back(lines: list[tuple[Decimal, int]]) -> None:
    as_units = sum((price * count for price, count in lines), Decimal(0))
    which = fit(list(lines), as_units)
    assert which in (Fit.UNIT, Fit.EITHER)
    totals = [readings(price, count, which, "")[1] for price, count in lines]
    assert money.total(totals, "") == as_units


def test_a_share_that_four_decimals_cannot_hold_is_null() -> None:
    assert money.share(Decimal(10), 4) == Decimal("2.5")
    assert money.share(Decimal(10), 3) is None


def test_a_sum_beyond_the_bound_is_refused_and_not_rounded() -> None:
    most = Decimal("99999999999999.9999")
    assert money.total([most], "x") == most
    with pytest.raises(Refused):
        money.total([most, Decimal("0.0001")], "x")
    with pytest.raises(Refused):
        money.times(most, 10**9, "x")
