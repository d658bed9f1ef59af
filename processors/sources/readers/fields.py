"""Read one field of a document: typed, bounded, with its path in every refusal.

``values`` is an object of the document and ``path`` the prefix of its fields' paths (``data.`` or
``items[0].``, ending in a dot). None means not given: missing, null or empty text.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from processors.sources.readers.refusals import invalid, out_of_range

MAX_ID = 200
_LONG, _LEAST, _UNSIGNED = 2**63, -(2**63), 2**64
_MAX_UNITS = 10**9
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_EMPTY: dict[str, Any] = {}
_CACHED_ROWS = 64

Row = TypeVar("Row")


def names(spaced: str) -> frozenset[str]:
    """Split field names that are written with spaces between them."""
    return frozenset(spaced.split())


def text(values: dict[str, Any], key: str, path: str = "") -> str | None:
    """Return a text as given; a number or a flag as it is spelled."""
    value: Any = values.get(key)
    kind = type(value)
    if kind is str:
        return value or None
    if value is None:
        return None
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(integer(values, key, path))
    if kind is Decimal:
        return str(value)
    return invalid(path + key, "expected text")


def identifier(values: dict[str, Any], key: str, path: str = "") -> str | None:
    """Return an id: text of at most 200 characters, or a 64-bit integer; never a fraction."""
    value: Any = values.get(key)
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


def required_id(
    values: dict[str, Any], key: str, path: str = "", *, fallback: str | None = None
) -> str:
    """Return an id, also from the field ``fallback``; refuse the delivery without one."""
    native_id = identifier(values, key, path)
    if native_id is None and fallback is not None:
        native_id = identifier(values, fallback, path)
    if native_id is None:
        invalid(path + key, "the identifier is missing")
    return native_id


def parent_id(data: dict[str, Any], noun: str, id_field: str = "id") -> str | None:
    """Return a parent's id: ``order_id``, or the id of an embedded ``order``."""
    native_id = identifier(data, f"{noun}_{id_field}")
    if native_id is not None:
        return native_id
    return identifier(mapping(data, noun), id_field, f"{noun}.")


def integer(values: dict[str, Any], key: str, path: str = "") -> int | None:
    """Return a whole number of 64 bits, also where it is given as text or as 3.0."""
    value: Any = values.get(key)
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


def units(values: dict[str, Any], key: str, path: str = "") -> int | None:
    """Return a quantity: 0 to a thousand million."""
    value: Any = values.get(key)
    number: int | None = value if type(value) is int else integer(values, key, path)
    if number is None:
        return None
    if number < 0:
        invalid(path + key, "a negative quantity")
    if number > _MAX_UNITS:
        out_of_range(path + key, "an absurd quantity")
    return number


def flag(values: dict[str, Any], key: str, path: str = "") -> bool | None:
    """Return a flag, given as true, 1, "1", "true" or "yes", or as their opposites."""
    value: Any = values.get(key)
    if value is True or value is False:
        return value
    if value is None or value == "":
        return None
    result = _FLAGS.get(value.lower()) if type(value) is str else None
    if result is None and type(value) is int and value in (0, 1):
        result = value == 1
    return invalid(path + key, "expected true or false") if result is None else result


def mapping(values: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """Return an object; an empty one where none is given, or an empty list or text."""
    value = values.get(key)
    if type(value) is dict:
        return value
    if value is None or value in ([], ""):
        return _EMPTY
    return invalid(path + key, "expected an object")


def required_mapping(values: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """Return an object; refuse the delivery without one."""
    inner = mapping(values, key, path)
    if not inner:
        invalid(path + key, "this part is missing")
    return inner


def rows(values: dict[str, Any], key: str, path: str = "") -> list[dict[str, Any]] | None:
    """Return a list of objects; None where it is not given."""
    value = values.get(key)
    if value is None or value == "":
        return None
    if type(value) is not list:
        invalid(path + key, "expected a list")
    for row in value:
        if type(row) is not dict:
            index = next(i for i, other in enumerate(value) if other is row)
            invalid(f"{path}{key}[{index}]", "expected an object")
    return value


def read_rows(
    values: dict[str, Any], key: str, path: str, read: Callable[[dict[str, Any], str], Row]
) -> tuple[Row, ...] | None:
    """Read each object of a list with its path; None where the list is not given."""
    items = rows(values, key, path)
    if items is None:
        return None
    return tuple(map(read, items, row_paths(path + key, len(items))))


def row_paths(path: str, count: int) -> Sequence[str]:
    """Return the paths of at least ``count`` rows of a list: ``items[0].``, ``items[1].``."""
    if count <= _CACHED_ROWS:
        return _cached_row_paths(path)
    return [f"{path}[{index}]." for index in range(count)]


@lru_cache(maxsize=64)
def _cached_row_paths(path: str) -> tuple[str, ...]:
    return tuple([f"{path}[{index}]." for index in range(_CACHED_ROWS)])
