"""The shape of documents: their field paths and types. Values are never kept.

Indexes of lists are left out (``items[].sku``), and names that look like data (an address, a
number as a key) are shown as ``*``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from processors.sources.readers.personal_names import safe_name

MAX_DEPTH = 32
MAX_PATHS = 2_000
"""Paths kept of one event; occurrences of further ones are counted as omitted."""
ROOT = "$"
MIN_EXPECTED = 5
"""Occurrences to be expected had nothing changed; with fewer, none may be chance."""

_KINDS = {dict: "object", list: "list", str: "text", bool: "flag", type(None): "null"}
_NUMBERS = (int, float, Decimal)


def kind_of(value: Any) -> str:
    """Return object, list, text, number, flag or null."""
    return _KINDS.get(type(value)) or ("number" if isinstance(value, _NUMBERS) else "other")


def fields(document: Any) -> set[tuple[str, str]]:
    """Return the distinct (path, kind) of a document, down to MAX_DEPTH."""
    paths = {(ROOT, kind_of(document))}
    pending: list[tuple[str, Any, int]] = [("", document, 0)]
    while pending:
        path, value, depth = pending.pop()
        if depth == MAX_DEPTH:
            continue
        for inner_path, inner in _inside(path, value):
            paths.add((inner_path, kind_of(inner)))
            if type(inner) in (dict, list):
                pending.append((inner_path, inner, depth + 1))
    return paths


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is dict:
        for key, inner in value.items():
            name = safe_name(key)
            yield f"{path}.{name}" if path else name, inner
    elif type(value) is list:
        for inner in value:
            yield f"{path or ROOT}[]", inner


@dataclass(slots=True)
class Occurrence:
    """How many documents had a (path, kind), and when first and last (milliseconds)."""

    count: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, at_ms: int) -> None:
        """Count one document."""
        self.first_ms = min(self.first_ms, at_ms) if self.count else at_ms
        self.last_ms = max(self.last_ms, at_ms)
        self.count += 1


@dataclass(slots=True)
class Shape:
    """The shape of one event's documents. ``omitted``: occurrences beyond MAX_PATHS."""

    documents: int = 0
    omitted: int = 0
    occurrences: dict[tuple[str, str], Occurrence] = field(default_factory=dict)

    def add(self, paths: Iterable[tuple[str, str]], at_ms: int) -> None:
        """Add one document, by its ``fields``."""
        self.documents += 1
        for path in paths:
            occurrence = self.occurrences.get(path)
            if occurrence is None:
                if len(self.occurrences) >= MAX_PATHS:
                    self.omitted += 1
                    continue
                occurrence = self.occurrences[path] = Occurrence()
            occurrence.add(at_ms)


@dataclass(frozen=True, slots=True)
class Change:
    """A path that documents have only since (``new``), only before (``gone``), or of another type.

    ``what``: new, gone or type. ``at_ms``: when it first occurred, or last if it is gone.
    ``before`` and ``after`` count the documents that have it, for ``type`` those that have it as
    one of ``kinds``. ``is_sure``: its absence on the other side is unlikely to be chance.
    """

    what: str
    path: str
    kinds: tuple[str, ...]
    kinds_before: tuple[str, ...]
    at_ms: int
    before: int
    after: int
    is_sure: bool


def changes(before: Shape, after: Shape) -> list[Change]:
    """Return what differs, by path. Of a part that is new or gone, only the outermost path."""
    paths: dict[str, tuple[dict[str, Occurrence], dict[str, Occurrence]]] = {}
    for side, shape in enumerate((before, after)):
        for (path, kind), occurrence in shape.occurrences.items():
            paths.setdefault(path, ({}, {}))[side][kind] = occurrence
    candidates = (_change(path, *sides, before, after) for path, sides in sorted(paths.items()))
    kept: list[Change] = []
    outer: dict[str, str] = {}
    for change in candidates:
        if change is None or _within(change, outer):
            continue
        if change.what != "type":
            outer[change.path] = change.what
        kept.append(change)
    return kept


def _within(change: Change, outer: dict[str, str]) -> bool:
    """Whether the path is inside a part that is new or gone as a whole."""
    path = change.path
    while path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
        if outer.get(path) == change.what:
            return True
    return False


def _change(
    path: str,
    old: dict[str, Occurrence],
    new: dict[str, Occurrence],
    before: Shape,
    after: Shape,
) -> Change | None:
    if not before.documents or not after.documents:
        return None
    if not old:
        what, kinds = "new", new
    elif not new:
        what, kinds = "gone", old
    else:
        kinds = {kind: occurrence for kind, occurrence in new.items() if kind not in old}
        if not kinds:
            return None
        what = "type"
    occurrences = kinds.values()
    count = sum(each.count for each in occurrences)
    having, lacking = (before, after) if what == "gone" else (after, before)
    return Change(
        what=what,
        path=path,
        kinds=tuple(sorted(kinds)),
        kinds_before=tuple(sorted(old)) if what == "type" else (),
        at_ms=max(each.last_ms for each in occurrences)
        if what == "gone"
        else min(each.first_ms for each in occurrences),
        before=count if what == "gone" else 0,
        after=0 if what == "gone" else count,
        is_sure=count * lacking.documents >= MIN_EXPECTED * having.documents
        and not lacking.omitted,
    )
