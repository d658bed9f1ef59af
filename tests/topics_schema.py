"""Tables of the types of ``docs/topics``: Avro records and enums, JSON records."""

import json
import re
import typing
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from schemas.codec import AVRO
from schemas.topics import ALL
from tests.topics_text import JSON_FIELDS, PLAIN

INDEX = "README.md"
_OLD = re.compile(rf"\b({'|'.join(PLAIN)})\b")


def json_record(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield a JSON record's name and fields."""
    hints = typing.get_type_hints(kind)
    tag = kind.__struct_config__.tag
    yield ""
    yield f"### {tag or kind.__name__}"
    yield plain((kind.__doc__ or "").splitlines()[0])
    yield from json_table(
        kind.__name__, {name: _hint(hints[name]) for name in kind.__struct_fields__}
    )


def json_table(name: str, kinds: dict[str, str]) -> Iterator[str]:
    """Yield the fields of a JSON record. Raises LookupError where one has no meaning."""
    meanings = JSON_FIELDS[name]
    if kinds and set(kinds) != set(meanings):
        raise LookupError(f"{name}: JSON_FIELDS lacks or exceeds {set(kinds) ^ set(meanings)}")
    yield ""
    yield "| field | type | meaning |" if kinds else "| field | meaning |"
    yield "|---|---|---|" if kinds else "|---|---|"
    for field, meaning in meanings.items():
        kind = f" {kinds[field]} |" if kinds else ""
        yield f"| `{field}` |{kind} {meaning} |"


def _hint(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    for old, new in (("int", "integer"), ("str", "text"), ("bool", "boolean")):
        text = re.sub(rf"\b{old}\b", new, text)
    if "Span" in text:
        return "array of arrays"
    if text.startswith("dict"):
        return "object of integers"
    return text.replace(" | None", ", may be null")


def record_table(record: dict[str, Any], level: int) -> Iterator[str]:
    """Yield an Avro record's name and fields."""
    yield ""
    yield f"{'#' * level} {record['name']}"
    yield plain(record["doc"])
    yield ""
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for field in record["fields"]:
        yield f"| `{field['name']}` | {_kind(field['type'])} | {_cell(field['doc'])} |"


def type_table(name: str, level: int) -> Iterator[str]:
    """Yield a named type: a record's fields, or an enum's symbols."""
    schema = _types()[name]
    if schema["type"] == "record":
        yield from record_table(schema, level)
        return
    yield ""
    yield f"{'#' * level} {name}"
    yield plain(schema["doc"])
    yield ""
    yield ", ".join(f"`{symbol}`" for symbol in schema["symbols"]) + (
        f"; a symbol that a reader does not know is `{schema['default']}`."
    )


def _kind(node: Any) -> str:
    if isinstance(node, list):
        [branch] = [each for each in node if each != "null"]
        return f"{_kind(branch)}, may be null"
    if isinstance(node, str):
        name = node.removeprefix("hookline.")
        if name not in _types():
            return node
        target = f"{INDEX}#{name.lower()}" if name in shared_types() else f"#{name.lower()}"
        return f"[{name}]({target})"
    if node.get("logicalType") == "decimal":
        return f"decimal({node['precision']},{node['scale']})"
    if "logicalType" in node:
        return str(node["logicalType"])
    inner = node.get("items", node.get("values"))
    return f"{node['type']} of {_kind(inner)}"


@cache
def _types() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(AVRO.glob("*/*.avsc"))}


def read(name: str) -> dict[str, Any]:
    """Return the record schema of a topic as it is committed."""
    record: dict[str, Any] = json.loads((AVRO / f"{name}.avsc").read_text())
    return record


def named(node: Any) -> set[str]:
    """Return the named types that a schema refers to, directly and through others."""
    found: set[str] = set()
    for name in re.findall(r'"hookline\.(\w+)"', json.dumps(node)):
        found |= {name} | named(_types()[name])
    return found


@cache
def shared_types() -> dict[str, list[str]]:
    """Return the named types of more than one topic, with the records that use them."""
    users = defaultdict(list)
    for topic in ALL:
        for name in named(read(topic.record)) if topic.record else ():
            users[name].append(topic.name)
    return {name: users[name] for name in sorted(users) if len(users[name]) > 1}


def plain(text: str) -> str:
    """Return a text of a schema in the words of today."""
    return _OLD.sub(lambda match: PLAIN[match[0]], text).replace("``", "`")


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|")
