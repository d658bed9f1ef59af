"""``--set`` for XML examples: ``line-items[0].quantity=3``; dashes and underscores are one."""

from datetime import datetime
from xml.etree.ElementTree import Element, tostring

from defusedxml.ElementTree import fromstring

from hookline.errors import CommandError
from hookline.send.json_edits import Edit, moment, written_like


def apply(body: bytes, changes: list[Edit], *, now: datetime, naive_zone: str = "UTC") -> bytes:
    """The document with the named elements' texts changed.

    The root is not named; a number is the place among an element's children, from 0. Raises
    CommandError for a path that leads nowhere.
    """
    root = fromstring(body)
    for edit in changes:
        where = ".".join(map(str, edit.path))
        node = root
        for segment in edit.path:
            node = _child(node, segment, where)
        when = moment(edit.text, now)
        node.text = edit.text if when is None else written_like(node.text, when, naive_zone)
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
    known = ", ".join(child.tag for child in children) or "no element"
    raise CommandError(f"--set {where}: no {segment!r} there; there is {known}")
