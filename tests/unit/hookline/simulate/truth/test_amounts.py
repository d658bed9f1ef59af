"""Exact amounts against stored ones of four decimals."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.truth.amounts import NOTHING, Amount, total, total_given

_parts = st.lists(st.fractions(min_value=0, max_value=1000), min_size=1, max_size=8)


def stored(value: Fraction) -> Decimal:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)


def test_an_amount_of_four_decimals_must_be_equal() -> None:
    assert Amount.of(Decimal("1.2345")).equals(Decimal("1.2345"))
    assert not Amount.of(Decimal("1.2345")).equals(Decimal("1.2346"))


@given(_parts)
def test_a_sum_of_rounded_parts_is_within_its_roundings(parts: list[Fraction]) -> None:
    amount = total(Amount.of(part) for part in parts)
    assert amount.equals(sum((stored(part) for part in parts), Decimal(0)))
    assert not amount.equals(stored(amount.value) + Decimal("0.0006"))


@given(_parts, st.fractions(min_value=0, max_value=500))
def test_what_is_limited_is_within_the_roundings_of_both(
    parts: list[Fraction], limit: Fraction
) -> None:
    rounded = sum((stored(part) for part in parts), Decimal(0))
    limited = total(Amount.of(part) for part in parts).at_most(Amount.of(limit))
    assert limited.equals(min(rounded, stored(limit)))


def test_nothing_given_is_not_nothing() -> None:
    assert total_given([None, None]) is None
    assert total_given([None, NOTHING]) == NOTHING
    assert NOTHING.mean(3).equals(0)
