"""Rails-style XML as the document that the same payload has in JSON: for keys and events alike.

Dashes become underscores, namespaces are left out; ``type`` and ``nil`` are respected; times stay
text. A number that is spelled as in JSON is one, any other spelling is left to the readers, as a
text is. Line breaks around a text are layout.
"""

import re
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from runtime.bodies.xml_body import repaired

_MAX_DEPTH, _MAX_ELEMENTS = 64, 30_000
"""More than any body of a platform has."""

_NUMBERS = frozenset({"integer", "decimal", "float", "double", "big-decimal", "number", "long"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}")
_NUMBER = re.compile(r"-?[0-9]{1,64}(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,9})?")
_NIL = ("nil", "{http://www.w3.org/2001/XMLSchema-instance}nil")
_BOM = "\ufeff"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class TooLargeError(ValueError):
    """A body is nested more deeply, or has more elements, than any of a platform."""


def read(body: bytes) -> Any:
    """Return what is under a body's root element.

    Its texts are repaired where it cannot be parsed otherwise. Raises TooLargeError; ParseError
    with the position in the body as it came; DefusedXmlException for declarations of types and
    entities; ValueError or LookupError for an encoding that is not known.
    """
    if body.count(b"<") > 2 * _MAX_ELEMENTS:  # before a tree is built of them
        raise TooLargeError("more elements than any body of a platform has")
    return _value(_root(body), 0)


def _root(body: bytes) -> Element:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except ParseError as error:
        try:
            root = fromstring(repaired(body), forbid_dtd=True)
        except ParseError:
            raise error from None
    return root


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].replace("-", "_")


def _value(element: Element, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise TooLargeError("nested too deeply")
    if any(_FLAGS.get(element.get(name, "")) for name in _NIL):
        return None
    kind = element.get("type", "")
    if kind == "array":
        return [_value(child, depth + 1) for child in element]
    if len(element):
        return _fields(element, depth)
    text = (element.text or "").removeprefix(_BOM)
    if kind in _NUMBERS:
        return _number(text.strip())
    flag = _FLAGS.get(text.strip().lower()) if kind == "boolean" else None
    if flag is not None:
        return flag
    return text.strip() if "\n" in text else text


def _fields(element: Element, depth: int) -> Any:
    gathered: dict[str, list[Any]] = {}
    for child in element:
        gathered.setdefault(_name(child), []).append(_value(child, depth + 1))
    if len(gathered) == 1 and f"{next(iter(gathered))}s" == _name(element):
        return next(iter(gathered.values()))  # a list that is not marked as one
    return {name: values[0] if len(values) == 1 else values for name, values in gathered.items()}


def _number(text: str) -> int | Decimal | str | None:
    """Return a number as JSON has it; a text that is none as it is, and None where it is blank."""
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if _NUMBER.fullmatch(text) else text
