"""Parse Rails-style XML into the document that the same payload has in JSON.

Dashes become underscores; ``type`` and ``nil`` are respected; amounts and times stay text.
"""

from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from processors.sources.readers.document import Document
from processors.sources.readers.refusals import ROOT, invalid, malformed, out_of_range, unsupported

_MAX_DEPTH = 64
_MAX_DIGITS = 20
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def from_xml(body: bytes) -> Document:
    """Parse the document under an XML body's root element."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        unsupported(f"document type declarations and entities are refused: {type(error).__name__}")
    except ParseError as error:
        malformed(_offset(body, *error.position), str(error))
    except (ValueError, LookupError) as error:
        malformed(0, str(error))
    document = _value(root, "", 0)
    if not isinstance(document, dict):
        invalid(ROOT, "expected an element with fields")
    return document


def _offset(body: bytes, line: int, column: int) -> int:
    """Convert a position to a byte offset; expat counts lines from 1 and columns from 0."""
    before = body.split(b"\n")[: line - 1]
    return min(sum(len(part) + 1 for part in before) + column, len(body))


def _name(element: Element) -> str:
    return str(element.tag).replace("-", "_")


def _value(element: Element, path: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        out_of_range(path, "nested too deeply")
    if element.get("nil") == "true":
        return None
    kind = element.get("type", "")
    if kind == "array":
        return [_value(child, f"{path}[{i}]", depth + 1) for i, child in enumerate(element)]
    if len(element):
        return _fields(element, path, depth)
    text = element.text or ""
    if kind == "integer":
        return _integer(text.strip(), path)
    if kind == "boolean":
        return _FLAGS.get(text.strip(), text)
    return text


def _fields(element: Element, path: str, depth: int) -> Any:
    gathered: dict[str, list[Any]] = {}
    for child in element:
        name = _name(child)
        value = _value(child, f"{path}.{name}" if path else name, depth + 1)
        gathered.setdefault(name, []).append(value)
    if len(gathered) == 1 and f"{next(iter(gathered))}s" == _name(element):
        return next(iter(gathered.values()))  # a list that is not marked as one
    return {name: values[0] if len(values) == 1 else values for name, values in gathered.items()}


def _integer(text: str, path: str) -> int | None:
    if not text:
        return None
    if len(text) > _MAX_DIGITS:
        out_of_range(path, "a number beyond 64 bits")
    try:
        return int(text)
    except ValueError:
        return invalid(path, "expected a whole number")
