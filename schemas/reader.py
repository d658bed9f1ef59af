"""Avro -> records, by straight-line code made from the schema: see ``writer``.

Reads what was written with this very schema. Bytes that end early, go on too long or hold
what no field can be raise ValueError, IndexError or UnicodeDecodeError.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from schemas.source import Node, Source, kind_of

_PLACES = Decimal((0, (1,), -4))
_GO_ON = 0x8080808080808080
_EIGHTH_ENDS = 0x0080808080808080


def long(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag varint that begins at ``at``, and where the next thing begins."""
    byte = data[at]
    if byte < 128:  # noqa: PLR2004 - the bit that says: more to come
        return (byte >> 1) ^ -(byte & 1), at + 1
    eight = int.from_bytes(data[at : at + 8], "little")
    if eight & _GO_ON == _EIGHTH_ENDS:  # as today's times are: all at once
        eight &= ~_GO_ON
        eight = eight & 0x007F007F007F007F | (eight & 0x7F007F007F007F00) >> 1
        eight = eight & 0x00003FFF00003FFF | (eight & 0x3FFF00003FFF0000) >> 2
        eight = eight & 0xFFFFFFF | eight >> 32 << 28
        return (eight >> 1) ^ -(eight & 1), at + 8
    found, shift = byte & 127, 7
    at += 1
    while byte > 127:  # noqa: PLR2004
        byte = data[at]
        found |= (byte & 127) << shift
        shift += 7
        at += 1
    if found >> 64:
        raise ValueError("an integer of more than 64 bits")
    return (found >> 1) ^ -(found & 1), at


@lru_cache(maxsize=65536)
def money(unscaled: bytes) -> Decimal:
    """The amount whose last of four places is counted in these bytes."""
    return Decimal(int.from_bytes(unscaled, "big", signed=True)) * _PLACES


def ended(at: int, data: bytes) -> None:
    """Raise ValueError where the record's end is not the bytes' end."""
    if at != len(data):
        raise ValueError(f"a record of {at} bytes in {len(data)}")


def compiled(schema: Node, classes: Mapping[str, Any], start: int) -> Callable[[bytes], Any]:
    """A function from bytes, of which the first ``start`` are skipped, to a record.

    ``classes``: record and enum types by their names in the schema.
    """
    source = Source(long=long, money=money, ended=ended)
    source.add(0, f"at = {start}")
    _Reading(source, classes).read(0, schema, "record")
    source.add(0, "ended(at, data)", "return record")
    read: Callable[[bytes], Any] = source.compiled("def read(data):", "<avro reader>")
    return read


class _Reading:
    """Adds to a source what reads a value of a node into a local name."""

    def __init__(self, source: Source, classes: Mapping[str, Any]) -> None:
        self._source, self._classes = source, classes

    def read(self, depth: int, node: Node, into: str) -> None:
        node = self._source.resolved(node)
        kind = kind_of(node)
        add = self._source.add
        match kind:
            case "string":
                self._bytes(depth, f"{into} = data[at - number:at].decode()")
            case "decimal":
                self._bytes(depth, f"{into} = money(data[at - number:at])")
            case "boolean":
                add(depth, f"{into} = (False, True)[data[at]]", "at += 1")
            case "int" | "long" | "timestamp-micros":
                add(depth, f"{into}, at = long(data, at)")
            case "enum":
                members = [self._classes[node["name"]](symbol) for symbol in node["symbols"]]
                self._number(depth)
                add(depth, f"{into} = {self._source.constant(members)}[number]")
            case "optional":
                add(depth, "branch = data[at]", "at += 1", "if branch == 2:")
                self.read(depth + 1, node[1], into)
                add(depth, "elif branch:", "    raise ValueError('a branch of no union')")
                add(depth, f"else: {into} = None")
            case "array" | "map":
                self._blocks(depth, kind, node, into)
            case "record":
                self._record(depth, node, into)
            case _:
                raise ValueError(f"no way to read {node}")

    def _number(self, depth: int) -> None:
        """A number that is never negative, and nearly always small."""
        self._source.add(
            depth, "number = data[at]", "at += 1", "if number > 127 or number & 1:",
            "    number, at = long(data, at - 1)",
            "    if number < 0: raise ValueError('a negative size')",
            "else: number >>= 1",
        )  # fmt: skip

    def _bytes(self, depth: int, line: str) -> None:
        self._number(depth)
        self._source.add(depth, "at += number", line)

    def _blocks(self, depth: int, kind: str, node: Node, into: str) -> None:
        add, count = self._source.add, self._source.name()
        key, each = self._source.name(), self._source.name()
        add(depth, f"{into} = {'{}' if kind == 'map' else '[]'}")
        add(depth, "while True:", f"    {count}, at = long(data, at)", f"    if not {count}: break")
        add(depth + 1, f"if {count} < 0:", f"    {count} = -{count}", "    _, at = long(data, at)")
        add(depth + 1, f"for _ in range({count}):")
        if kind == "map":
            self.read(depth + 2, "string", key)
            self.read(depth + 2, node["values"], each)
            add(depth + 2, f"{into}[{key}] = {each}")
        else:
            self.read(depth + 2, node["items"], each)
            add(depth + 2, f"{into}.append({each})")
            add(depth, f"{into} = tuple({into})")

    def _record(self, depth: int, node: Node, into: str) -> None:
        names = {field["name"]: self._source.name() for field in node["fields"]}
        for field in node["fields"]:
            self.read(depth, field["type"], names[field["name"]])
        made = self._source.constant(self._classes[node["name"]])
        told = ", ".join(f"{field}={name}" for field, name in names.items())
        self._source.add(depth, f"{into} = {made}({told})")
