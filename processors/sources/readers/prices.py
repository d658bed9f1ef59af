"""Lines whose one price may be that of a unit or of the whole line: the sum tells which."""

from decimal import Decimal
from enum import StrEnum

from processors.sources.readers import money


class Fit(StrEnum):
    """Which reading of the lines' prices gives the total that the payload tells."""

    EITHER = "either"  # every quantity is 1, or both readings give the total
    UNIT = "unit"
    LINE = "line"
    NEITHER = "neither"
    UNKNOWN = "unknown"  # no total to hold them against, or a price or quantity not told


Told = tuple[Decimal | None, int | None]
"""A line's price and quantity."""


def fit(lines: list[Told], goods: Decimal | None) -> Fit:
    """Which reading sums to ``goods``, the value of the lines before discounts."""
    as_units = money.total((money.times(p, q, "") for p, q in lines), "")
    as_lines = money.total((p for p, _ in lines), "")
    if as_units is None or as_lines is None:
        return Fit.UNKNOWN
    if goods is None:
        return Fit.EITHER if all(q == 1 for _, q in lines) else Fit.UNKNOWN
    if as_units == as_lines == goods:
        return Fit.EITHER
    if as_units == goods:
        return Fit.UNIT
    return Fit.LINE if as_lines == goods else Fit.NEITHER


def readings(
    price: Decimal | None, quantity: int | None, which: Fit, path: str
) -> tuple[Decimal | None, Decimal | None]:
    """(unit price, line total) of a line under a reading; None where it cannot be told."""
    if price is None or which in (Fit.NEITHER, Fit.UNKNOWN):
        return None, None
    if which is Fit.EITHER and quantity == 1:
        return price, price
    if which is Fit.LINE:
        return (money.share(price, quantity) if quantity else None), price
    return price, money.times(price, quantity, path)
