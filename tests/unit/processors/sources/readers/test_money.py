"""Amounts are exact or refused: bounded before arithmetic, never rounded."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sources.readers import money
from processors.sources.readers.prices import Fit, fit, readings
from processors.sources.readers.refusals import Refused


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
    ],
)
def test_an_amount_is_what_was_given(value: Any, expected: str) -> None:
    assert amount(value) == Decimal(expected)


@pytest.mark.parametrize("value", [None, ""])
def test_an_amount_not_given_is_null(value: Any) -> None:
    assert amount(value) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Decimal("1e999999999"), "out-of-range"),
        (Decimal("1e-999999999"), "out-of-range"),
        (Decimal("-1e999999999"), "out-of-range"),
        ("1e999999999", "out-of-range"),
        (10**14, "out-of-range"),
        (10**4000, "out-of-range"),
        (Decimal(100000000000000), "out-of-range"),
        (Decimal("0.00001"), "out-of-range"),
        (Decimal("1." + "0" * 100_000 + "1"), "out-of-range"),
        ("9" * 65, "out-of-range"),
        ("1e9999999999", "invalid-payload"),
        ("NaN", "invalid-payload"),
        ("Infinity", "invalid-payload"),
        (Decimal("NaN"), "invalid-payload"),
        ("1_000", "invalid-payload"),
        (" 1", "invalid-payload"),
        ("1,00", "invalid-payload"),
        ("٣", "invalid-payload"),
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


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_an_amount_is_exactly_what_was_given_or_refused(value: Decimal | int) -> None:
    for spelled in (value, str(value)):
        try:
            found = amount(spelled)
        except Refused:
            exact = Decimal(value)
            fits = abs(exact) < 10**14 and exact == exact.quantize(Decimal("0.0001"))
            assert not fits or len(str(value)) > 64
        else:
            assert found == value


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
        (-1, "out-of-range"),
        ("5", "invalid-payload"),
        (True, "invalid-payload"),
    ],
)
def test_what_no_smallest_units_can_be_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        money.minor({"a": value}, "a", "x.", "GBP")
    assert (caught.value.reject.reason.value, caught.value.reject.path) == (reason, "x.a")
    assert money.minor({}, "a", "x.", "GBP") is None


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
