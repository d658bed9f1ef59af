"""Exact amounts, with the count of the roundings to four decimals that the tables may have made."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_HALF = Fraction(1, 20_000)
"""Half of the last decimal that the tables keep."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact amount. ``roundings``: how many parts of it have more than four decimals."""

    value: Fraction
    roundings: int = 0

    @classmethod
    def of(cls, value: Decimal | Fraction | int) -> "Amount":
        """Return an amount that may need a rounding of its own."""
        exact = Fraction(value)
        return cls(exact, 0 if (exact * 10_000).denominator == 1 else 1)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.value + other.value, self.roundings + other.roundings)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.value - other.value, self.roundings + other.roundings)

    def at_most(self, limit: "Amount") -> "Amount":
        """Return it, or the limit where that is less; near it the roundings of both count."""
        value, roundings = min(self.value, limit.value), self.roundings + limit.roundings
        is_near = self.value >= limit.value - roundings * _HALF
        return Amount(value, roundings if is_near else self.roundings)

    def mean(self, count: int) -> "Amount":
        """Return its part of one in ``count``, rounded once more."""
        return Amount(self.value / count, self.roundings + 1)

    def equals(self, stored: Decimal | int) -> bool:
        """Whether a stored amount is this one, as far as the roundings allow."""
        return abs(self.value - Fraction(stored)) <= self.roundings * _HALF


NOTHING = Amount(Fraction(0))


def total(amounts: Iterable[Amount]) -> Amount:
    """Add up amounts."""
    return sum(amounts, NOTHING)


def total_given(amounts: Iterable[Amount | None]) -> Amount | None:
    """Add up the amounts that are given; None where none is."""
    given = [amount for amount in amounts if amount is not None]
    return total(given) if given else None
