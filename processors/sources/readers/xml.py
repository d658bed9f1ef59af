"""Parse Rails-style XML into the document that the same payload has in JSON.

Dashes become underscores, namespaces are left out; ``type`` and ``nil`` are respected; times
stay text. A number that is spelled as in JSON is one, any other spelling is left to the
readers, as a text is. Line breaks around a text are layout.
"""

import re
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from processors.sources.readers.document import Document
from processors.sources.readers.refusals import ROOT, invalid, malformed, out_of_range, unsupported
from runtime.bodies.xml_body import repaired

_MAX_DEPTH = 64
_NUMBERS = frozenset({"integer", "decimal", "float", "double", "big-decimal", "number", "long"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}")
_NUMBER = re.compile(r"-?[0-9]{1,64}(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,9})?")
_NIL = ("nil", "{http://www.w3.org/2001/XMLSchema-instance}nil")
_BOM = "\ufeff"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def from_xml(body: bytes) -> Document:
    """Parse the document under an XML body's root element."""
    document = _value(_root(body), "", 0)
    if not isinstance(document, dict):
        invalid(ROOT, "expected an element with fields")
    return document


def _root(body: bytes) -> Element:
    """Parse a body, with its texts repaired where it cannot be parsed otherwise."""
    try:
        return _parsed(body)
    except ParseError as error:
        try:
            return _parsed(repaired(body))
        except ParseError:
            malformed(_offset(body, *error.position), str(error))


def _parsed(body: bytes) -> Element:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        unsupported(f"document type declarations and entities are refused: {type(error).__name__}")
    except (ValueError, LookupError) as error:
        malformed(0, str(error))
    return root


def _offset(body: bytes, line: int, column: int) -> int:
    """Convert a position to a byte offset; expat counts lines from 1 and columns from 0."""
    before = body.split(b"\n")[: line - 1]
    return min(sum(len(part) + 1 for part in before) + column, len(body))


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].replace("-", "_")


def _value(element: Element, path: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        out_of_range(path, "nested too deeply")
    if any(_FLAGS.get(element.get(name, "")) for name in _NIL):
        return None
    kind = element.get("type", "")
    if kind == "array":
        return [_value(child, f"{path}[{i}]", depth + 1) for i, child in enumerate(element)]
    if len(element):
        return _fields(element, path, depth)
    text = (element.text or "").removeprefix(_BOM)
    if kind in _NUMBERS:
        return _number(text.strip())
    if kind == "boolean":
        return _FLAGS.get(text.strip().lower(), text)
    return text.strip() if "\n" in text else text


def _fields(element: Element, path: str, depth: int) -> Any:
    gathered: dict[str, list[Any]] = {}
    for child in element:
        name = _name(child)
        value = _value(child, f"{path}.{name}" if path else name, depth + 1)
        gathered.setdefault(name, []).append(value)
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
