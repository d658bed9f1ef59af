"""Parse a JSON body into a document: dicts with exact numbers, or a refusal with its field path.

JSON integers are ``int`` at any size, other numbers ``Decimal``: nothing passes through a float.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from processors.sources.readers.personal_names import safe_name
from processors.sources.readers.refusals import ROOT, invalid, malformed, out_of_range, unsupported
from runtime.bodies.json_body import cleaned, repaired

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
_BOM = b"\xef\xbb\xbf"
_MAX_WALK = 200


def from_json(body: bytes) -> Document:
    """Parse the JSON object in a body; texts without control characters and half surrogates."""
    try:
        document = _parsed(cleaned(body))
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        document = _repaired(body, error)
    if not isinstance(document, dict):
        invalid(ROOT, f"expected an object, not {_kind(document)}")
    return document


def _parsed(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        out_of_range(_path_of_number(body, _is_long_integer), str(error))
    except InvalidOperation:
        out_of_range(
            _path_of_number(body, _is_no_decimal), "a number's exponent is beyond all bounds"
        )
    except RecursionError:
        out_of_range(ROOT, "nested too deeply")


def _repaired(body: bytes, error: Exception) -> Any:
    """Parse a body again with its texts repaired, else refuse it by what was wrong at first."""
    try:
        return _parsed(repaired(cleaned(body)))
    except (UnicodeDecodeError, msgspec.DecodeError):
        _bad_json(body, error)


def _kind(value: Any) -> str:
    return {list: "an array", str: "text", bool: "a flag", type(None): "null"}.get(
        type(value), "a number"
    )


def _bad_json(body: bytes, error: Exception) -> NoReturn:
    """Refuse with the reason: another format, not UTF-8, or not JSON at all."""
    start = len(_BOM) if body.startswith(_BOM) else 0
    if body[start:].lstrip()[:1] == b"<":
        unsupported("this platform sends JSON, and the body looks like XML")
    try:
        json.loads(body[start:].decode(), parse_int=str, parse_float=str, strict=False)
    except UnicodeDecodeError as undecodable:
        malformed(start + undecodable.start, "not UTF-8")
    except json.JSONDecodeError as broken:
        malformed(start + len(broken.doc[: broken.pos].encode()), str(broken))
    except RecursionError:
        out_of_range(ROOT, "nested too deeply")
    offset = _BYTE.search(str(error))
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
            name = safe_name(key)
            yield from _texts(inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]", depth + 1)
