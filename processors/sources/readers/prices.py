"""Lines whose one price is of a unit or of the whole line: the order's sum decides which."""

from decimal import Decimal
from enum import StrEnum

from processors.sources.readers import money


class Fit(StrEnum):
    """Which reading of the lines' prices sums to the total in the payload."""

    EITHER = "either"  # every quantity is 1, or both readings give the total
    UNIT = "unit"
    LINE = "line"
    NEITHER = "neither"
    UNKNOWN = "unknown"  # no total to compare with, or a price or quantity not given


PriceAndQuantity = tuple[Decimal | None, int | None]


def fit(lines: list[PriceAndQuantity], goods: Decimal | None) -> Fit:
    """Find the reading that sums to ``goods``, the value of the lines before discounts."""
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
    """Return (unit price, line total) of a line under a reading; None where it is undecided."""
    if price is None or which in (Fit.NEITHER, Fit.UNKNOWN):
        return None, None
    if which is Fit.EITHER and quantity == 1:
        return price, price
    if which is Fit.LINE:
        return (money.share(price, quantity) if quantity else None), price
    return price, money.times(price, quantity, path)
