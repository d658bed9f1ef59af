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
_PLACE = Context(prec=18, traps=[InvalidOperation, Inexact])
_WIDE = Context(prec=60, traps=[InvalidOperation, Inexact, Overflow, Underflow, Subnormal])
_SPELLED: dict[str | int | Decimal, Decimal] = {}
"""Amounts read before, as text or number: the same few prices come again and again."""
_OF_SHOP, _OF_PAYLOAD = CurrencySource.SHOP, CurrencySource.PAYLOAD

_MINOR_DIGITS = {
    **dict.fromkeys(names("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"), 0),
    **dict.fromkeys(names("BHD IQD JOD KWD LYD OMR TND"), 3),
}
"""ISO 4217: currencies whose smallest unit is not a hundredth."""


def amount(
    told: dict[str, Any], key: str, path: str = "", *, signed: bool = False
) -> Decimal | None:
    """An amount with four decimals; None where it is not told (null or empty text).

    Negative ones are refused unless ``signed``. Beyond 14 digits before the point or 4
    behind it is out of range.
    """
    value: Any = told.get(key)
    kind = type(value)
    if kind is str or kind is Decimal or kind is int:
        known = _SPELLED.get(value)
        if known is not None:
            return known
    if value is None or value == "":
        return None
    result = _exact(value, path + key)
    if result < 0:
        if not signed:
            invalid(path + key, "a negative amount")
    elif (kind is not str or len(value) <= MAX_SPELLED) and len(_SPELLED) < MAX_KEPT:
        _SPELLED[value] = result
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
    """The same amount with four decimals, or a refusal if it does not fit decimal(18,4)."""
    if not value:
        return ZERO
    if value.adjusted() >= _DIGITS:
        out_of_range(path, f"more than {_DIGITS} digits before the point")
    try:
        return value.quantize(_SCALE, None, _PLACE)
    except (Inexact, InvalidOperation):
        out_of_range(path, "more than 4 decimals")


def minor(told: dict[str, Any], key: str, path: str, currency: str | None) -> Decimal | None:
    """An amount told in the currency's smallest unit (12400 = 124.00 GBP)."""
    value = told.get(key)
    if value is None:
        return None
    if type(value) is not int:
        invalid(path + key, "expected a whole number of the currency's smallest unit")
    if not 0 <= value < _LIMIT:
        out_of_range(path + key, "beyond what an amount may be")
    return bounded(Decimal(value).scaleb(-_MINOR_DIGITS.get(currency or "", 2)), path + key)


def times(price: Decimal | None, quantity: int | None, path: str) -> Decimal | None:
    """Price of so many units; None where either is not told."""
    if price is None or quantity is None:
        return None
    return bounded(_WIDE.multiply(price, quantity), path)


def total(parts: Iterable[Decimal | None], path: str) -> Decimal | None:
    """The sum, 0 of none; None where any part is not told."""
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
    """The difference, exact."""
    return _WIDE.subtract(left, right)


def share(whole: Decimal, quantity: int) -> Decimal | None:
    """Price of one of so many units where it comes out even at four decimals, else None."""
    try:
        return _WIDE.divide(whole, Decimal(quantity)).quantize(_SCALE, None, _PLACE)
    except (Inexact, InvalidOperation):
        return None


def currency(
    told: dict[str, Any], key: str, path: str, shop: Shop
) -> tuple[str | None, CurrencySource]:
    """The payload's currency, else the shop's, and which of them it is."""
    code = told.get(key)
    if code is None or code == "":
        return of_shop(shop)
    if type(code) is not str or len(code) != 3 or not (code.isascii() and code.isalpha()):  # noqa: PLR2004 - ISO 4217
        invalid(path + key, "not an ISO 4217 currency code")
    return code.upper(), _OF_PAYLOAD


def of_shop(shop: Shop) -> tuple[str | None, CurrencySource]:
    """The currency that shops.toml gives the shop."""
    if shop.currency is None:
        return None, CurrencySource.UNKNOWN
    return shop.currency, _OF_SHOP
