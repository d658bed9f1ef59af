"""Records -> Avro, by straight-line code made from the schema.

fastavro must find the branch of every union each time, which was most of the time of an event
of ours; a test holds these bytes against its. What cannot be written raises TypeError,
ValueError, OverflowError, LookupError, AttributeError or decimal's errors.
"""

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from schemas.source import Node, Source, kind_of

_PLACES = 4
_LARGEST = 10**18
"""Money is decimal(18, 4): below this, counted in the last place."""
_EXACT = decimal.Context(
    prec=40, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow]
)
_LOW = (1 << 14) - 1
_MORE = tuple(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(1 << 14))
"""Two bytes of a long integer that goes on behind them."""
_LAST = tuple(bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7)) for n in range(1 << 14))  # noqa: PLR2004
_KEPT = 1_000
"""How many parts that many events share are remembered as bytes."""


def long(value: int) -> bytes:
    """An integer of 64 bits as Avro's zigzag varint. Raises OverflowError."""
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError(f"{value} has more than 64 bits")
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest <= _LOW:
        return _LAST[rest]
    found = _MORE[rest & _LOW]
    rest >>= 14
    while rest > _LOW:
        found += _MORE[rest & _LOW]
        rest >>= 14
    return found + _LAST[rest]


def integer(value: int) -> bytes:
    """An integer of 32 bits. Raises OverflowError."""
    if not -(1 << 31) <= value < 1 << 31:
        raise OverflowError(f"{value} has more than 32 bits")
    return long(value)


def money(amount: Decimal) -> bytes:
    """An amount as bytes(decimal(18, 4)). Raises ValueError where it does not fit."""
    scaled = amount.scaleb(_PLACES, _EXACT)
    unscaled = int(scaled)
    if unscaled != scaled or not -_LARGEST < unscaled < _LARGEST:
        raise ValueError("an amount of more than 14 digits before the point, or 4 behind it")
    size = unscaled.bit_length() + 8 >> 3
    return _LAST[size << 1] + unscaled.to_bytes(size, "big", signed=True)


def compiled(schema: Node, head: bytes, shared: frozenset[str]) -> Callable[[Any], bytes]:
    """A function from a record of ``schema`` to ``head`` and the record's bytes.

    ``shared``: names of record types of which the same few objects stand in many records.
    """
    source = Source(long=long, integer=integer, money=money, HEAD=head, LENGTHS=_LAST[:1024:2])
    source.add(0, "out = [HEAD]", "add = out.append")
    _Writing(source, shared).write(0, schema, "record")
    source.add(0, "return b''.join(out)")
    write: Callable[[Any], bytes] = source.compiled("def write(record):", "<avro writer>")
    return write


class _Writing:
    """Adds to a source what writes a value of a node."""

    def __init__(self, source: Source, shared: frozenset[str]) -> None:
        self._source, self._shared = source, shared

    def write(self, depth: int, node: Node, value: str) -> None:
        node = self._source.resolved(node)
        kind = kind_of(node)
        add = self._source.add
        match kind:
            case "string":
                text = self._source.name()
                add(depth, f"{text} = {value}.encode()", f"add(LENGTHS[len({text})]"
                    f" if len({text}) < 512 else long(len({text})))", f"add({text})")  # fmt: skip
            case "boolean":
                add(depth, f"add(b'\\1' if {value} is True else b'\\0' if {value} is False"
                    f" else {{}}[{value}])")  # fmt: skip
            case "int":
                add(depth, f"add(integer({value}))")
            case "long" | "timestamp-micros":
                add(depth, f"add(long({value}))")
            case "decimal":
                add(depth, f"add(money({value}))")
            case "enum":
                places = {symbol: long(at) for at, symbol in enumerate(node["symbols"])}
                add(depth, f"add({self._source.constant(places)}[{value}])")
            case "optional":
                self._optional(depth, node[1], value)
            case "array" | "map":
                self._block(depth, kind, node, value)
            case "record":
                self._record(depth, node, value)
            case _:
                raise ValueError(f"no way to write {node}")

    def _optional(self, depth: int, node: Node, value: str) -> None:
        name = self._source.name()
        self._source.add(depth, f"{name} = {value}", f"if {name} is None:", "    add(b'\\0')")
        self._source.add(depth, "else:", "    add(b'\\2')")
        self.write(depth + 1, node, name)

    def _block(self, depth: int, kind: str, node: Node, value: str) -> None:
        name, key, each = self._source.name(), self._source.name(), self._source.name()
        self._source.add(depth, f"{name} = {value}", f"if {name}:", f"    add(long(len({name})))")
        if kind == "map":
            self._source.add(depth + 1, f"for {key}, {each} in {name}.items():")
            self.write(depth + 2, "string", key)
            self.write(depth + 2, node["values"], each)
        else:
            self._source.add(depth + 1, f"for {each} in {name}:")
            self.write(depth + 2, node["items"], each)
        self._source.add(depth, "add(b'\\0')")

    def _record(self, depth: int, node: Node, value: str) -> None:
        if node["name"] in self._shared:
            kept = _Kept(compiled(node, b"", frozenset()))
            self._source.add(depth, f"add({self._source.constant(kept.of)}({value}))")
            return
        name = self._source.name()
        self._source.add(depth, f"{name} = {value}")
        for field in node["fields"]:
            self.write(depth, field["type"], f"{name}.{field['name']}")


class _Kept:
    """The bytes of objects that come again and again, by identity."""

    def __init__(self, write: Callable[[Any], bytes]) -> None:
        self._write = write
        self._known: dict[int, tuple[Any, bytes]] = {}

    def of(self, record: Any) -> bytes:
        known = self._known.get(id(record))
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            # The record is kept with its bytes: else its id could become another's.
            known = self._known[id(record)] = (record, self._write(record))
        return known[1]
