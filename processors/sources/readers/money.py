"""Amounts: bounded before any arithmetic, exact to four decimals.

More decimals are rounded half-even, and a note keeps the number as given.
"""

import re
from collections.abc import Iterable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
    Underflow,
)
from typing import Any

from processors.sources.notes import rounded, unread
from processors.sources.readers.document import MAX_KEPT, MAX_SPELLED
from processors.sources.readers.fields import names
from processors.sources.readers.refusals import invalid, out_of_range
from schemas.events import CurrencySource
from schemas.shops import Shop

ZERO = Decimal("0.0000")
_SCALE = Decimal("0.0001")
_UNIT, _DUST = Decimal(1), Decimal("0.000001")
_DIGITS = 14  # before the point, of decimal(18,4)
_LIMIT = 10**_DIGITS
_MAX_TEXT = 64
_LEAST_EXPONENT = -330
"""No binary float is closer to 0. A number below is refused, since rounding it could take long."""

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_COMMA = re.compile(r"([+-]?)([0-9]+),([0-9]+)")
_GROUPED = re.compile(r"([+-]?[1-9][0-9]{0,2}(?:([,.' ])[0-9]{3})(?:\2[0-9]{3})*)(?:[.,]([0-9]+))?")
_INDIAN = re.compile(r"([+-]?[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})(?:\.([0-9]+))?")
_GROUP = 3  # digits between two thousands separators
_BLANKS = str.maketrans({**dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), "\u2019": "'"})
_NOT_DIGITS = str.maketrans("", "", ",.' ")
_SCALING = Context(prec=18, traps=[InvalidOperation, Inexact])
_ROUNDING = Context(prec=20, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_SHIFTING = Context(prec=90, traps=[InvalidOperation, Inexact])
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
    """Return an amount with four decimals; None where it is not given (null or blank text).

    Further decimals are rounded half-even. Negative amounts are refused unless ``signed``; more
    than 14 digits before the decimal point are out of range.
    """
    value: Any = values.get(key)
    kind = type(value)
    if kind is str or kind is Decimal or kind is int:
        cached = _amounts.get(value)
        if cached is not None:
            return cached
    if value is None or value == "" or (kind is str and value.isspace()):
        return None
    number = _number(value, path + key)
    result = _fitted(number, path + key, value)
    if result < 0:
        if not signed:
            invalid(path + key, "a negative amount")
    elif (
        result == number
        and (kind is not str or len(value) <= MAX_SPELLED)
        and len(_amounts) < MAX_KEPT
    ):
        _amounts[value] = result
    return result


def _number(value: Any, path: str) -> Decimal:
    """Return the exact number of an amount; refuse what is none."""
    kind = type(value)
    if kind is Decimal and value.is_finite():
        number: Decimal = value
        return number
    if kind is str:
        if len(value) > _MAX_TEXT:
            out_of_range(path, f"an amount of {len(value)} characters")
        plain = value if _PLAIN.fullmatch(value) else _plain(value)
        if plain is not None:
            return Decimal(plain)
    elif kind is int:
        if not -_LIMIT < value < _LIMIT:
            out_of_range(path, f"more than {_DIGITS} digits before the point")
        return Decimal(value)
    return invalid(path, "not an amount")


def _plain(spelled: str) -> str | None:
    """Return an amount without blanks around it and thousands separators; None if it is none.

    ``1,234`` is a thousand and more, ``12,50`` and ``0,125`` have a decimal comma.
    """
    text = spelled.translate(_BLANKS).strip()
    if _PLAIN.fullmatch(text):
        return text
    comma = _COMMA.fullmatch(text)
    if comma:
        sign, whole, digits = comma.groups()
        is_grouped = len(digits) == _GROUP and len(whole) <= _GROUP and whole[0] != "0"
        return f"{sign}{whole}{'' if is_grouped else '.'}{digits}"
    grouped = _GROUPED.fullmatch(text)
    if grouped:
        whole, separator, decimals = grouped.groups()
        if decimals is not None and text[len(whole)] == separator:
            return None
        return f"{whole.translate(_NOT_DIGITS)}.{decimals or 0}"
    indian = _INDIAN.fullmatch(text)
    return f"{indian[1].translate(_NOT_DIGITS)}.{indian[2] or 0}" if indian else None


def bounded(value: Decimal, path: str) -> Decimal:
    """Return a computed amount with four decimals; refuse one that decimal(18,4) cannot hold."""
    return _fitted(value, path, value)


def _fitted(value: Decimal, path: str, given: Any) -> Decimal:
    if not value:
        return ZERO
    if value.adjusted() >= _DIGITS:
        out_of_range(path, f"more than {_DIGITS} digits before the point")
    try:
        return value.quantize(_SCALE, None, _SCALING)
    except (Inexact, InvalidOperation):
        return _round(value, path, given)


def _round(value: Decimal, path: str, given: Any) -> Decimal:
    """Round to four decimals, half-even, and note the number as given."""
    if value.adjusted() < _LEAST_EXPONENT or len(value.as_tuple().digits) > _MAX_TEXT:
        out_of_range(path, f"more than {_MAX_TEXT} digits, or closer to 0 than any float")
    result = value.quantize(_SCALE, None, _ROUNDING)
    if abs(result) >= _LIMIT:
        out_of_range(path, f"more than {_DIGITS} digits before the point")
    rounded(path, given)
    return result or ZERO


def minor(
    values: dict[str, Any], key: str, path: str, currency: str | None, *, signed: bool = False
) -> Decimal | None:
    """Return an amount given in the currency's smallest unit (12400 = 124.00 GBP).

    A float's dust is rounded off it; 124.50 of a smallest unit is refused.
    """
    value = values.get(key)
    if value is None or value == "":
        return None
    number = whole = _number(value, path + key)
    if number.adjusted() >= _DIGITS:
        out_of_range(path + key, "beyond what an amount may be")
    if type(value) is not int and number:
        whole = _round_unit(number, path + key, value)
    if whole < 0 and not signed:
        invalid(path + key, "a negative amount")
    digits = _MINOR_DIGITS.get(currency or "", 2)
    return _fitted(whole.scaleb(-digits, _SHIFTING), path + key, value)


def _round_unit(number: Decimal, path: str, given: Any) -> Decimal:
    if number.adjusted() < _LEAST_EXPONENT or len(number.as_tuple().digits) > _MAX_TEXT:
        out_of_range(path, f"more than {_MAX_TEXT} digits, or closer to 0 than any float")
    whole = number.quantize(_UNIT, None, _ROUNDING)
    if whole != number:
        if abs(_ROUNDING.subtract(number, whole)) > _DUST:
            invalid(path, "expected a whole number of the currency's smallest unit")
        rounded(path, given)
    return whole


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
    """Return the payload's currency, else the shop's, and which of them it is.

    A code that is none leaves the currency unknown: the shop's own may be another.
    """
    code = values.get(key)
    if type(code) is str:
        code = code.strip()
    if code is None or code == "":
        return of_shop(shop)
    if type(code) is not str or len(code) != 3 or not (code.isascii() and code.isalpha()):  # noqa: PLR2004 - ISO 4217
        unread(path + key, code)
        return None, CurrencySource.UNKNOWN
    return code.upper(), _OF_PAYLOAD


def is_in(values: dict[str, Any], key: str, path: str, currency: str | None) -> bool:
    """Return whether an amount is in the order's currency, or names none; note any other.

    Such an amount counts as not given: its value in the order's currency is unknown.
    """
    code = values.get(key)
    if code is None or currency is None or code == currency:
        return True
    if type(code) is not str or code.strip().upper() in ("", currency):
        return True
    unread(path + key, code)
    return False


def of_shop(shop: Shop) -> tuple[str | None, CurrencySource]:
    """Return the currency that shops.toml gives the shop."""
    if shop.currency is None:
        return None, CurrencySource.UNKNOWN
    return shop.currency, _OF_SHOP
