"""Edits of an XML example: ``line-items[0].quantity=3``; dashes and underscores are equal."""

from datetime import datetime
from xml.etree.ElementTree import Element, tostring

from defusedxml.ElementTree import fromstring

from hookline.console.errors import CommandError
from hookline.send.json_edits import Edit, formatted_like, moment


def apply(body: bytes, changes: list[Edit], *, now: datetime, naive_zone: str = "UTC") -> bytes:
    """Return the document with the text of the given elements changed.

    Paths start below the root; a number is the index among an element's children, from 0. Raises
    CommandError for a path that does not exist.
    """
    root = fromstring(body)
    for edit in changes:
        where = ".".join(map(str, edit.path))
        node = root
        for segment in edit.path:
            node = _child(node, segment, where)
        when = moment(edit.text, now)
        node.text = edit.text if when is None else formatted_like(node.text, when, naive_zone)
        node.attrib.pop("nil", None)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _child(node: Element, segment: str | int, where: str) -> Element:
    children = list(node)
    if isinstance(segment, int) and segment < len(children):
        return children[segment]
    plain = str(segment).replace("_", "-")
    for child in children:
        if child.tag.replace("_", "-") == plain:
            return child
    available = ", ".join(child.tag for child in children) or "no element"
    raise CommandError(f"--set {where}: no {segment!r} there; there is {available}")
