"""Edits of an XML example: ``line-items[0].quantity=3``; dashes and underscores are equal."""

from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.ElementTree import fromstring

from hookline.console.errors import CommandError
from hookline.send.json_edits import Edit, formatted_like, moment


def apply(body: bytes, changes: list[Edit], *, now: datetime, naive_zone: str = "UTC") -> bytes:
    """Return the document with the text of the given elements changed.

    Paths start below the root; a number is the index among an element's children, from 0. The
    last name of a path may be new if the edit allows it. Raises CommandError for a path that does
    not exist.
    """
    root = fromstring(body)
    for edit in changes:
        where = ".".join(map(str, edit.path))
        node = root
        for segment in edit.path[:-1]:
            node = _child(node, segment, where)
        last = edit.path[-1]
        if edit.may_add and isinstance(last, str) and not _is_there(node, last):
            node = SubElement(node, last)
        else:
            node = _child(node, last, where)
        when = moment(edit.text, now)
        node.text = edit.text if when is None else formatted_like(node.text, when, naive_zone)
        node.attrib.pop("nil", None)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _child(node: Element, segment: str | int, where: str) -> Element:
    children = list(node)
    if isinstance(segment, int) and segment < len(children):
        return children[segment]
    for child in children:
        if _plain(child.tag) == _plain(str(segment)):
            return child
    available = ", ".join(child.tag for child in children) or "no element"
    raise CommandError(f"--set {where}: no {segment!r} there; there is {available}")


def _is_there(node: Element, name: str) -> bool:
    return any(_plain(child.tag) == _plain(name) for child in node)


def _plain(name: str) -> str:
    return name.replace("_", "-")
