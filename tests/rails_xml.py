"""A JSON document as Rails would print it in XML: the other format of Spiffy Stores' webhooks."""

import re
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def to_xml(document: dict[str, Any], root: str, *, dashed: bool = True) -> bytes:
    """The document under an element named ``root``; names with dashes or underscores."""
    top = Element(_spelled(root, dashed))
    _fill(top, document, dashed)
    indent(top)
    declaration = b'<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + tostring(top, encoding="utf-8", xml_declaration=False) + b"\n"


def _spelled(name: str, dashed: bool) -> str:
    return name.replace("_", "-") if dashed else name


def _fill(element: Element, value: Any, dashed: bool) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _fill(SubElement(element, _spelled(name, dashed)), inner, dashed)
    elif isinstance(value, list):
        element.set("type", "array")
        for inner in value:
            _fill(SubElement(element, _singular(element.tag)), inner, dashed)
    elif value is None:
        element.set("nil", "true")
    else:
        kind, element.text = _typed(value)
        if kind:
            element.set("type", kind)


def _singular(name: str) -> str:
    return name.removesuffix("es") if name.endswith("sses") else name.removesuffix("s")


def _typed(value: Any) -> tuple[str, str]:
    if isinstance(value, bool):
        return "boolean", str(value).lower()
    if isinstance(value, int):
        return "integer", str(value)
    text = str(value)
    return ("datetime" if _TIME.match(text) else ""), text
