"""The value of an XML element without children, as Rails spells it: for keys and events alike.

``type`` and ``nil`` are respected. A number that is spelled as in JSON is one, any other spelling
is left to the readers, as a text is. Line breaks around a text are layout.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

Value = int | Decimal | str | bool | None

ARRAY = "array"
_NUMBERS = frozenset({"integer", "decimal", "float", "double", "big-decimal", "number", "long"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}")
_NUMBER = re.compile(r"-?[0-9]{1,64}(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,9})?")
_NIL = ("nil", "{http://www.w3.org/2001/XMLSchema-instance}nil")
_BOM = "\ufeff"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def is_nil(attributes: Mapping[str, str]) -> bool:
    """Return whether an element with these attributes holds nothing, whatever is in it."""
    return any(_FLAGS.get(attributes.get(name, "")) for name in _NIL)


def value_of(kind: str, text: str) -> Value:
    """Return what an element of this ``type`` holds; an empty number is null."""
    text = text.removeprefix(_BOM)
    if kind in _NUMBERS:
        return _number(text.strip())
    if kind == "boolean":
        return _FLAGS.get(text.strip().lower(), text)
    return text.strip() if "\n" in text else text


def _number(text: str) -> int | Decimal | str | None:
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if _NUMBER.fullmatch(text) else text
