"""Encodes records as Avro with one function for each record type, generated from the schema.

A value that does not fit its field raises TypeError, ValueError, OverflowError, LookupError,
AttributeError or one of decimal's errors.
"""

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from schemas.codegen.bounded_cache import BoundedCache, BoundedTextCache
from schemas.codegen.emitter import CodeEmitter, Node, kind_of

_SCALE = 4
_LIMIT = 10**18
"""Unscaled amounts of a decimal(18, 4) are below this."""
_EXACT = decimal.Context(
    prec=40, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow]
)
_PAIR, _LOW = 14, (1 << 14) - 1
_MORE = tuple(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(1 << _PAIR))
"""14 bits -> two bytes of a varint that continues after them."""
_LAST = tuple(bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7)) for n in range(1 << 14))  # noqa: PLR2004
"""14 bits -> the last one or two bytes of a varint."""
_SMALL = _LAST[::2]
"""Integers from 0 -> their zigzag varint."""
_SHORT = 512
"""For texts of fewer bytes, the length's varint is looked up."""
_LENGTHS = _SMALL[:_SHORT]
_PRESENT_LENGTHS = tuple(b"\2" + length for length in _LENGTHS)
_MAX_CACHED = 1_000
"""Entries of each cache from values to bytes."""
_MAX_CACHED_AMOUNTS = 8_192

_high: dict[int, bytes] = {}
"""High bits of a long integer -> their bytes: the times of an hour share few."""
_amounts: dict[int, tuple[Decimal, bytes, bytes]] = {}
"""id() of an amount -> itself, its bytes, and its bytes in an optional field.

By identity, since the hash of a Decimal costs as much as encoding it, and adapters keep one object
for each price. The amount is held, so that its id is not reused.
"""


def long(value: int) -> bytes:
    """Encode an integer of 64 bits as a zigzag varint. Raises OverflowError."""
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest <= _LOW:
        return _LAST[rest]
    high = rest >> _PAIR
    if high <= _LOW:
        return _MORE[rest & _LOW] + _LAST[high]
    # Four bytes by arithmetic: a table for them would not fit the CPU's caches.
    low = rest & 0x3FFF | (rest & 0xFFFC000) << 2
    low = low & 0x7F007F | (low & 0x3F803F80) << 1 | 0x80808080
    return low.to_bytes(4, "little") + (_high.get(high >> _PAIR) or _top(value, high >> _PAIR))


def _top(value: int, bits: int) -> bytes:
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError(f"{value} has more than 64 bits")
    encoded, rest = b"", bits
    while rest > _LOW:
        encoded += _MORE[rest & _LOW]
        rest >>= _PAIR
    if len(_high) >= _MAX_CACHED:
        _high.clear()
    encoded = _high[bits] = encoded + _LAST[rest]
    return encoded


def integer(value: int) -> bytes:
    """Encode an integer of 32 bits. Raises OverflowError."""
    if not -(1 << 31) <= value < 1 << 31:
        raise OverflowError(f"{value} has more than 32 bits")
    return long(value)


def money(amount: Decimal) -> bytes:
    """Encode an amount as bytes of a decimal(18, 4). Raises ValueError if it does not fit."""
    return (_amounts.get(id(amount)) or _amount(amount))[1]


def _amount(amount: Decimal) -> tuple[Decimal, bytes, bytes]:
    scaled = amount.scaleb(_SCALE, _EXACT)
    unscaled = int(scaled)
    if unscaled != scaled or not -_LIMIT < unscaled < _LIMIT:
        raise ValueError("an amount of more than 14 digits before the decimal point, or 4 after it")
    size = unscaled.bit_length() + 8 >> 3
    written = _LAST[size << 1] + unscaled.to_bytes(size, "big", signed=True)
    if len(_amounts) >= _MAX_CACHED_AMOUNTS:
        _amounts.clear()
    entry = _amounts[id(amount)] = amount, written, b"\2" + written
    return entry


def text(value: str) -> bytes:
    """Encode a text of any length."""
    raw = value.encode()
    return (_LENGTHS[len(raw)] if len(raw) < _SHORT else long(len(raw))) + raw


def _optional_text(value: str | None) -> bytes:
    """Encode a text of an optional field."""
    return b"\0" if value is None else b"\2" + text(value)


class _RecordCache:
    """The bytes of records that recur inside others, by id()."""

    def __init__(self, write: Callable[[Any], bytes]) -> None:
        self._write = write
        self._entries: dict[int, tuple[Any, bytes]] = {}
        self.get = self._entries.get

    def keep(self, record: Any) -> tuple[Any, bytes]:
        if len(self._entries) >= _MAX_CACHED:
            self._entries.clear()
        # The record is held with its bytes: else its id could be reused by another.
        entry = self._entries[id(record)] = (record, self._write(record))
        return entry


def compile_writer(
    schema: Node, head: bytes, shared: frozenset[str], repeated: frozenset[str] = frozenset()
) -> Callable[[Any], bytes]:
    """Return a function that encodes a record of ``schema``, preceded by ``head``.

    ``shared``: names of record types of which few objects recur in many records. ``repeated``:
    names of fields with few different texts. Raises ValueError for a schema that is not supported.
    """
    return _WriterBuilder({}, shared, repeated).function(schema, head)


class _WriterBuilder:
    """Emits the function of one record type, which joins a list of parts of bytes."""

    def __init__(
        self, types: dict[str, dict[str, Any]], shared: frozenset[str], repeated: frozenset[str]
    ) -> None:
        self._emitter = CodeEmitter(
            long=long, integer=integer, join=b"".join,
            AMOUNT=_amounts.get, amount=_amount,
            SMALL=_SMALL, LENGTHS=_LENGTHS, PRESENT=_PRESENT_LENGTHS,
            TEXTS=BoundedTextCache(text, _MAX_CACHED),
            OPTIONAL_TEXTS=BoundedTextCache(_optional_text, _MAX_CACHED),
            TIMES=BoundedCache(long, _MAX_CACHED),
        )  # fmt: skip
        self._emitter.types = types
        self._shared, self._repeated = shared, repeated
        self._parts: list[str] = []
        """Expressions of bytes that no emitted line adds yet."""

    def function(self, node: Node, head: bytes = b"") -> Callable[[Any], bytes]:
        """Compile the writer of a record schema."""
        self._emitter.add(0, f"parts = [{repr(head) if head else ''}]")
        self._fields(0, node, "record")
        self._flush(0)
        self._emitter.add(0, "return join(parts)")
        write: Callable[[Any], bytes] = self._emitter.compiled(
            "def write(record):", "<avro writer>"
        )
        return write

    def _flush(self, depth: int) -> None:
        """Emit one line that adds the parts collected so far."""
        if self._parts:
            self._emitter.add(depth, f"parts += {', '.join(self._parts)},")
            self._parts.clear()

    def _fields(self, depth: int, node: Node, record: str) -> None:
        for field in node["fields"]:
            value = f"{record}.{field['name']}"
            self._write(depth, field["type"], value, is_repeated=field["name"] in self._repeated)

    def _write(self, depth: int, node: Node, value: str, *, is_repeated: bool = False) -> None:
        """Collect parts, or emit lines; the expression ``value`` is evaluated once in them."""
        node = self._emitter.resolved(node)
        kind = kind_of(node)
        if kind == "optional":
            self._optional(depth, node, value, is_repeated=is_repeated)
        elif kind in ("array", "map"):
            self._block(depth, node, value)
        elif kind == "record":
            self._record(depth, node, value)
        elif kind == "string":
            self._parts.append(f"TEXTS[{value}]" if is_repeated else self._text(value))
        else:
            self._parts.append(self._plain(kind, node, value))

    def _record(self, depth: int, node: Node, value: str) -> None:
        """Write the fields of a record, or look up the bytes of a shared one."""
        if node["name"] in self._shared:
            self._parts.append(self._cached(node, value))
            return
        name = value
        if not value.isidentifier():
            name = self._emitter.name()
            self._flush(depth)
            self._emitter.add(depth, f"{name} = {value}")
        self._fields(depth, node, name)

    def _block(self, depth: int, node: Node, value: str) -> None:
        """Write an array or a map as one block and the end marker."""
        name, item, key = self._emitter.name(), self._emitter.name(), self._emitter.name()
        self._flush(depth)
        size = f"LENGTHS[len({name})] if len({name}) < {_SHORT} else long(len({name}))"
        self._emitter.add(depth, f"if {name} := {value}:", f"    parts.append({size})")
        if node["type"] == "map":
            self._emitter.add(depth + 1, f"for {key}, {item} in {name}.items():")
            self._parts.append(f"TEXTS[{key}]")
            self._write(depth + 2, node["values"], item)
        else:
            self._emitter.add(depth + 1, f"for {item} in {name}:")
            self._write(depth + 2, node["items"], item)
        self._flush(depth + 2)
        self._parts.append("b'\\0'")

    def _plain(self, kind: str, node: Node, value: str) -> str:
        name = self._emitter.name()
        match kind:
            case "boolean":
                return f"({_flag(value, name)})"
            case "int":
                small = f"SMALL[{name}] if 0 <= ({name} := {value}) < {len(_SMALL)}"
                return f"({small} else integer({name}))"
            case "long":
                return f"long({value})"
            case "timestamp-micros":
                return f"TIMES[{value}]"
            case "decimal":
                return f"(AMOUNT(id({name} := {value})) or amount({name}))[1]"
            case "enum":
                indexes = {symbol: long(index) for index, symbol in enumerate(node["symbols"])}
                return f"{self._emitter.constant(indexes)}[{value}]"
        raise ValueError(f"cannot write a schema of the kind {node}")

    def _text(self, value: str, *, is_optional: bool = False) -> str:
        """Two parts, length and text; for an optional text one part, their sum with the branch."""
        raw, size = self._emitter.name(), self._emitter.name()
        lengths, branch, then = (
            ("PRESENT", "b'\\2' + ", " +") if is_optional else ("LENGTHS", "", ",")
        )
        short = f"{lengths}[{size}] if ({size} := len({raw} := {value}.encode())) < {_SHORT}"
        return f"({short} else {branch}long({size})){then} {raw}"

    def _optional(self, depth: int, union: Node, value: str, *, is_repeated: bool) -> None:
        node = self._emitter.resolved(union[1])
        name, kind = self._emitter.name(), kind_of(node)
        none = f"b'\\0' if ({name} := {value}) is None else"
        if kind == "string" and is_repeated:
            self._parts.append(f"OPTIONAL_TEXTS[{value}]")
        elif kind == "string":
            self._parts.append(f"({none} {self._text(name, is_optional=True)})")
        elif kind == "boolean":
            self._parts.append(f"({none} {_flag(name, self._emitter.name(), is_optional=True)})")
        elif kind == "decimal":
            self._parts.append(f"({none} (AMOUNT(id({name})) or amount({name}))[2])")
        elif kind in ("array", "map", "record"):
            self._flush(depth)
            none = f"if ({name} := {value}) is None: parts.append(b'\\0')"
            self._emitter.add(depth, none, "else:")
            self._parts.append("b'\\2'")
            self._write(depth + 1, node, name)
            self._flush(depth + 1)
        elif kind == "long":
            small = f"PRESENT[{name}] if 0 <= {name} < {_SHORT}"
            self._parts.append(f"({none} {small} else b'\\2' + long({name}))")
        else:
            self._parts.append(f"({none} b'\\2' + {self._plain(kind, node, name)})")

    def _cached(self, node: Node, value: str) -> str:
        write = _WriterBuilder(self._emitter.types, self._shared, self._repeated).function(node)
        cache, name = _RecordCache(write), self._emitter.name()
        get, keep = self._emitter.constant(cache.get), self._emitter.constant(cache.keep)
        return f"({get}(id({name} := {value})) or {keep}({name}))[1]"


def _flag(value: str, name: str, *, is_optional: bool = False) -> str:
    yes, no = ("b'\\2\\1'", "b'\\2\\0'") if is_optional else ("b'\\1'", "b'\\0'")
    return f"{yes} if ({name} := {value}) is True else {no} if {name} is False else {{}}[{name}]"
