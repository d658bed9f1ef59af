"""Sums and shares of money. An amount is a ``Decimal``; None is an amount that is not given."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal

ZERO = Decimal(0)
FOUR_PLACES = Decimal("0.0001")
# Room for the product of any two amounts: the default context would round or raise.
_WIDE = Context(prec=64, rounding=ROUND_HALF_EVEN)


def sum_given(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Add up the amounts that are given; None where none is."""
    given = [amount for amount in amounts if amount is not None]
    return sum(given, ZERO) if given else None


def proportion(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return ``amount * part / whole``, rounded to four places."""
    share = _WIDE.divide(_WIDE.multiply(amount, part), whole)
    return share.quantize(FOUR_PLACES, context=_WIDE)
