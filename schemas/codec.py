"""Encodes and decodes canonical records: Avro in the Confluent wire format.

A zero byte, the schema's id in the registry (4 bytes, big-endian), the Avro body. Records of the
current schemas are encoded and decoded by generated code, records of earlier versions are decoded
by fastavro. Records hold times as integers, so the ``timestamp-micros`` annotation is removed from
the schemas given to fastavro: the bytes are the same and no datetime is built.
"""

import io
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import msgspec

from schemas import events
from schemas.codegen.reader import compile_reader
from schemas.codegen.writer import compile_writer
from schemas.events import RECORDS, TOPIC_OF, Record

AVRO = Path(__file__).parent / "avro"
_FRAME = 5
_SHARED = frozenset({"ShopSettings"})
"""Record types of which few different ones recur in many events."""
_REPEATED = frozenset({"source", "shop", "slot", "source_event", "currency", "status_word"})
"""Fields with few different texts."""
MAX_MONEY = Decimal("99999999999999.9999")
"""The largest amount that decimal(18,4) holds."""


class UnframedError(ValueError):
    """Bytes that are not in the Confluent wire format."""


class UnknownSchemaError(LookupError):
    """A schema id that this codec was not given; the record itself may be valid."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"schema id {schema_id} is none of this project's")
        self.schema_id = schema_id


@cache
def _types() -> dict[str, Any]:
    return {f"hookline.{path.stem}": json.loads(path.read_text()) for path in AVRO.glob("*/*.avsc")}


def _inlined(node: Any, seen: set[str]) -> Any:
    """Replace each named type by its definition where it first occurs."""
    if isinstance(node, str) and node in _types() and node not in seen:
        seen.add(node)
        return _inlined(_types()[node], seen)
    if isinstance(node, dict):
        return {
            key: _inlined(value, seen) if key in ("type", "items", "values", "fields") else value
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_inlined(value, seen) for value in node]
    return node


@cache
def schema(name: str) -> dict[str, Any]:
    """Return the record schema called ``name`` (``carts``), self-contained."""
    inlined: dict[str, Any] = _inlined(json.loads((AVRO / f"{name}.avsc").read_text()), set())
    return inlined


def schema_text(name: str) -> str:
    """Return the record schema as it is registered: JSON without optional spaces."""
    return json.dumps(schema(name), separators=(",", ":"), ensure_ascii=False)


def history(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the committed versions of a record schema, oldest first."""
    for path in sorted((AVRO / "history" / name).glob("*.avsc"), key=lambda p: int(p.stem)):
        yield int(path.stem), json.loads(path.read_text())


def _without_times(node: Any) -> Any:
    if isinstance(node, dict):
        if node.get("logicalType") == "timestamp-micros":
            return "long"
        return {key: _without_times(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_times(value) for value in node]
    return node


def _parsed(raw: dict[str, Any]) -> Any:
    return fastavro.parse_schema(_without_times(raw), named_schemas={})


class Codec:
    """Encodes and decodes canonical records, given the registry's ids.

    ``ids``: record name -> id of the current schema. ``older``: id -> schema of earlier
    versions that the log may still contain.
    """

    def __init__(
        self, ids: Mapping[str, int], older: Mapping[int, tuple[str, dict[str, Any]]] | None = None
    ) -> None:
        self.ids = dict(ids)
        self._writers = {
            name: compile_writer(
                schema(name), b"\0" + schema_id.to_bytes(4, "big"), _SHARED, _REPEATED
            )
            for name, schema_id in self.ids.items()
        }
        self._readers = {
            schema_id: compile_reader(schema(name), vars(events), _FRAME, _SHARED, _REPEATED)
            for name, schema_id in self.ids.items()
        }
        self._names = {schema_id: name for name, schema_id in self.ids.items()}
        self._resolved: dict[int, tuple[str, Any, Any]] = {}
        for schema_id, (name, raw) in (older or {}).items():
            if schema_id not in self._readers:
                self.add(schema_id, name, raw)

    def add(self, schema_id: int, name: str, raw: dict[str, Any]) -> None:
        """Read records of another version of the record ``name`` too, older or newer."""
        self._names[schema_id] = name
        self._resolved[schema_id] = name, _parsed(raw), _parsed(schema(name))

    def record_name(self, data: bytes) -> str | None:
        """Return the name of the record that framed bytes declare; None where it is unknown."""
        is_framed = len(data) >= _FRAME and data[0] == 0
        return self._names.get(int.from_bytes(data[1:_FRAME], "big")) if is_framed else None

    def encode(self, record: Record) -> bytes:
        """Return a record's framed bytes. Amounts must be within ``MAX_MONEY``."""
        return self._writers[TOPIC_OF[type(record)]](record)

    def decode(self, data: bytes) -> Record:
        """Return the record in framed bytes, decoded with the schema it was encoded with.

        Raises UnframedError or UnknownSchemaError, and the errors of ``codegen.reader``, fastavro
        and msgspec for an invalid body.
        """
        if len(data) < _FRAME or data[0] != 0:
            raise UnframedError("these bytes are not in the Confluent wire format")
        schema_id = int.from_bytes(data[1:5], "big")
        if (read := self._readers.get(schema_id)) is not None:
            record: Record = read(data)
            return record
        if schema_id not in self._resolved:
            raise UnknownSchemaError(schema_id)
        name, written, current = self._resolved[schema_id]
        body = io.BytesIO(data)
        body.seek(_FRAME)
        datum = fastavro.schemaless_reader(body, written, current)
        return msgspec.convert(datum, RECORDS[name], builtin_types=(Decimal,))
