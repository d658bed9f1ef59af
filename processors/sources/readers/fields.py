"""Read one field of a document: typed, bounded, with its path in every refusal and note.

``values`` is an object of the document and ``path`` the prefix of its fields' paths (``data.`` or
``items[0].``, ending in a dot). None means not given: missing, null or empty text.

Only a missing or unusable identifier refuses the delivery (and an amount: ``money``). Any other
value of the wrong form counts as not given, and a note keeps it.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from processors.sources import notes
from processors.sources.notes import unread
from processors.sources.personal_ids import is_personal_id
from processors.sources.readers.refusals import invalid, out_of_range
from schemas.keys import id_in_text, whole_number

MAX_ID = 200
_LONG, _LEAST, _UNSIGNED = 2**63, -(2**63), 2**64
_MAX_UNITS = 10**9
_MAX_DIGITS = 24  # of 64 bits, a sign and ".00"
_WHOLE = re.compile(r"-?[0-9]{1,20}(?:\.0{1,3})?")
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
        number = integer(values, key, path)
        return None if number is None else str(number)
    if kind is Decimal:
        return str(value)
    unread(path + key, value)
    return None


def identifier(values: dict[str, Any], key: str, path: str = "") -> str | None:
    """Return an id that may become a key or name one, as ``goods_id`` reads it.

    An e-mail address or a telephone number is noted, and hashed in the finished events.
    """
    value: Any = values.get(key)
    if type(value) is str and value.isalnum() and len(value) <= MAX_ID:
        return value  # nearly all
    native = goods_id(values, key, path)
    if native is not None and not native.isalnum() and is_personal_id(native):
        notes.personal_id()
    return native


def goods_id(values: dict[str, Any], key: str, path: str = "") -> str | None:
    """Return the id of goods or a line: text of at most 200 characters, or a number of 64 bits.

    ``716.0`` is the id 716. Any other value counts as not given.
    """
    value: Any = values.get(key)
    kind = type(value)
    if kind is str:
        if len(value) <= MAX_ID:
            if "." in value:
                return id_in_text(value)
            return None if value.isspace() else value or None
    elif value is None:
        return None
    elif kind is int:
        if _LEAST <= value < _UNSIGNED:
            return str(value)
    elif kind is Decimal:
        number = whole_number(value)
        if number is not None and _LEAST <= number < _UNSIGNED:
            return str(number)
    unread(path + key, value)
    return None


def required_id(
    values: dict[str, Any], key: str, path: str = "", *, fallback: str | None = None
) -> str:
    """Return an id, also from the field ``fallback``; refuse the delivery without one."""
    native_id = identifier(values, key, path)
    if native_id is None and fallback is not None:
        native_id = identifier(values, fallback, path)
        if values.get(key) is None and values.get(fallback) is not None:
            key = fallback
    if native_id is None:
        _refuse_id(values.get(key), path + key)
    return native_id


def _refuse_id(value: Any, path: str) -> NoReturn:
    kind = type(value)
    if kind is str and len(value) > MAX_ID:
        out_of_range(path, f"an id of {len(value)} characters")
    if kind is int:
        out_of_range(path, "an id beyond 64 bits")
    if value is None or kind is str:
        invalid(path, "the identifier is missing")
    invalid(path, "an id is text or a whole number")


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
    number: int | None = None
    if kind is int:
        number = value
    elif value is None or value == "":
        return None
    elif kind is str and len(value) <= _MAX_DIGITS and _WHOLE.fullmatch(value):
        number = int(value.partition(".")[0])
    elif kind is Decimal:
        number = whole_number(value)
    if number is None or not _LEAST <= number < _LONG:
        unread(path + key, value)
        return None
    return number


def units(values: dict[str, Any], key: str, path: str = "", *, signed: bool = False) -> int | None:
    """Return a quantity: 0 to a thousand million; also below 0 where ``signed``."""
    value: Any = values.get(key)
    number: int | None = value if type(value) is int else integer(values, key, path)
    if number is None:
        return None
    if number > _MAX_UNITS or number < (-_MAX_UNITS if signed else 0):
        unread(path + key, value)
        return None
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
    if result is None:
        unread(path + key, value)
    return result


def mapping(values: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """Return an object; an empty one where none is given, or something else is."""
    value = values.get(key)
    if type(value) is dict:
        return value
    if value is not None and value not in ([], ""):
        unread(path + key, value)
    return _EMPTY


def required_mapping(values: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    """Return an object; refuse the delivery without one."""
    inner = mapping(values, key, path)
    if not inner:
        invalid(path + key, "this part is missing")
    return inner


def rows(values: dict[str, Any], key: str, path: str = "") -> list[dict[str, Any]] | None:
    """Return a list of objects; None where it is not given. What is no object is left out."""
    value = values.get(key)
    if value is None or value == "":
        return None
    if type(value) is not list:
        unread(path + key, value)
        return None
    for row in value:
        if type(row) is not dict:
            return _objects(value, path + key)
    return value


def _objects(items: list[Any], path: str) -> list[dict[str, Any]]:
    for index, item in enumerate(items):
        if item is not None and type(item) is not dict:
            unread(f"{path}[{index}]", item)
    return [item for item in items if type(item) is dict]


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
