"""Ciklik: taxes of lines, by their rates, and the discount without its tax.

Prices of items are without tax, ``total_discount_inc`` is with it. Payloads exist in which the
prices hold the tax all the same: then the sums prove it, and the discount is left as given.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from processors.sources.readers import money
from processors.sources.readers.refusals import Refused

_FOUR_PLACES = Decimal("0.0001")
_TOLERANCE = Decimal("0.01")
_ROUNDINGS = Decimal("0.05")
_HUNDRED = Decimal(100)
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def rate(line: dict[str, Any], path: str) -> Decimal | None:
    """Return a line's tax rate in per cent; None where none above 0 is given."""
    try:
        given = money.amount(line, "tax", path, signed=True)
    except Refused:  # no column needs a rate, so it refuses nothing
        return None
    return given if given is not None and 0 < given <= _HUNDRED else None


def line_tax(goods: Decimal | None, percent: Decimal | None) -> Decimal | None:
    """Return the tax of a line's goods, rounded half-even to four places."""
    if goods is None or percent is None:
        return None
    return _rounded(_WIDE.divide(_WIDE.multiply(goods, percent), _HUNDRED))


def are_inside(
    goods: Decimal | None,
    discount: Decimal | None,
    *,
    tax: Decimal | None,
    shipping: Decimal | None,
    paid: Decimal | None,
) -> bool:
    """Return whether the sums prove that prices include tax: all is paid without adding it."""
    if goods is None or paid is None or not tax:
        return False
    owed = _WIDE.add(_WIDE.subtract(goods, discount or money.ZERO), shipping or money.ZERO)
    return abs(_WIDE.subtract(owed, paid)) <= _TOLERANCE < tax


def discount_without_tax(
    discount: Decimal,
    goods: Decimal | None,
    line_taxes: Sequence[Decimal | None],
    *,
    shipping: Decimal | None,
    tax: Decimal | None,
    paid: Decimal | None,
) -> Decimal:
    """Return what a discount with tax takes off goods without tax.

    It is the discount less its share of tax at the lines' rates. What was paid gives it to the
    cent: that is taken where it agrees with the rates, or, where no rate is given, with itself.
    """
    if not discount or not goods or goods < 0:
        return discount
    by_sums = None
    if tax and paid:
        owed = _WIDE.add(_WIDE.add(goods, tax), shipping or money.ZERO)
        by_sums = _WIDE.subtract(owed, paid)
        if not 0 <= by_sums <= min(discount, goods):
            by_sums = None
    taxes = sum((each for each in line_taxes if each is not None), money.ZERO)
    if taxes > 0:
        share = _WIDE.divide(_WIDE.multiply(discount, taxes), _WIDE.add(goods, taxes))
        by_rates = _WIDE.subtract(discount, _rounded(share))
        return by_sums if by_sums is not None and _agree(by_sums, by_rates) else by_rates
    if tax and by_sums is not None and by_sums < goods:
        rest = _WIDE.subtract(goods, by_sums)
        with_tax = _WIDE.add(by_sums, _WIDE.divide(_WIDE.multiply(by_sums, tax), rest))
        return by_sums if _agree(with_tax, discount) else discount
    return discount


def _agree(left: Decimal, right: Decimal) -> bool:
    """Compare amounts that several roundings to cents may keep apart."""
    return abs(_WIDE.subtract(left, right)) <= _ROUNDINGS


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_FOUR_PLACES, context=_WIDE)
