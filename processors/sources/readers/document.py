"""Parse a JSON body into a document: dicts with exact numbers, or a refusal with its field path.

JSON integers are ``int`` at any size, other numbers ``Decimal``: nothing passes through a float.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from processors.sources.readers.refusals import ROOT, invalid, malformed, out_of_range, unsupported

Document = dict[str, Any]

MAX_SPELLED, MAX_KEPT = 16, 8192
"""Characters of the longest number that is cached, and how many are."""


class _Numbers(dict[str, Decimal]):
    """Spelling of a number -> its one Decimal, so that the codec can cache amounts by identity."""

    def __missing__(self, spelled: str) -> Decimal:
        number = Decimal(spelled)
        if len(spelled) <= MAX_SPELLED and len(self) < MAX_KEPT:
            self[spelled] = number
        return number


_DECODER = msgspec.json.Decoder(float_hook=_Numbers().__getitem__)
_BYTE = re.compile(r"\(byte (\d+)\)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_WALK = 200
_BACKSLASH = 92


def from_json(body: bytes) -> Document:
    """Parse the JSON object in a body."""
    try:
        document = _DECODER.decode(body)
    except UnicodeDecodeError as error:
        _bad_json(body, error)
    except msgspec.ValidationError as error:
        out_of_range(_path_of_number(body, _is_long_integer), str(error))
    except InvalidOperation:
        out_of_range(
            _path_of_number(body, _is_no_decimal), "a number's exponent is beyond all bounds"
        )
    except RecursionError:
        out_of_range(ROOT, "nested too deeply")
    except msgspec.DecodeError as error:
        _bad_json(body, error)
    if not isinstance(document, dict):
        invalid(ROOT, f"expected an object, not {_kind(document)}")
    # One byte is found faster than six, and most bodies have no backslash.
    if _BACKSLASH in body and b"\\u0000" in body:
        _refuse_nul(document)
    return document


def _refuse_nul(document: Document) -> None:
    """Refuse text with U+0000: valid JSON, but PostgreSQL cannot store it."""
    for path, value in _texts(document, ""):
        if "\0" in value:
            out_of_range(path, "text holds U+0000")


def _kind(value: Any) -> str:
    return {list: "an array", str: "text", bool: "a flag", type(None): "null"}.get(
        type(value), "a number"
    )


def _bad_json(body: bytes, error: Exception) -> None:
    """Refuse with the reason: another format, half a surrogate pair, or not JSON at all."""
    if body.lstrip()[:1] == b"<":
        unsupported("this platform sends JSON, and the body looks like XML")
    offset = _BYTE.search(str(error))
    try:
        lenient = json.loads(body.decode(), parse_int=str, parse_float=str)
    except UnicodeDecodeError as undecodable:
        malformed(undecodable.start, "not UTF-8")
    except json.JSONDecodeError as broken:
        malformed(len(broken.doc[: broken.pos].encode()), str(error))
    except RecursionError:
        out_of_range(ROOT, "nested too deeply")
    for path, value in _texts(lenient, ""):
        if _SURROGATE.search(value):
            out_of_range(path, "text holds half a surrogate pair")
    malformed(int(offset[1]) if offset else len(body), str(error))


def _is_long_integer(number: str) -> bool:
    return len(number) > 4000 and number.lstrip("-").isdigit()  # noqa: PLR2004 - decoder's bound


def _is_no_decimal(number: str) -> bool:
    try:
        Decimal(number)
    except InvalidOperation:
        return True
    return False


def _path_of_number(body: bytes, test: Any) -> str:
    """Return the path of the first number that ``test`` accepts; the root's if none does."""
    try:
        lenient = json.loads(body, parse_int=_Number, parse_float=_Number)
        return next(
            (p for p, text in _texts(lenient, "") if isinstance(text, _Number) and test(text)), ROOT
        )
    except (ValueError, RecursionError):
        return ROOT


class _Number(str):
    """A number as spelled in the body."""

    __slots__ = ()


def _texts(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield every text of a document with its path, keys included."""
    if isinstance(value, str):
        yield path or ROOT, value
    elif depth > _MAX_WALK:
        return
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield path or ROOT, key
            yield from _texts(inner, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]", depth + 1)
