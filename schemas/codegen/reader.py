"""Decodes Avro into records with functions generated from the schema: see ``writer``.

A function reads only what was written with the same schema. Bytes that end early, are too many or
hold an invalid value raise ValueError, IndexError or UnicodeDecodeError.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from inspect import signature
from typing import Any

from schemas.codegen.bounded_cache import BoundedCache
from schemas.codegen.emitter import CodeEmitter, Node, kind_of

_DECIMALS = Decimal((0, (1,), -4))
_CONTINUE = 0x8080808080808080
"""The continuation bits of a varint in eight bytes."""
_ENDS_AT_EIGHT = 0x0080808080808080
"""The continuation bits of a varint that is eight bytes long."""
_MAX_CACHED = 4_096
"""Entries of each cache from bytes to values."""
_PREFIX = 24
"""First bytes of a shared record, by which it is looked up before all bytes are compared."""

_SIZES = tuple(0 if first & 0x81 else (first >> 1) + 1 for first in range(256))
"""First byte of a text -> its size with that byte, if the text is under 64 bytes, else 0."""


def long(data: bytes, at: int) -> tuple[int, int]:
    """Return the zigzag varint at the position ``at``, and the position after it."""
    byte = data[at]
    if byte < 128:  # noqa: PLR2004 - the continuation bit
        return (byte >> 1) ^ -(byte & 1), at + 1
    eight = int.from_bytes(data[at : at + 8], "little")
    if eight & _CONTINUE == _ENDS_AT_EIGHT:  # the size of today's times in microseconds
        return _eight(eight), at + 8
    number, shift = byte & 127, 7
    at += 1
    while byte > 127:  # noqa: PLR2004
        byte = data[at]
        number |= (byte & 127) << shift
        shift += 7
        at += 1
    if number >> 64:
        raise ValueError("an integer of more than 64 bits")
    return (number >> 1) ^ -(number & 1), at


def _eight(eight: int) -> int:
    """Decode a varint of eight bytes: close the gaps of the continuation bits pairwise."""
    eight &= ~_CONTINUE
    eight = eight & 0x007F007F007F007F | (eight & 0x7F007F007F007F00) >> 1
    eight = eight & 0x00003FFF00003FFF | (eight & 0x3FFF00003FFF0000) >> 2
    eight = eight & 0xFFFFFFF | eight >> 32 << 28
    return (eight >> 1) ^ -(eight & 1)


class _Times(dict[bytes, int | None]):
    """Eight bytes -> time, or None if they are no varint of eight bytes. Events share times."""

    def __missing__(self, data: bytes) -> int | None:
        eight = int.from_bytes(data, "little")
        if len(data) != 8 or eight & _CONTINUE != _ENDS_AT_EIGHT:  # noqa: PLR2004
            return None
        if len(self) >= _MAX_CACHED:
            self.clear()
        time = self[data] = _eight(eight)
        return time


def money(unscaled: bytes) -> Decimal:
    """Decode an amount: the unscaled integer of a decimal(18, 4), big-endian."""
    return Decimal(int.from_bytes(unscaled, "big", signed=True)) * _DECIMALS


def sized(data: bytes, at: int) -> tuple[int, int]:
    """Return the size at the position ``at``, and the position after it."""
    number, at = long(data, at)
    if number < 0:
        raise ValueError("a negative size")
    return number, at


def ended(at: int, data: bytes) -> None:
    """Raise ValueError unless the record ends where the bytes end."""
    if at != len(data):
        raise ValueError(f"a record of {at} bytes in {len(data)} bytes")


class _Symbols(dict[int, Any]):
    """The byte of a symbol's index -> the enum's member. Indexes are below 64."""

    def __missing__(self, byte: int) -> Any:
        raise ValueError(f"no symbol of the enum has the byte {byte}")


class _SharedRecords(dict[bytes, tuple[bytes, int, Any]]):
    """Cached records that recur inside others, by their first bytes."""

    def keep(self, data: bytes, start: int, end: int, record: Any) -> None:
        if len(self) >= _MAX_CACHED:
            self.clear()
        self[data[start : start + _PREFIX]] = data[start:end], end - start, record


def _takes_positions(record: Any, names: tuple[str, ...]) -> bool:
    """Return whether a record takes its fields by position: much faster than many keywords."""
    parameters = signature(record).parameters
    return tuple(parameters) == names and all(
        one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters.values()
    )


def compile_reader(
    schema: Node,
    classes: Mapping[str, Any],
    start: int,
    shared: frozenset[str] = frozenset(),
    repeated: frozenset[str] = frozenset(),
) -> Callable[[bytes], Any]:
    """Return a function that decodes bytes, after skipping the first ``start``, into a record.

    ``classes``: record and enum types by their names in the schema. ``shared``: names of record
    types that recur in many records; equal ones become one object. ``repeated``: names of fields
    with few different texts. Raises ValueError for a schema that is not supported.
    """
    emitter = CodeEmitter(
        long=long,
        sized=sized,
        ended=ended,
        SIZES=_SIZES,
        TIMES=_Times(),
        AMOUNTS=BoundedCache(money, _MAX_CACHED),
        TEXTS=BoundedCache(bytes.decode, _MAX_CACHED),
    )
    emitter.add(0, f"at = {start}")
    _ReaderBuilder(emitter, classes, shared, repeated).read(0, schema, "record")
    emitter.add(0, "ended(at, data)", "return record")
    read: Callable[[bytes], Any] = emitter.compiled("def read(data):", "<avro reader>")
    return read


class _ReaderBuilder:
    """Emits the code that reads values of schema nodes into local names."""

    def __init__(
        self,
        emitter: CodeEmitter,
        classes: Mapping[str, Any],
        shared: frozenset[str],
        repeated: frozenset[str],
    ) -> None:
        self._emitter, self._classes = emitter, classes
        self._shared, self._repeated = shared, repeated

    def read(self, depth: int, node: Node, into: str, *, is_repeated: bool = False) -> None:
        """Emit code that assigns the value at ``at`` to ``into`` and advances ``at``."""
        node = self._emitter.resolved(node)
        kind = kind_of(node)
        add = self._emitter.add
        match kind:
            case "string":
                short = "TEXTS[{}]" if is_repeated else "{}.decode()"
                self._bytes(depth, into, short, "{}.decode()")
            case "decimal":
                self._bytes(depth, into, "AMOUNTS[{}]", "AMOUNTS[{}]")
            case "boolean":
                add(depth, f"{into} = (False, True)[data[at]]", "at += 1")
            case "int" | "long":
                add(depth, "number = data[at]", "if number < 128:")
                add(depth + 1, f"{into} = (number >> 1) ^ -(number & 1)", "at += 1")
                add(depth, f"else: {into}, at = long(data, at)")
            case "timestamp-micros":
                add(depth, f"{into} = TIMES[data[at:at + 8]]")
                add(depth, f"if {into} is None: {into}, at = long(data, at)", "else: at += 8")
            case "enum":
                members = map(self._classes[node["name"]], node["symbols"])
                bytes_ = range(0, 128, 2)  # zigzag varints of the indexes
                symbols = self._emitter.constant(_Symbols(zip(bytes_, members, strict=False)))
                add(depth, f"{into} = {symbols}[data[at]]", "at += 1")
            case "optional":
                add(depth, "if (branch := data[at]) == 0:", f"    {into} = None", "    at += 1")
                add(depth, "elif branch == 2:", "    at += 1")
                self.read(depth + 1, node[1], into, is_repeated=is_repeated)
                add(depth, "else: raise ValueError('no branch of the union')")
            case "array" | "map":
                self._blocks(depth, kind, node, into)
            case "record":
                self._record(depth, node, into)
            case _:
                raise ValueError(f"cannot read a schema of the kind {node}")

    def _bytes(self, depth: int, into: str, short: str, long_: str) -> None:
        """Read a value after its length: ``short`` of under 64 bytes, ``long_`` any other."""
        short = short.format("data[at + 1:(at := at + size)]")
        long_ = long_.format("data[at:(at := at + size)]")
        self._emitter.add(depth, "if size := SIZES[data[at]]:", f"    {into} = {short}", "else:")
        self._emitter.add(depth + 1, "size, at = sized(data, at)", f"{into} = {long_}")

    def _blocks(self, depth: int, kind: str, node: Node, into: str) -> None:
        add, count = self._emitter.add, self._emitter.name()
        key, item = self._emitter.name(), self._emitter.name()
        add(depth, f"{into} = {'{}' if kind == 'map' else '[]'}", "while data[at]:")
        add(depth + 1, f"if {count} := SIZES[data[at]]:", f"    {count} -= 1", "    at += 1")
        add(depth + 1, "else:", f"    {count}, at = long(data, at)", f"    if {count} < 0:")
        add(depth + 3, f"{count} = -{count}", "_, at = long(data, at)")
        add(depth + 1, f"for _ in range({count}):")
        if kind == "map":
            self.read(depth + 2, "string", key, is_repeated=True)
            self.read(depth + 2, node["values"], item)
            add(depth + 2, f"{into}[{key}] = {item}")
        else:
            self.read(depth + 2, node["items"], item)
            add(depth + 2, f"{into}.append({item})")
        add(depth, "at += 1")
        if kind == "array":
            add(depth, f"{into} = tuple({into})")

    def _record(self, depth: int, node: Node, into: str) -> None:
        is_shared = node["name"] in self._shared
        if is_shared:
            entry, start = self._emitter.name(), self._emitter.name()
            cache = self._emitter.constant(_SharedRecords())
            self._emitter.add(
                depth,
                f"{entry} = {cache}.get(data[at:at + {_PREFIX}])",
                f"if {entry} is not None and data.startswith({entry}[0], at):",
                f"    _, size, {into} = {entry}",
                "    at += size",
                "else:",
                f"    {start} = at",
            )
            depth += 1
        names = {field["name"]: self._emitter.name() for field in node["fields"]}
        for field in node["fields"]:
            name = field["name"]
            self.read(depth, field["type"], names[name], is_repeated=name in self._repeated)
        record = self._classes[node["name"]]
        constructor = self._emitter.constant(record)
        arguments = ", ".join(f"{field}={name}" for field, name in names.items())
        if _takes_positions(record, tuple(names)):
            arguments = ", ".join(names.values())
        self._emitter.add(depth, f"{into} = {constructor}({arguments})")
        if is_shared:
            self._emitter.add(depth, f"{cache}.keep(data, {start}, at, {into})")
