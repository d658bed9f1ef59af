"""The shape of documents: which field paths they have, of which types. Values are never kept.

Positions in lists are left out (``items[].sku``), and names that look like data (an address, a
number as a key) are shown as ``*``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MAX_DEPTH = 32
MAX_PATHS = 2_000
"""Paths kept of one event; what comes beyond is counted."""
ROOT = "$"
ENOUGH = 5
"""So many were to be expected, had nothing changed: fewer may be chance."""

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$:.-]{0,63}")
_DIGITS = re.compile(r"[0-9]")
_MAX_DIGITS = 3
_KINDS = {dict: "object", list: "list", str: "text", bool: "flag", type(None): "null"}
_NUMBERS = (int, float, Decimal)


def named(key: str) -> str:
    """A field's name, ``*`` for a key that may be data itself."""
    is_name = _NAME.fullmatch(key) and len(_DIGITS.findall(key)) <= _MAX_DIGITS
    return key if is_name else "*"


def kind_of(value: Any) -> str:
    """object, list, text, number, flag or null."""
    return _KINDS.get(type(value)) or ("number" if isinstance(value, _NUMBERS) else "other")


def fields(document: Any) -> set[tuple[str, str]]:
    """Every (path, kind) of a document, each once; what is nested deeper is left out."""
    found = {(ROOT, kind_of(document))}
    rest: list[tuple[str, Any, int]] = [("", document, 0)]
    while rest:
        path, value, depth = rest.pop()
        if depth == MAX_DEPTH:
            continue
        for inner_path, inner in _inside(path, value):
            found.add((inner_path, kind_of(inner)))
            if type(inner) in (dict, list):
                rest.append((inner_path, inner, depth + 1))
    return found


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is dict:
        for key, inner in value.items():
            name = named(key)
            yield f"{path}.{name}" if path else name, inner
    elif type(value) is list:
        for inner in value:
            yield f"{path or ROOT}[]", inner


@dataclass(slots=True)
class Seen:
    """How many documents had a (path, kind), and when first and last (milliseconds)."""

    count: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, at_ms: int) -> None:
        """One document more."""
        self.first_ms = min(self.first_ms, at_ms) if self.count else at_ms
        self.last_ms = max(self.last_ms, at_ms)
        self.count += 1


@dataclass(slots=True)
class Shape:
    """What documents of one event looked like. ``omitted``: sightings beyond MAX_PATHS."""

    documents: int = 0
    omitted: int = 0
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def add(self, found: Iterable[tuple[str, str]], at_ms: int) -> None:
        """Take in one document's ``fields``."""
        self.documents += 1
        for each in found:
            known = self.seen.get(each)
            if known is None:
                if len(self.seen) >= MAX_PATHS:
                    self.omitted += 1
                    continue
                known = self.seen[each] = Seen()
            known.add(at_ms)


@dataclass(frozen=True, slots=True)
class Change:
    """A path that documents have only since (``new``), only before (``gone``), or as another kind.

    ``at_ms``: when it was first seen so, of what is gone when last. ``before`` and ``after``
    count the documents that have it, of a ``type`` those that have it as one of ``kinds``.
    ``is_sure``: so many were to be expected on the other side that none is no chance.
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
    """What differs, by path. Where a part is new or gone, only its outermost path is named."""
    paths: dict[str, tuple[dict[str, Seen], dict[str, Seen]]] = {}
    for side, shape in enumerate((before, after)):
        for (path, kind), seen in shape.seen.items():
            paths.setdefault(path, ({}, {}))[side][kind] = seen
    found = (_change(path, *sides, before, after) for path, sides in sorted(paths.items()))
    kept: list[Change] = []
    outer: dict[str, str] = {}
    for change in found:
        if change is None or _within(change, outer):
            continue
        if change.what != "type":
            outer[change.path] = change.what
        kept.append(change)
    return kept


def _within(change: Change, outer: dict[str, str]) -> bool:
    """Whether it is inside of a part that came or went as a whole."""
    path = change.path
    while path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
        if outer.get(path) == change.what:
            return True
    return False


def _change(
    path: str, old: dict[str, Seen], now: dict[str, Seen], before: Shape, after: Shape
) -> Change | None:
    if not before.documents or not after.documents:
        return None
    if not old:
        what, kinds, told = "new", now, now.values()
    elif not now:
        what, kinds, told = "gone", old, old.values()
    else:
        kinds = {kind: seen for kind, seen in now.items() if kind not in old}
        if not kinds:
            return None
        what, told = "type", kinds.values()
    count = sum(seen.count for seen in told)
    here, there = (before, after) if what == "gone" else (after, before)
    return Change(
        what=what,
        path=path,
        kinds=tuple(sorted(kinds)),
        kinds_before=tuple(sorted(old)) if what == "type" else (),
        at_ms=max(seen.last_ms for seen in told)
        if what == "gone"
        else min(seen.first_ms for seen in told),
        before=count if what == "gone" else 0,
        after=0 if what == "gone" else count,
        is_sure=count * there.documents >= ENOUGH * here.documents and not there.omitted,
    )
