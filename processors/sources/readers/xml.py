"""Parse Rails-style XML into the document that the same payload has in JSON.

Dashes become underscores, namespaces are left out; times stay text.
"""

from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from processors.sources.readers.document import Document
from processors.sources.readers.refusals import ROOT, invalid, malformed, out_of_range, unsupported
from runtime.bodies.xml_body import repaired
from runtime.bodies.xml_values import ARRAY, is_nil, value_of

_MAX_DEPTH = 64


def from_xml(body: bytes) -> Document:
    """Parse the document under an XML body's root element."""
    document = _value(_root(body), 0)
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


def _value(element: Element, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        out_of_range(ROOT, "nested too deeply")
    if is_nil(element.attrib):
        return None
    kind = element.get("type", "")
    if kind == ARRAY:
        return [_value(child, depth + 1) for child in element]
    if len(element):
        return _fields(element, depth)
    return value_of(kind, element.text or "")


def _fields(element: Element, depth: int) -> Any:
    gathered: dict[str, list[Any]] = {}
    for child in element:
        name = _name(child)
        gathered.setdefault(name, []).append(_value(child, depth + 1))
    if len(gathered) == 1 and f"{next(iter(gathered))}s" == _name(element):
        return next(iter(gathered.values()))  # a list that is not marked as one
    return {name: values[0] if len(values) == 1 else values for name, values in gathered.items()}
