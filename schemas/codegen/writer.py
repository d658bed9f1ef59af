"""Records -> Avro, by one function for each record type, made from the schema.

fastavro must find the branch of every union each time, which was most of the time of an event
of ours; a test holds these bytes against its. What cannot be written raises TypeError,
ValueError, OverflowError, LookupError, AttributeError or decimal's errors.
"""

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from schemas.codegen.bounded_cache import Remembered, RememberedTexts
from schemas.codegen.emitter import Node, Source, kind_of

_PLACES = 4
_LARGEST = 10**18
"""Money is decimal(18, 4): below this, counted in the last place."""
_EXACT = decimal.Context(
    prec=40, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow]
)
_PAIR, _LOW = 14, (1 << 14) - 1
_MORE = tuple(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(1 << _PAIR))
"""Two bytes of a long integer that goes on behind them."""
_LAST = tuple(bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7)) for n in range(1 << 14))  # noqa: PLR2004
_SMALL = _LAST[::2]
"""Of integers from 0 on."""
_SHORT = 512
"""Texts of fewer bytes have their length looked up."""
_LENGTHS = _SMALL[:_SHORT]
_TOLD_LENGTHS = tuple(b"\2" + each for each in _LENGTHS)
_KEPT = 1_000
"""How many parts that many events share are remembered as bytes."""
_KEPT_AMOUNTS = 8_192

_high: dict[int, bytes] = {}
"""The bytes of a long integer's high bits: the times of an hour have few."""
_amounts: dict[int, tuple[Decimal, bytes, bytes]] = {}
"""Amounts by identity with their bytes, also those of an amount that might not be told.

Each is kept itself, so that its id stays its own.

Adapters keep the prices that come again and again. A Decimal's hash costs as much as writing it.
"""


def long(value: int) -> bytes:
    """An integer of 64 bits as Avro's zigzag varint. Raises OverflowError."""
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest <= _LOW:
        return _LAST[rest]
    high = rest >> _PAIR
    if high <= _LOW:
        return _MORE[rest & _LOW] + _LAST[high]
    # Four bytes by arithmetic: what is looked up in so large a table is in no cache of the CPU.
    low = rest & 0x3FFF | (rest & 0xFFFC000) << 2
    low = low & 0x7F007F | (low & 0x3F803F80) << 1 | 0x80808080
    return low.to_bytes(4, "little") + (_high.get(high >> _PAIR) or _top(value, high >> _PAIR))


def _top(value: int, bits: int) -> bytes:
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError(f"{value} has more than 64 bits")
    found, rest = b"", bits
    while rest > _LOW:
        found += _MORE[rest & _LOW]
        rest >>= _PAIR
    if len(_high) >= _KEPT:
        _high.clear()
    found = _high[bits] = found + _LAST[rest]
    return found


def integer(value: int) -> bytes:
    """An integer of 32 bits. Raises OverflowError."""
    if not -(1 << 31) <= value < 1 << 31:
        raise OverflowError(f"{value} has more than 32 bits")
    return long(value)


def money(amount: Decimal) -> bytes:
    """An amount as bytes(decimal(18, 4)). Raises ValueError where it does not fit."""
    return (_amounts.get(id(amount)) or _amount(amount))[1]


def _amount(amount: Decimal) -> tuple[Decimal, bytes, bytes]:
    scaled = amount.scaleb(_PLACES, _EXACT)
    unscaled = int(scaled)
    if unscaled != scaled or not -_LARGEST < unscaled < _LARGEST:
        raise ValueError("an amount of more than 14 digits before the point, or 4 behind it")
    size = unscaled.bit_length() + 8 >> 3
    written = _LAST[size << 1] + unscaled.to_bytes(size, "big", signed=True)
    if len(_amounts) >= _KEPT_AMOUNTS:
        _amounts.clear()
    found = _amounts[id(amount)] = amount, written, b"\2" + written
    return found


def text(value: str) -> bytes:
    """A text of any length."""
    raw = value.encode()
    return (_LENGTHS[len(raw)] if len(raw) < _SHORT else long(len(raw))) + raw


def _told(value: str | None) -> bytes:
    """A text that may be none."""
    return b"\0" if value is None else b"\2" + text(value)


class _Kept:
    """The bytes of objects that come again and again, by identity."""

    def __init__(self, write: Callable[[Any], bytes]) -> None:
        self._write = write
        self._known: dict[int, tuple[Any, bytes]] = {}

        self.get = self._known.get

    def keep(self, record: Any) -> tuple[Any, bytes]:
        if len(self._known) >= _KEPT:
            self._known.clear()
        # The record is kept with its bytes: else its id could become another's.
        known = self._known[id(record)] = (record, self._write(record))
        return known


def compiled(
    schema: Node, head: bytes, shared: frozenset[str], repeated: frozenset[str] = frozenset()
) -> Callable[[Any], bytes]:
    """A function from a record of ``schema`` to ``head`` and the record's bytes.

    ``shared``: names of record types of which the same few objects stand in many records;
    ``repeated``: names of fields in which the same few texts do.
    """
    return _Writing({}, shared, repeated).function(schema, head)


class _Writing:
    """Makes the function of one record type: its parts in one list, joined."""

    def __init__(
        self, named: dict[str, dict[str, Any]], shared: frozenset[str], repeated: frozenset[str]
    ) -> None:
        self._source = Source(
            long=long, integer=integer, join=b"".join,
            AMOUNT=_amounts.get, amount=_amount,
            SMALL=_SMALL, LENGTHS=_LENGTHS, TOLD=_TOLD_LENGTHS,
            AGAIN=RememberedTexts(text, _KEPT), TOLD_AGAIN=RememberedTexts(_told, _KEPT),
            TIMES=Remembered(long, _KEPT),
        )  # fmt: skip
        self._source.named = named
        self._shared, self._repeated = shared, repeated
        self._parts: list[str] = []
        """Expressions of bytes that no line has taken yet."""

    def function(self, node: Node, head: bytes = b"") -> Callable[[Any], bytes]:
        self._source.add(0, f"parts = [{repr(head) if head else ''}]")
        self._fields(0, node, "record")
        self._flush(0)
        self._source.add(0, "return join(parts)")
        write: Callable[[Any], bytes] = self._source.compiled("def write(record):", "<avro writer>")
        return write

    def _flush(self, depth: int) -> None:
        """A line that adds the parts so far."""
        if self._parts:
            self._source.add(depth, f"parts += {', '.join(self._parts)},")
            self._parts.clear()

    def _fields(self, depth: int, node: Node, record: str) -> None:
        for field in node["fields"]:
            value = f"{record}.{field['name']}"
            self._write(depth, field["type"], value, is_repeated=field["name"] in self._repeated)

    def _write(self, depth: int, node: Node, value: str, *, is_repeated: bool = False) -> None:
        """Parts, or lines, in which ``value`` stands once."""
        node = self._source.resolved(node)
        kind = kind_of(node)
        if kind == "optional":
            self._optional(depth, node, value, is_repeated=is_repeated)
        elif kind in ("array", "map"):
            self._block(depth, node, value)
        elif kind == "record":
            self._record(depth, node, value)
        elif kind == "string":
            self._parts.append(f"AGAIN[{value}]" if is_repeated else self._text(value))
        else:
            self._parts.append(self._plain(kind, node, value))

    def _record(self, depth: int, node: Node, value: str) -> None:
        """A record's own parts, or what is kept of one that stands in many records."""
        if node["name"] in self._shared:
            self._parts.append(self._kept(node, value))
            return
        name = value
        if not value.isidentifier():
            name = self._source.name()
            self._flush(depth)
            self._source.add(depth, f"{name} = {value}")
        self._fields(depth, node, name)

    def _block(self, depth: int, node: Node, value: str) -> None:
        """An array's or a map's one block, and the end of blocks."""
        name, each, key = self._source.name(), self._source.name(), self._source.name()
        self._flush(depth)
        size = f"LENGTHS[len({name})] if len({name}) < {_SHORT} else long(len({name}))"
        self._source.add(depth, f"if {name} := {value}:", f"    parts.append({size})")
        if node["type"] == "map":
            self._source.add(depth + 1, f"for {key}, {each} in {name}.items():")
            self._parts.append(f"AGAIN[{key}]")
            self._write(depth + 2, node["values"], each)
        else:
            self._source.add(depth + 1, f"for {each} in {name}:")
            self._write(depth + 2, node["items"], each)
        self._flush(depth + 2)
        self._parts.append("b'\\0'")

    def _plain(self, kind: str, node: Node, value: str) -> str:
        name = self._source.name()
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
                places = {symbol: long(at) for at, symbol in enumerate(node["symbols"])}
                return f"{self._source.constant(places)}[{value}]"
        raise ValueError(f"no way to write {node}")

    def _text(self, value: str, *, told: bool = False) -> str:
        """Two parts, the length and the text; of one that might not be told a sum of them."""
        raw, size = self._source.name(), self._source.name()
        lengths, branch, then = ("TOLD", "b'\\2' + ", " +") if told else ("LENGTHS", "", ",")
        short = f"{lengths}[{size}] if ({size} := len({raw} := {value}.encode())) < {_SHORT}"
        return f"({short} else {branch}long({size})){then} {raw}"

    def _optional(self, depth: int, union: Node, value: str, *, is_repeated: bool) -> None:
        node = self._source.resolved(union[1])
        name, kind = self._source.name(), kind_of(node)
        none = f"b'\\0' if ({name} := {value}) is None else"
        if kind == "string" and is_repeated:
            self._parts.append(f"TOLD_AGAIN[{value}]")
        elif kind == "string":
            self._parts.append(f"({none} {self._text(name, told=True)})")
        elif kind == "boolean":
            self._parts.append(f"({none} {_flag(name, self._source.name(), told=True)})")
        elif kind == "decimal":
            self._parts.append(f"({none} (AMOUNT(id({name})) or amount({name}))[2])")
        elif kind in ("array", "map", "record"):
            self._flush(depth)
            none = f"if ({name} := {value}) is None: parts.append(b'\\0')"
            self._source.add(depth, none, "else:")
            self._parts.append("b'\\2'")
            self._write(depth + 1, node, name)
            self._flush(depth + 1)
        elif kind == "long":
            small = f"TOLD[{name}] if 0 <= {name} < {_SHORT}"
            self._parts.append(f"({none} {small} else b'\\2' + long({name}))")
        else:
            self._parts.append(f"({none} b'\\2' + {self._plain(kind, node, name)})")

    def _kept(self, node: Node, value: str) -> str:
        write = _Writing(self._source.named, self._shared, self._repeated).function(node)
        kept, name = _Kept(write), self._source.name()
        get, keep = self._source.constant(kept.get), self._source.constant(kept.keep)
        return f"({get}(id({name} := {value})) or {keep}({name}))[1]"


def _flag(value: str, name: str, *, told: bool = False) -> str:
    yes, no = ("b'\\2\\1'", "b'\\2\\0'") if told else ("b'\\1'", "b'\\0'")
    return f"{yes} if ({name} := {value}) is True else {no} if {name} is False else {{}}[{name}]"
