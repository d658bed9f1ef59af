"""Rows in the form that ``COPY ... (FORMAT binary)`` reads, by straight-line code per table.

psycopg looks up a dumper for each value; here the kinds of the columns are known when the
code is made. Instants are microseconds since 1970 as everywhere; the binary form of a
timestamptz is a 64-bit count of microseconds since 2000, so no datetime is ever built.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec

from schemas.codegen.bounded_cache import Remembered, RememberedTexts
from schemas.codegen.emitter import Source
from sinks.postgres.arrays import array

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
EPOCH_2000 = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL's time begins."""

_BASE, _BASE_DIGITS = 10_000, 4
"""A numeric's digits go by four."""
_NEGATIVE = 0x4000
_SHORT = 256
_KEPT, _KEPT_WORDS = 65_536, 1_024
_size = struct.Struct("!i").pack
_SIZES = tuple(map(_size, range(_SHORT)))
_json = msgspec.json.Encoder(decimal_format="string").encode

NOT_NULL = " NOT NULL"
"""Behind the kind of a number or time: such neighbours are packed together."""
_FIXED = {
    "integer": ("i", "{}"),
    "bigint": ("q", "{}"),
    "timestamptz": ("q", f"{{}} - {EPOCH_2000}"),
}

# How a value ``{0}`` that is not null is written: its size in 4 bytes, then itself.
_KINDS = {
    "text": f"(SIZES[n] if (n := len(b := {{0}}.encode())) < {_SHORT} else size(n)) + b",
    "word": "WORDS[{0}]",
    "boolean": "(true if {0} else false)",
    "integer": "int4(4, {0})",
    "bigint": "int8(8, {0})",
    "numeric": "NUMERICS[{0} if type({0}) is str else str({0})]",
    "timestamptz": f"int8(8, {{0}} - {EPOCH_2000})",
    "date": f"int4(4, {{0}}.toordinal() - {date(2000, 1, 1).toordinal()})",
    "interval": "interval(16, {0}, 0, 0)",
    "jsonb": 'size(len(b := json({0})) + 1) + b"\\1" + b',
    "text[]": "size(len(b := array({0}))) + b",
    "uuid": "uuid_size + fromhex({0}.replace('-', ''))",
}


def numeric(amount: str) -> bytes:
    """A finite decimal as a field of type numeric, with the places that it is written with."""
    sign, digits, exponent = Decimal(amount).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{amount} is no amount")  # noqa: TRY004 - of the right type
    unscaled = int("".join(map(str, digits)) or "0")
    # The point stands between two groups of four.
    unscaled *= 10 ** (exponent % _BASE_DIGITS)
    groups: list[int] = []
    while unscaled:
        unscaled, group = divmod(unscaled, _BASE)
        groups.append(group)
    weight = len(groups) - 1 + exponent // _BASE_DIGITS
    while groups and not groups[0]:
        del groups[0]
    count = len(groups)
    return struct.pack(
        f"!ihhHh{count}H",
        8 + 2 * count,
        count,
        weight if groups else 0,
        _NEGATIVE if sign and groups else 0,
        max(0, -exponent),
        *reversed(groups),
    )


def text(value: str) -> bytes:
    """A text as a field."""
    return _size(len(raw := value.encode())) + raw


def compiled(kinds: Sequence[str]) -> Callable[[Iterable[Sequence[Any]]], bytes]:
    """A function from rows, whose values are of these kinds, to what HEAD and TAIL enclose.

    Kinds are SQL types, some of them NOT_NULL, and ``word``: a text of which the same few stand
    in many rows.
    """
    source = Source(
        null=b"\xff\xff\xff\xff",
        true=b"\0\0\0\1\1",
        false=b"\0\0\0\1\0",
        count=struct.pack("!h", len(kinds)),
        uuid_size=struct.pack("!i", 16),
        SIZES=_SIZES,
        size=_size,
        int4=struct.Struct("!ii").pack,
        int8=struct.Struct("!iq").pack,
        interval=struct.Struct("!iqii").pack,
        fromhex=bytes.fromhex,
        NUMERICS=Remembered(numeric, _KEPT),
        WORDS=RememberedTexts(text, _KEPT_WORDS),
        json=_json,
        array=array,
    )
    names = [source.name() for _ in kinds]
    source.add(0, "parts = []", "add = parts.append", f"for {', '.join(names)}, in rows:")
    source.add(1, "add(b''.join((count,")
    columns = zip(names, kinds, strict=True)
    for always, some in groupby(columns, lambda column: column[1].endswith(NOT_NULL)):
        if always:
            source.add(2, _packed(source, some))
            continue
        for name, kind in some:
            source.add(2, f"null if {name} is None else {_KINDS[kind].format(name)},")
    source.add(1, ")))")
    source.add(0, "return b''.join(parts)")
    made: Callable[[Iterable[Sequence[Any]]], bytes] = source.compiled(
        "def written(rows):", "<binary rows>"
    )
    return made


def _packed(source: Source, columns: Iterable[tuple[str, str]]) -> str:
    form, values = "!", []
    for name, kind in columns:
        code, value = _FIXED[kind.removesuffix(NOT_NULL)]
        form += f"i{code}"
        values += [str(struct.calcsize(f"!{code}")), value.format(name)]
    return f"{source.constant(struct.Struct(form).pack)}({', '.join(values)}),"
