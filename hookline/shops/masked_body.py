"""A body to look at: its shape, ids, times, amounts and states; every other value is masked. Pure.

What is shown is on a list, so that a field that nobody thought of is masked.
"""

import re
from decimal import Decimal
from typing import Any

from hookline.console.counts import counted
from processors.sources.personal_ids import is_personal_id
from processors.sources.readers import document
from processors.sources.readers.personal_names import is_personal, safe_name
from processors.sources.readers.refusals import Refused
from processors.sources.readers.xml import from_xml
from schemas.envelopes import Reject

MAX_DEPTH, MAX_ITEMS, LONGEST = 16, 50, 64
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SHOWN = frozenset(
    {
        *("id", "ids", "uuid", "sku", "currency", "status", "type", "kind", "action"),
        *("event", "reason", "method", "gateway", "version", "number", "quantity"),
        *("locale", "timezone"),
    }
)
"""Last parts of the names of fields whose texts are shown."""
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?"
)
_AMOUNT = re.compile(r"-?\d{1,12}(\.\d{1,6})?")
_LONG_NUMBER = 8
"""Digits of a number that may be a telephone's or a card's."""
_ADDRESS = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;:]+")
HIDDEN = "[an address]"
_LONG_DIGITS = re.compile(r"\+?\d(?:[ ()/-]?\d){7,}")


def masked(body: bytes) -> Any:
    """Return a body's document with its private values masked; a sentence where it is none.

    ``body`` is decompressed. Masked values show their kind and length: ``[text of 12]``.
    """
    read = parsed(body)
    if isinstance(read, Reject):
        return f"[{counted(len(body), 'byte')}: {read.reason} at {read.path}]"
    return masked_document(read)


def parsed(body: bytes) -> Any:
    """Return a body's document, nothing masked; a Reject where it is none."""
    try:
        return from_xml(body) if body.lstrip()[:1] == b"<" else document.from_json(body)
    except Refused as error:
        return error.reject


def masked_document(given: Any) -> Any:
    """Return a parsed document with its private values masked."""
    return _masked(given, "", depth=0, is_private=False)


def without_addresses(text: str) -> str:
    """Return a sentence about a body without e-mail addresses and long numbers that it quotes."""
    return _LONG_DIGITS.sub("[a number]", _ADDRESS.sub(HIDDEN, text))


def without_personal_id(key: str) -> str:
    """Return an entity's key, its id hidden where that is an address or a telephone number.

    Longer numbers stay, unlike in a sentence: ids of platforms are such.
    """
    head, colon, native = key.partition(":")
    if colon and not is_personal_id(native):
        return key
    return f"{head}:{HIDDEN}" if colon else without_addresses(key)


def _masked(value: Any, name: str, *, depth: int, is_private: bool) -> Any:
    if isinstance(value, dict):
        if depth == MAX_DEPTH:
            return f"[object of {len(value)}]"
        shown = {}
        for key, inner in list(value.items())[:MAX_ITEMS]:
            private = is_private or is_personal(key)
            shown[safe_name(key)] = _masked(inner, key, depth=depth + 1, is_private=private)
        return shown
    if isinstance(value, list):
        if depth == MAX_DEPTH:
            return f"[list of {len(value)}]"
        return [
            _masked(each, name, depth=depth + 1, is_private=is_private)
            for each in value[:MAX_ITEMS]
        ]
    return _masked_value(value, name, is_private=is_private)


def _masked_value(value: Any, name: str, *, is_private: bool) -> Any:
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    if not is_private and _is_shown(text, name):
        return value if isinstance(value, int | str) else float(value)
    kind = "number" if isinstance(value, int | float | Decimal) else "text"
    return f"[{kind} of {len(text)}]"


def _is_shown(text: str, name: str) -> bool:
    parts = _PART.findall(name)
    if _TIME.fullmatch(text):
        return True
    is_listed = bool(parts) and parts[-1].lower() in _SHOWN
    if _AMOUNT.fullmatch(text):
        return is_listed or sum(map(str.isdigit, text)) < _LONG_NUMBER
    return is_listed and len(text) <= LONGEST and not is_personal_id(text) and " " not in text
