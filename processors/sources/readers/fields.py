"""Reading one field of a document: typed, bounded, with its path in every refusal.

``told`` is an object of the document, ``path`` where it stands (``data.`` or
``items[0].``, ending in a point). None = not told: missing, null or empty text.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from processors.sources.readers.refusals import invalid, out_of_range

MAX_ID = 200
_LONG, _LEAST, _UNSIGNED = 2**63, -(2**63), 2**64
_MAX_UNITS = 10**9
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_NONE: dict[str, Any] = {}
_USUAL_ROWS = 64


def names(words: str) -> frozenset[str]:
    """Field names, written with spaces between them."""
    return frozenset(words.split())


def text(told: dict[str, Any], key: str, path: str = "") -> str | None:
    """Text as told; a number or a flag in its own spelling."""
    value: Any = told.get(key)
    kind = type(value)
    if kind is str:
        return value or None
    if value is None:
        return None
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(integer(told, key, path))
    if kind is Decimal:
        return str(value)
    return invalid(path + key, "expected text")


def identifier(told: dict[str, Any], key: str, path: str = "") -> str | None:
    """An id: text of at most 200 characters, or a 64-bit integer; never a fraction."""
    value: Any = told.get(key)
    kind = type(value)
    if kind is str:
        if len(value) > MAX_ID:
            out_of_range(path + key, f"an id of {len(value)} characters")
        return None if value.isspace() else value or None
    if value is None:
        return None
    if kind is int:
        if not _LEAST <= value < _UNSIGNED:
            out_of_range(path + key, "an id beyond 64 bits")
        return str(value)
    return invalid(path + key, "an id is text or a whole number")


def required_id(told: dict[str, Any], key: str, path: str = "") -> str:
    """An id without which there is no event."""
    found = identifier(told, key, path)
    if found is None:
        invalid(path + key, "the identifier is missing")
    return found


def integer(told: dict[str, Any], key: str, path: str = "") -> int | None:
    """A whole number of 64 bits, also where it is told as text or as 3.0."""
    value: Any = told.get(key)
    kind = type(value)
    if kind is int:
        number = value
    elif value is None or value == "":
        return None
    elif kind is str and len(value) <= 20 and value.isascii() and value.lstrip("-").isdigit():  # noqa: PLR2004 - digits of 64 bits
        try:
            number = int(value)
        except ValueError:
            invalid(path + key, "expected a whole number")
    elif kind is Decimal and value.is_finite() and value.adjusted() < 19:  # noqa: PLR2004 - digits of 64 bits
        if value.adjusted() < -19 or value != int(value):  # noqa: PLR2004 - bound before arithmetic
            invalid(path + key, "expected a whole number")
        number = int(value)
    else:
        invalid(path + key, "expected a whole number")
    if not _LEAST <= number < _LONG:
        out_of_range(path + key, "a number beyond 64 bits")
    return int(number)


def units(told: dict[str, Any], key: str, path: str = "") -> int | None:
    """A quantity: 0 to a thousand million."""
    value: Any = told.get(key)
    number: int | None = value if type(value) is int else integer(told, key, path)
    if number is None:
        return None
    if number < 0:
        invalid(path + key, "a negative quantity")
    if number > _MAX_UNITS:
        out_of_range(path + key, "an absurd quantity")
    return number


def flag(told: dict[str, Any], key: str, path: str = "") -> bool | None:
    """A flag as true, 1, "1", "true" or "yes", and their opposites."""
    value: Any = told.get(key)
    if value is True or value is False:
        return value
    if value is None or value == "":
        return None
    read = _FLAGS.get(value.lower()) if type(value) is str else None
    if read is None and type(value) is int and value in (0, 1):
        read = value == 1
    return invalid(path + key, "expected true or false") if read is None else read


def mapping(told: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """An object; empty where it is not told, or told as an empty list or text."""
    value = told.get(key)
    if type(value) is dict:
        return value
    if value is None or value in ([], ""):
        return _NONE
    return invalid(path + key, "expected an object")


def required_mapping(told: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """An object without which there is no event."""
    found = mapping(told, key, path)
    if not found:
        invalid(path + key, "this part is missing")
    return found


def rows(told: dict[str, Any], key: str, path: str = "") -> list[dict[str, Any]] | None:
    """A list of objects; None where it is not told."""
    value = told.get(key)
    if value is None or value == "":
        return None
    if type(value) is not list:
        invalid(path + key, "expected a list")
    for row in value:
        if type(row) is not dict:
            index = next(at for at, each in enumerate(value) if each is row)
            invalid(f"{path}{key}[{index}]", "expected an object")
    return value


def places(path: str, count: int) -> Sequence[str]:
    """Where each of so many rows of a list stands, at least: ``items[0].``, ``items[1].``."""
    if count <= _USUAL_ROWS:
        return _usual_places(path)
    return [f"{path}[{index}]." for index in range(count)]


@lru_cache(maxsize=64)
def _usual_places(path: str) -> tuple[str, ...]:
    return tuple([f"{path}[{index}]." for index in range(_USUAL_ROWS)])
