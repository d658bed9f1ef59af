"""Amounts: exact, bounded before any arithmetic, never rounded."""

import re
from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal, Underflow
from typing import Any

from processors.sources.readers.document import MAX_KEPT, MAX_SPELLED
from processors.sources.readers.fields import names
from processors.sources.readers.refusals import invalid, out_of_range
from schemas.events import CurrencySource
from schemas.shops import Shop

ZERO = Decimal("0.0000")
_SCALE = Decimal("0.0001")
_DIGITS = 14  # before the point, of decimal(18,4)
_LIMIT = 10**_DIGITS
_MAX_TEXT = 64
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
_SCALING = Context(prec=18, traps=[InvalidOperation, Inexact])
_WIDE = Context(prec=60, traps=[InvalidOperation, Inexact, Overflow, Underflow, Subnormal])
_amounts: dict[str | int | Decimal, Decimal] = {}
"""Amounts by their text or number: the same few prices recur."""
_OF_SHOP, _OF_PAYLOAD = CurrencySource.SHOP, CurrencySource.PAYLOAD

_MINOR_DIGITS = {
    **dict.fromkeys(names("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"), 0),
    **dict.fromkeys(names("BHD IQD JOD KWD LYD OMR TND"), 3),
}
"""ISO 4217: currencies whose smallest unit is not a hundredth."""


def amount(
    values: dict[str, Any], key: str, path: str = "", *, signed: bool = False
) -> Decimal | None:
    """Return an amount with four decimals; None where it is not given (null or empty text).

    Negative ones are refused unless ``signed``. More than 14 digits before the decimal point or 4
    after it are out of range.
    """
    value: Any = values.get(key)
    kind = type(value)
    if kind is str or kind is Decimal or kind is int:
        cached = _amounts.get(value)
        if cached is not None:
            return cached
    if value is None or value == "":
        return None
    result = _exact(value, path + key)
    if result < 0:
        if not signed:
            invalid(path + key, "a negative amount")
    elif (kind is not str or len(value) <= MAX_SPELLED) and len(_amounts) < MAX_KEPT:
        _amounts[value] = result
    return result


def _exact(value: Any, path: str) -> Decimal:
    kind = type(value)
    if kind is str:
        if len(value) > _MAX_TEXT:
            out_of_range(path, f"an amount of {len(value)} characters")
        if not _NUMBER.fullmatch(value):
            invalid(path, "not an amount")
        value = Decimal(value)
    elif kind is int:
        if not -_LIMIT < value < _LIMIT:
            out_of_range(path, f"more than {_DIGITS} digits before the point")
        value = Decimal(value)
    elif kind is not Decimal or not value.is_finite():
        invalid(path, "not an amount")
    return bounded(value, path)


def bounded(value: Decimal, path: str) -> Decimal:
    """Return the amount with four decimals; refuse it if it does not fit decimal(18,4)."""
    if not value:
        return ZERO
    if value.adjusted() >= _DIGITS:
        out_of_range(path, f"more than {_DIGITS} digits before the point")
    try:
        return value.quantize(_SCALE, None, _SCALING)
    except (Inexact, InvalidOperation):
        out_of_range(path, "more than 4 decimals")


def minor(values: dict[str, Any], key: str, path: str, currency: str | None) -> Decimal | None:
    """Return an amount given in the currency's smallest unit (12400 = 124.00 GBP)."""
    value = values.get(key)
    if value is None:
        return None
    if type(value) is not int:
        invalid(path + key, "expected a whole number of the currency's smallest unit")
    if not 0 <= value < _LIMIT:
        out_of_range(path + key, "beyond what an amount may be")
    return bounded(Decimal(value).scaleb(-_MINOR_DIGITS.get(currency or "", 2)), path + key)


def times(price: Decimal | None, quantity: int | None, path: str) -> Decimal | None:
    """Multiply a unit price by a quantity; None where either is not given."""
    if price is None or quantity is None:
        return None
    return bounded(_WIDE.multiply(price, quantity), path)


def total(parts: Iterable[Decimal | None], path: str) -> Decimal | None:
    """Sum the parts, 0 if there are none; None where any part is not given."""
    result, is_sum = None, False
    for part in parts:
        if part is None:
            return None
        if result is None:
            result = part
        else:
            result, is_sum = _WIDE.add(result, part), True
    if result is None:
        return ZERO
    return bounded(result, path) if is_sum else result


def less(left: Decimal, right: Decimal) -> Decimal:
    """Subtract exactly."""
    return _WIDE.subtract(left, right)


def share(whole: Decimal, quantity: int) -> Decimal | None:
    """Divide a line total into unit prices; None where four decimals cannot hold them exactly."""
    try:
        return _WIDE.divide(whole, Decimal(quantity)).quantize(_SCALE, None, _SCALING)
    except (Inexact, InvalidOperation):
        return None


def currency(
    values: dict[str, Any], key: str, path: str, shop: Shop
) -> tuple[str | None, CurrencySource]:
    """Return the payload's currency, else the shop's, and which of them it is."""
    code = values.get(key)
    if code is None or code == "":
        return of_shop(shop)
    if type(code) is not str or len(code) != 3 or not (code.isascii() and code.isalpha()):  # noqa: PLR2004 - ISO 4217
        invalid(path + key, "not an ISO 4217 currency code")
    return code.upper(), _OF_PAYLOAD


def of_shop(shop: Shop) -> tuple[str | None, CurrencySource]:
    """Return the currency that shops.toml gives the shop."""
    if shop.currency is None:
        return None, CurrencySource.UNKNOWN
    return shop.currency, _OF_SHOP
