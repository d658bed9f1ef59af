"""FULL_TRANSITIVE, held against fastavro where it can tell, and stricter on logical types."""

import copy
import io
import json
from typing import Any

import fastavro
import pytest
from fastavro.read import SchemaResolutionError
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.compatibility import breaks, canonical, unreadable
from schemas.topics import BY_RECORD


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "n", "fields": list(fields)}


def field(name: str, kind: Any, **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **rest}


def decimal(precision: int = 18, scale: int = 4) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


TIME = {"type": "long", "logicalType": "timestamp-micros"}
ENUM = {"type": "enum", "name": "E", "symbols": ["UNKNOWN", "A"], "default": "UNKNOWN"}
MORE = {**ENUM, "symbols": ["UNKNOWN", "A", "B"]}
STRICT = {key: value for key, value in ENUM.items() if key != "default"}

KEPT = [
    ("a field with a default comes", record(), record(field("a", "int", default=0))),
    ("a symbol comes where there is a default", record(field("e", ENUM)), record(field("e", MORE))),
    ("documentation changes", record(), {**record(), "doc": "new"}),
    (
        "order of keys changes",
        record(field("t", TIME)),
        record(field("t", dict(reversed(TIME.items())))),
    ),
    (
        "a default of scale is written out",
        {"type": "bytes", "logicalType": "decimal", "precision": 4},
        decimal(4, 0),
    ),
]
BROKEN = [
    ("a field without a default comes", record(), record(field("a", "int")), ".a"),
    ("a field without a default goes", record(field("a", "int")), record(), ".a"),
    (
        "the scale changes",
        record(field("m", decimal())),
        record(field("m", decimal(scale=2))),
        "scale",
    ),
    (
        "the precision changes",
        record(field("m", decimal())),
        record(field("m", decimal(20))),
        "precision",
    ),
    (
        "a time becomes a number",
        record(field("t", TIME)),
        record(field("t", "long")),
        "logicalType",
    ),
    (
        "a number becomes a time",
        record(field("t", "long")),
        record(field("t", TIME)),
        "logicalType",
    ),
    (
        "millis become micros",
        record(field("t", {**TIME, "logicalType": "timestamp-millis"})),
        record(field("t", TIME)),
        "logicalType",
    ),
    (
        "a type widens, so older readers fail",
        record(field("a", "int")),
        record(field("a", "long")),
        ".a",
    ),
    (
        "null comes, so older readers fail",
        record(field("a", "int")),
        record(field("a", ["null", "int"])),
        ".a",
    ),
    (
        "a field is renamed",
        record(field("a", "int")),
        record(field("b", "int", aliases=["a"])),
        ".a",
    ),
    (
        "a symbol goes without a default",
        record(field("e", {**STRICT, "symbols": ["A", "B"]})),
        record(field("e", STRICT)),
        "symbol",
    ),
    (
        "an array's items change",
        record(field("l", {"type": "array", "items": "int"})),
        record(field("l", {"type": "array", "items": "string"})),
        ".l[]",
    ),
    (
        "a map's values change",
        record(field("m", {"type": "map", "values": "int"})),
        record(field("m", {"type": "map", "values": "string"})),
        ".m{}",
    ),
    (
        "a record inside a union changes",
        record(field("u", ["null", record(field("m", decimal()), name="S")])),
        record(field("u", ["null", record(field("m", decimal(scale=2)), name="S")])),
        ".u.m",
    ),
    ("a record's name changes", record(), record(name="Q"), "n.Q"),
    (
        "a fixed grows",
        {"type": "fixed", "name": "F", "size": 4},
        {"type": "fixed", "name": "F", "size": 8},
        "size",
    ),
]


@pytest.mark.parametrize(("older", "newer"), [case[1:] for case in KEPT], ids=[c[0] for c in KEPT])
def test_data_survives_when(older: Any, newer: Any) -> None:
    assert breaks(newer, [older]) == []


@pytest.mark.parametrize(
    ("older", "newer", "word"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_data_does_not_survive_when(older: Any, newer: Any, word: str) -> None:
    reasons = breaks(newer, [older])
    assert reasons
    assert all(word in reason for reason in reasons)


def test_a_version_that_breaks_an_old_one_only_is_found() -> None:
    first, second = record(field("a", "int")), record()
    assert breaks(second, [first, second]) == [
        ".a: has no default and is not in the other (version 1 reading it)"
    ]


def test_a_recursive_schema_ends() -> None:
    tree = record(field("children", {"type": "array", "items": "n.R"}))
    assert breaks(tree, [copy.deepcopy(tree)]) == []


def test_a_type_defined_once_is_found_where_it_is_only_named() -> None:
    money = {"type": "record", "name": "M", "fields": [field("v", decimal())]}
    cents = {"type": "record", "name": "M", "fields": [field("v", decimal(scale=2))]}
    older = record(field("a", money), field("b", "M"))
    newer = record(field("a", cents), field("b", "M"))
    assert any(reason.startswith(".a.v: scale") for reason in breaks(newer, [older]))


def test_names_are_the_same_short_or_full() -> None:
    short = record(field("a", ENUM), field("b", "E"))
    full = record(field("a", {**ENUM, "name": "n.E"}), field("b", "n.E"))
    assert canonical(short) == canonical(full)


def test_documentation_is_not_part_of_a_schema_but_a_scale_is() -> None:
    documented = record(field("m", decimal(), doc="words"))
    assert canonical(documented) == canonical(record(field("m", decimal())))
    assert canonical(documented) != canonical(record(field("m", decimal(scale=2))))


@pytest.mark.parametrize("name", list(BY_RECORD))
def test_our_schemas_survive_themselves_and_a_registry_that_sorts_their_keys(name: str) -> None:
    ours = codec.schema(name)
    assert breaks(ours, [schema for _, schema in codec.history(name)]) == []
    assert canonical(json.loads(json.dumps(ours, sort_keys=True))) == canonical(ours)


simple = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string"])
kinds = st.one_of(simple, st.lists(simple, min_size=1, max_size=3, unique=True))


def example(kind: Any) -> Any:
    first = kind[0] if isinstance(kind, list) else kind
    values = {"null": None, "boolean": True, "string": "x", "float": 1.5, "double": 1.5}
    return values.get(first, 1)


@given(reader=kinds, writer=kinds)
def test_what_is_called_readable_fastavro_reads(reader: Any, writer: Any) -> None:
    """For every branch that a writer may choose."""
    is_readable = unreadable(record(field("a", reader)), record(field("a", writer))) == []
    read = True
    for branch in writer if isinstance(writer, list) else [writer]:
        one = fastavro.parse_schema(record(field("a", branch)))
        out = io.BytesIO()
        fastavro.schemaless_writer(out, one, {"a": example(branch)})
        out.seek(0)
        try:
            fastavro.schemaless_reader(out, one, fastavro.parse_schema(record(field("a", reader))))
        except SchemaResolutionError:
            read = False
    assert is_readable == read
