"""A document as lines of indented JSON, the field that a path names marked. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
INDENT = "  "

Step = str | int
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the document. ``is_lit``: it shows the named field, or what leads to it."""

    text: str
    is_lit: bool = False


@dataclass(frozen=True, slots=True)
class LitBody:
    """The lines of a document. ``is_exact``: the field itself is there, and lit."""

    lines: tuple[Line, ...]
    is_exact: bool

    @property
    def is_any_lit(self) -> bool:
        """Whether a line is lit."""
        return any(line.is_lit for line in self.lines)


def steps(path: str) -> Path:
    """Return the steps of a field path: ``items[3].cost`` is items, 3, cost."""
    return tuple(int(index) if index else name for index, name in _STEP.findall(path))


def lit(document: Any, path: str) -> LitBody:
    """Return the lines of a document of JSON's types, with the field of ``path`` marked.

    Where the document lacks it, the nearest that leads to it is marked.
    """
    wanted = steps(path)
    found = _existing(document, wanted)
    target = found or None
    lines = tuple(
        Line(text, is_lit=target is not None and at == target)
        for text, at in _lines(document, (), "", "")
    )
    return LitBody(lines, bool(wanted) and found == wanted)


def _existing(document: Any, wanted: Path) -> Path:
    """Return as many of the steps as lead somewhere."""
    here = document
    for count, step in enumerate(wanted):
        if not _leads(here, step):
            return wanted[:count]
        here = here[step]
    return wanted


def _leads(value: Any, step: Step) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _lines(value: Any, at: Path, label: str, comma: str) -> Iterator[tuple[str, Path | None]]:
    """Yield each line with the path of the value that begins on it; None for one that ends it."""
    margin = INDENT * len(at)
    if not isinstance(value, dict | list) or not value:
        yield f"{margin}{label}{_json(value)}{comma}", at
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{margin}{label}{opening}", at
    inner: list[tuple[Step, str, Any]] = (
        [(key, f"{_json(key)}: ", each) for key, each in value.items()]
        if isinstance(value, dict)
        else [(index, "", each) for index, each in enumerate(value)]
    )
    for number, (step, name, each) in enumerate(inner, start=1):
        yield from _lines(each, (*at, step), name, "," if number < len(inner) else "")
    yield f"{margin}{closing}{comma}", None


def _json(value: Any) -> str:
    if isinstance(value, Decimal):  # as the sender spelled it, or nearly
        return str(value)
    return json.dumps(value, ensure_ascii=False)
