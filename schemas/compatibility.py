"""Checks compatibility of schemas by the rules of Avro resolution, and more strictly.

A logical type, its precision and its scale must not change: the bytes would still decode, but to
another number.
"""

from collections.abc import Iterable, Iterator
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = frozenset({"record", "enum", "fixed"})
_LOGICAL = ("logicalType", "precision", "scale")
_SILENT = frozenset({"doc", "order", "namespace"})
"""Attributes without effect on the data; the namespace becomes part of the name."""


def canonical(schema: Any, namespace: str = "") -> Any:
    """Normalise a schema: two schemas mean the same exactly if their results are equal.

    Names become full names, documentation is left out, ``{"type": "string"}`` becomes
    ``"string"``. Needed because a registry may return a schema with its keys in another order or
    its names shortened.
    """
    if isinstance(schema, str):
        return schema if schema in PRIMITIVES else _full(schema, namespace)
    if isinstance(schema, list):
        return [canonical(branch, namespace) for branch in schema]
    kind = schema["type"]
    if not isinstance(kind, str) or (kind not in _NAMED and set(schema) == {"type"}):
        return canonical(kind, namespace)
    kept = {key: value for key, value in schema.items() if key not in _SILENT}
    if kind in _NAMED:
        kept["name"] = _full(schema["name"], schema.get("namespace", namespace))
        namespace = kept["name"].rpartition(".")[0]
    if kind == "record":
        kept["fields"] = [_canonical_field(field, namespace) for field in schema["fields"]]
    for key in ("items", "values"):
        if key in kept:
            kept[key] = canonical(kept[key], namespace)
    return kept


def _canonical_field(field: dict[str, Any], namespace: str) -> dict[str, Any]:
    kept = {key: value for key, value in field.items() if key not in _SILENT}
    return {**kept, "type": canonical(field["type"], namespace)}


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def breaks(current: Any, committed: Iterable[Any]) -> list[str]:
    """Return why ``current`` is not FULL_TRANSITIVE over the ``committed`` versions.

    The list is empty if it is. Each reason starts with the path of the field.
    """
    reasons: dict[str, None] = {}
    for number, older in enumerate(committed, start=1):
        for reason in unreadable(current, older):
            reasons[f"{reason} (reading version {number})"] = None
        for reason in unreadable(older, current):
            reasons[f"{reason} (version {number} reading it)"] = None
    return list(reasons)


def unreadable(reader: Any, writer: Any) -> list[str]:
    """Return why data written with ``writer`` cannot be read with ``reader``; empty if it can."""
    return list(_Resolution(canonical(reader), canonical(writer)).reasons())


def _definitions(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for branch in node:
            yield from _definitions(branch)
    elif isinstance(node, dict):
        if node["type"] in _NAMED:
            yield node["name"], node
        for field in node.get("fields", ()):
            yield from _definitions(field["type"])
        for key in ("items", "values"):
            yield from _definitions(node.get(key, ()))


class _Resolution:
    """Compares a reader's schema with a writer's, node by node."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._roots = reader, writer
        self._readers = dict(_definitions(reader))
        self._writers = dict(_definitions(writer))
        self._seen: set[tuple[str, str]] = set()

    def reasons(self) -> Iterator[str]:
        yield from self._pair(*self._roots, "")

    def _pair(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        if isinstance(writer, str):
            writer = self._writers.get(writer, writer)
        if isinstance(reader, str):
            reader = self._readers.get(reader, reader)
        if isinstance(writer, list):
            for branch in writer:
                yield from self._pair(reader, branch, path)
        elif isinstance(reader, list):
            yield from self._branch(reader, writer, path)
        else:
            yield from self._single(reader, writer, path)

    def _branch(self, reader: list[Any], writer: Any, path: str) -> Iterator[str]:
        """Try the branches in order: the first that can read the data is used, as in Avro."""
        seen = set(self._seen)
        tried = []
        for branch in reader:
            self._seen = set(seen)
            tried.append(list(self._pair(branch, writer, path)))
            if not tried[-1]:
                return
        alike = [
            reasons
            for branch, reasons in zip(reader, tried, strict=True)
            if _kind(self._readers.get(branch, branch) if isinstance(branch, str) else branch)
            == _kind(writer)
        ]
        yield from alike[0] if alike else [f"{path or '.'}: no branch takes {_kind(writer)}"]

    def _single(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        field = path or "."
        kind, written = _kind(reader), _kind(writer)
        if kind != written and kind not in _PROMOTIONS.get(written, ()):
            yield f"{field}: {written} cannot become {kind}"
            return
        yield from _other_logic(reader, writer, field)
        if kind in _NAMED:
            names = {reader["name"], *(reader.get("aliases") or ())}
            if writer["name"] not in names:
                yield f"{field}: {writer['name']} cannot become {reader['name']}"
                return
        if kind == "record":
            yield from self._record(reader, writer, path)
        elif kind == "enum":
            yield from _unknown_symbol(reader, writer, field)
        elif kind == "fixed" and reader["size"] != writer["size"]:
            yield f"{field}: size is {reader['size']} here and {writer['size']} there"
        elif kind == "array":
            yield from self._pair(reader["items"], writer["items"], f"{path}[]")
        elif kind == "map":
            yield from self._pair(reader["values"], writer["values"], f"{path}{{}}")

    def _record(self, reader: Any, writer: Any, path: str) -> Iterator[str]:
        pair = reader["name"], writer["name"]
        if pair in self._seen:
            return
        self._seen.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            inner = f"{path}.{field['name']}"
            names = (field["name"], *(field.get("aliases") or ()))
            source = next((written[name] for name in names if name in written), None)
            if source is not None:
                yield from self._pair(field["type"], source["type"], inner)
            elif "default" not in field:
                yield f"{inner}: has no default and is not in the other"


def _other_logic(reader: Any, writer: Any, field: str) -> Iterator[str]:
    for attribute in _LOGICAL:
        ours, theirs = _attribute(reader, attribute), _attribute(writer, attribute)
        if ours != theirs:
            yield f"{field}: {attribute} is {ours!r} here and {theirs!r} there"


def _unknown_symbol(reader: Any, writer: Any, field: str) -> Iterator[str]:
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if unknown and "default" not in reader:
        yield f"{field}: symbol {unknown[0]} is unknown and there is no default"


def _kind(schema: Any) -> str:
    if isinstance(schema, list):
        return "union"
    kind = schema if isinstance(schema, str) else schema["type"]
    return str(kind)


def _attribute(schema: Any, name: str) -> Any:
    if isinstance(schema, str):
        return None
    # A scale may be omitted: Avro's default is 0.
    default = 0 if name == "scale" and schema.get("logicalType") == "decimal" else None
    return schema.get(name, default)
