"""Avro -> records, by straight-line code made from the schema: see ``writer``.

Reads what was written with this very schema. Bytes that end early, go on too long or hold
what no field can be raise ValueError, IndexError or UnicodeDecodeError.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from inspect import signature
from typing import Any

from schemas.codegen.bounded_cache import Remembered
from schemas.codegen.emitter import Node, Source, kind_of

_PLACES = Decimal((0, (1,), -4))
_GO_ON = 0x8080808080808080
_EIGHTH_ENDS = 0x0080808080808080
_KEPT = 4_096
"""How many values that come again are remembered by their bytes, of each kind."""
_SHOWN = 24
"""Bytes of a shared record by which it is looked up, before all of them are compared."""

_SIZES = tuple(0 if first & 0x81 else (first >> 1) + 1 for first in range(256))
"""By its first byte: the bytes of a text of under 64, this one among them. 0: look closer."""


def long(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag varint that begins at ``at``, and where the next thing begins."""
    byte = data[at]
    if byte < 128:  # noqa: PLR2004 - the bit that says: more to come
        return (byte >> 1) ^ -(byte & 1), at + 1
    eight = int.from_bytes(data[at : at + 8], "little")
    if eight & _GO_ON == _EIGHTH_ENDS:  # as today's times are: all at once
        return _eight(eight), at + 8
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


def _eight(eight: int) -> int:
    """What eight bytes say of which the last alone ends a varint."""
    eight &= ~_GO_ON
    eight = eight & 0x007F007F007F007F | (eight & 0x7F007F007F007F00) >> 1
    eight = eight & 0x00003FFF00003FFF | (eight & 0x3FFF00003FFF0000) >> 2
    eight = eight & 0xFFFFFFF | eight >> 32 << 28
    return (eight >> 1) ^ -(eight & 1)


class _Times(dict[bytes, int | None]):
    """Times by their eight bytes, None where eight bytes are no time: events share them."""

    def __missing__(self, told: bytes) -> int | None:
        eight = int.from_bytes(told, "little")
        if len(told) != 8 or eight & _GO_ON != _EIGHTH_ENDS:  # noqa: PLR2004 - as the name says
            return None
        if len(self) >= _KEPT:
            self.clear()
        time = self[told] = _eight(eight)
        return time


def money(unscaled: bytes) -> Decimal:
    """The amount whose last of four places is counted in these bytes."""
    return Decimal(int.from_bytes(unscaled, "big", signed=True)) * _PLACES


def sized(data: bytes, at: int) -> tuple[int, int]:
    """A number that is never negative, and where the next thing begins."""
    number, at = long(data, at)
    if number < 0:
        raise ValueError("a negative size")
    return number, at


def ended(at: int, data: bytes) -> None:
    """Raise ValueError where the record's end is not the bytes' end."""
    if at != len(data):
        raise ValueError(f"a record of {at} bytes in {len(data)}")


class _Symbols(dict[int, Any]):
    """An enum's members by the byte of their places, which are less than 64."""

    def __missing__(self, byte: int) -> Any:
        raise ValueError(f"a byte of no enum's symbol: {byte}")


class _Shared(dict[bytes, tuple[bytes, int, Any]]):
    """Records that come again in many others, by the bytes that they begin with."""

    def keep(self, data: bytes, start: int, end: int, record: Any) -> None:
        if len(self) >= _KEPT:
            self.clear()
        self[data[start : start + _SHOWN]] = data[start:end], end - start, record


def _takes_positions(record: Any, names: tuple[str, ...]) -> bool:
    """Whether it may be built by position, in this order: of many keywords each is searched."""
    parameters = signature(record).parameters
    return tuple(parameters) == names and all(
        each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters.values()
    )


def compiled(
    schema: Node,
    classes: Mapping[str, Any],
    start: int,
    shared: frozenset[str] = frozenset(),
    repeated: frozenset[str] = frozenset(),
) -> Callable[[bytes], Any]:
    """A function from bytes, of which the first ``start`` are skipped, to a record.

    ``classes``: record and enum types by their names in the schema. ``shared``: names of
    record types of which the same few stand in many records; equal ones become one object.
    ``repeated``: names of fields in which the same few texts do.
    """
    source = Source(
        long=long,
        sized=sized,
        ended=ended,
        SIZES=_SIZES,
        TIMES=_Times(),
        AMOUNTS=Remembered(money, _KEPT),
        TEXTS=Remembered(bytes.decode, _KEPT),
    )
    source.add(0, f"at = {start}")
    _Reading(source, classes, shared, repeated).read(0, schema, "record")
    source.add(0, "ended(at, data)", "return record")
    read: Callable[[bytes], Any] = source.compiled("def read(data):", "<avro reader>")
    return read


class _Reading:
    """Adds to a source what reads a value of a node into a local name."""

    def __init__(
        self,
        source: Source,
        classes: Mapping[str, Any],
        shared: frozenset[str],
        repeated: frozenset[str],
    ) -> None:
        self._source, self._classes = source, classes
        self._shared, self._repeated = shared, repeated

    def read(self, depth: int, node: Node, into: str, *, is_repeated: bool = False) -> None:
        node = self._source.resolved(node)
        kind = kind_of(node)
        add = self._source.add
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
                places = zip(range(0, 128, 2), members, strict=False)
                symbols = self._source.constant(_Symbols(places))
                add(depth, f"{into} = {symbols}[data[at]]", "at += 1")
            case "optional":
                add(depth, "if (branch := data[at]) == 0:", f"    {into} = None", "    at += 1")
                add(depth, "elif branch == 2:", "    at += 1")
                self.read(depth + 1, node[1], into, is_repeated=is_repeated)
                add(depth, "else: raise ValueError('a branch of no union')")
            case "array" | "map":
                self._blocks(depth, kind, node, into)
            case "record":
                self._record(depth, node, into)
            case _:
                raise ValueError(f"no way to read {node}")

    def _bytes(self, depth: int, into: str, short: str, long_: str) -> None:
        """``short`` and ``long_``: what is made of bytes under 64, and of more."""
        short = short.format("data[at + 1:(at := at + size)]")
        long_ = long_.format("data[at:(at := at + size)]")
        self._source.add(depth, "if size := SIZES[data[at]]:", f"    {into} = {short}", "else:")
        self._source.add(depth + 1, "size, at = sized(data, at)", f"{into} = {long_}")

    def _blocks(self, depth: int, kind: str, node: Node, into: str) -> None:
        add, count = self._source.add, self._source.name()
        key, each = self._source.name(), self._source.name()
        add(depth, f"{into} = {'{}' if kind == 'map' else '[]'}", "while data[at]:")
        add(depth + 1, f"if {count} := SIZES[data[at]]:", f"    {count} -= 1", "    at += 1")
        add(depth + 1, "else:", f"    {count}, at = long(data, at)", f"    if {count} < 0:")
        add(depth + 3, f"{count} = -{count}", "_, at = long(data, at)")
        add(depth + 1, f"for _ in range({count}):")
        if kind == "map":
            self.read(depth + 2, "string", key, is_repeated=True)
            self.read(depth + 2, node["values"], each)
            add(depth + 2, f"{into}[{key}] = {each}")
        else:
            self.read(depth + 2, node["items"], each)
            add(depth + 2, f"{into}.append({each})")
        add(depth, "at += 1")
        if kind == "array":
            add(depth, f"{into} = tuple({into})")

    def _record(self, depth: int, node: Node, into: str) -> None:
        is_shared = node["name"] in self._shared
        if is_shared:
            known, began = self._source.name(), self._source.name()
            kept = self._source.constant(_Shared())
            self._source.add(
                depth,
                f"{known} = {kept}.get(data[at:at + {_SHOWN}])",
                f"if {known} is not None and data.startswith({known}[0], at):",
                f"    _, size, {into} = {known}",
                "    at += size",
                "else:",
                f"    {began} = at",
            )
            depth += 1
        names = {field["name"]: self._source.name() for field in node["fields"]}
        for field in node["fields"]:
            name = field["name"]
            self.read(depth, field["type"], names[name], is_repeated=name in self._repeated)
        record = self._classes[node["name"]]
        made = self._source.constant(record)
        told = ", ".join(f"{field}={name}" for field, name in names.items())
        if _takes_positions(record, tuple(names)):
            told = ", ".join(names.values())
        self._source.add(depth, f"{into} = {made}({told})")
        if is_shared:
            self._source.add(depth, f"{kept}.keep(data, {began}, at, {into})")
