"""Further fields of a payload, kept as a map of texts: those that an allow-list names.

An adapter lists, for each kind of object, the fields that it knows (``read`` ones have a canonical
field, or hold personal data that no field takes) and those that are ``kept``: fields of the
platform's published pages that describe goods, order or shop, none that describes a person. All
other fields are counted and never kept; ``hookline shops drift`` names them.
"""

from decimal import Decimal
from typing import Any

from msgspec import structs

from processors.sources import notes
from processors.sources.contract import Slots
from processors.sources.readers.personal_names import is_personal
from schemas.events import CustomerContact

MAX_COUNT = 64
MAX_LENGTH = 256
MAX_NAME = 100
LEFT_OUT = "(left out)"
"""The value of a note about a field that may hold personal data."""

OMITTED = "attributes.omitted"
"""The attribute that counts fields dropped at the bounds; a lower bound itself."""

_CONTAINERS = (dict, list)
_MAX_CACHED = 512
_LONGEST_INTEGER = 128  # bits

Tree = dict[str, "Tree"]
"""Names of kept fields; those of a nested object, or of the objects in a list, below its name."""

Divided = tuple[tuple[tuple[str, Tree], ...], tuple[str, ...]]
"""Names of an object's fields: those that are kept, those that are not known."""


class KnownFields:
    """The fields that an adapter knows of one kind of object.

    ``read`` and ``kept`` are names with spaces between them; ``kept`` ones may be paths, such as
    ``plan.uuid``, in which lists are not shown. ``path`` is the object's own, for the names of
    fields that are left out: ``data.items[].``.
    """

    def __init__(self, read: str, kept: str = "", path: str = "") -> None:
        self.read, self.path = frozenset(read.split()), path
        self.kept: Tree = {}
        for name in kept.split():
            tree = self.kept
            for part in name.split("."):
                tree = tree.setdefault(part, {})
        self._divided: dict[tuple[str, ...], Divided] = {}

    def divide(self, given: tuple[str, ...]) -> "Divided":
        """Return which of these names are kept, with what is kept below, and which are not known.

        A platform's objects have few distinct lists of names, so the answer is cached for each.
        """
        found = self._divided.get(given)
        if found is None:
            kept, read = self.kept, self.read
            found = (
                tuple([(name, kept[name]) for name in given if name in kept]),
                tuple([name for name in given if name not in kept and name not in read]),
            )
            if len(given) <= MAX_COUNT and max(map(len, given), default=0) <= MAX_NAME:
                if len(self._divided) >= _MAX_CACHED:
                    self._divided.clear()
                self._divided[given] = found
        return found


def attributes(values: dict[str, Any], known: KnownFields, prefix: str = "") -> dict[str, str]:
    """Collect the kept fields of an object as texts.

    Nested fields are named by their path: ``plan.id``, ``steps[0].id``.
    """
    kept, unknown = known.divide(tuple(values))
    if unknown:
        notes.unknown(known.path, unknown)
    result: dict[str, str] = {}
    omitted = 0
    for key, tree in kept:
        value = values[key]
        if tree or type(value) in _CONTAINERS:
            omitted += _add(result, prefix + key, known.path + key, value, tree)
        elif (spelled := _spelled(value)) is not None:
            result[prefix + key] = spelled
    if omitted:
        result[OMITTED] = str(omitted)
    return result


def merged(*parts: dict[str, str]) -> dict[str, str]:
    """Merge attribute maps within the bound; what an adapter adds itself must come first."""
    result: dict[str, str] = {}
    omitted = 0
    for part in parts:
        for name, value in part.items():
            if name == OMITTED:
                omitted += int(value)
            elif len(result) < MAX_COUNT or name in result:
                result[name] = value
            else:
                omitted += 1
    if omitted:
        result[OMITTED] = str(omitted)
    return result


def with_notes(slots: Slots, noted: dict[str, Any]) -> Slots:
    """Return the events with what was ``noted`` among the attributes of the primary one."""
    slot, event = next(iter(slots.items()))
    assert not isinstance(event, CustomerContact)  # noqa: S101 - never the primary one
    texts = {name: _note(name, value) for name, value in noted.items()}
    event = structs.replace(event, attributes=merged(texts, event.attributes))
    return {**slots, slot: event}


def _note(name: str, value: Any) -> str:
    field = name.rpartition(".")[2].rpartition(":")[2].partition("[")[0]
    if is_personal(field) and not name.startswith(notes.ROUNDED):
        return LEFT_OUT
    if type(value) in _CONTAINERS:
        return "a list" if type(value) is list else "an object"
    return _spelled(value) or LEFT_OUT


def _add(result: dict[str, str], name: str, path: str, value: Any, tree: Tree) -> int:
    """Add the kept fields of a nested value; return how many were omitted.

    ``name``: of the attribute; ``path``: of the field, without the numbers of a list's items.
    """
    kind = type(value)
    if kind is list:
        return sum(
            _add(result, f"{name}[{index}]", f"{path}[]", inner, tree)
            for index, inner in enumerate(value[: MAX_COUNT + 1])
            if type(inner) is not list
        )
    if kind is dict and tree:
        if unknown := [key for key in value if key not in tree]:
            notes.unknown(f"{path}.", unknown)
        return sum(
            _add(result, f"{name}.{key}", f"{path}.{key}", inner, tree[key])
            for key, inner in value.items()
            if key in tree
        )
    if kind is dict or tree:  # not in the form that the page shows
        if value not in (None, "", {}):
            notes.unknown("", (path,))
    elif (spelled := _spelled(value)) is not None:
        if len(result) >= MAX_COUNT or len(name) > MAX_NAME:
            return 1
        result[name] = spelled
    return 0


def _spelled(value: Any) -> str | None:
    kind = type(value)
    if kind is str:
        if not value or "@" in value or "://" in value:
            return None
        text: str = value
        return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value) if value.bit_length() <= _LONGEST_INTEGER else None
    if kind is Decimal:
        return str(value)[:MAX_LENGTH]
    return None
