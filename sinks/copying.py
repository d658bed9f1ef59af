"""Rows into tables by COPY in PostgreSQL's binary form: whole batches, no text to parse.

Instants are microseconds since 1970 as everywhere; the binary form of a timestamptz is a
64-bit count of microseconds since 2000, so no datetime is ever built.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from psycopg import AsyncConnection, sql

EPOCH_2000 = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL's time begins."""
_DAY_2000 = date(2000, 1, 1).toordinal()
_TEXT_OID = 25

_json = msgspec.json.Encoder(decimal_format="string")


def _jsonb(value: Any) -> bytes:
    return b"\1" + _json.encode(value)


def _texts(values: Sequence[str]) -> bytes:
    if not values:
        return struct.pack("!iiI", 0, 0, _TEXT_OID)
    encoded = [value.encode() for value in values]
    parts = [struct.pack("!iiIii", 1, 0, _TEXT_OID, len(values), 1)]
    for item in encoded:
        parts += (len(item).to_bytes(4, "big"), item)
    return b"".join(parts)


def _time(value: int) -> int:
    return value - EPOCH_2000


def _day(value: date) -> int:
    return value.toordinal() - _DAY_2000


def _interval(value: int) -> bytes:
    return struct.pack("!qii", value, 0, 0)


def _decimal(value: Decimal | str) -> Decimal:
    return value if type(value) is Decimal else Decimal(value)


def _uuid(value: str) -> bytes:
    return bytes.fromhex(value.replace("-", ""))


_KINDS: dict[str, tuple[str, Callable[[Any], Any] | None]] = {
    # kind of a column -> (the type that COPY is told, what makes a value of it)
    "text": ("text", None),
    "boolean": ("bool", None),
    "integer": ("int4", None),
    "bigint": ("int8", None),
    "numeric": ("numeric", _decimal),
    "timestamptz": ("int8", _time),
    "date": ("int4", _day),
    "interval": ("bytea", _interval),
    "jsonb": ("bytea", _jsonb),
    "text[]": ("bytea", _texts),
    "uuid": ("bytea", _uuid),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table to replace rows in: its name, the column that names an entity, all columns.

    ``columns``: (name, kind) in the order of the rows' values; kinds are SQL types.
    """

    name: str
    key: str
    columns: tuple[tuple[str, str], ...]
    _copy: sql.Composed = field(init=False, repr=False)
    _delete: sql.Composed = field(init=False, repr=False)
    _types: tuple[str, ...] = field(init=False, repr=False)
    _makers: tuple[tuple[int, Callable[[Any], Any]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table, key = sql.Identifier(self.name), sql.Identifier(self.key)
        names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in self.columns)
        kinds = [_KINDS[kind] for _, kind in self.columns]
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, names)
        delete = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(table, key)
        makers = [(at, maker) for at, (_, maker) in enumerate(kinds) if maker is not None]
        object.__setattr__(self, "_copy", copy)
        object.__setattr__(self, "_delete", delete)
        object.__setattr__(self, "_types", tuple(told for told, _ in kinds))
        object.__setattr__(self, "_makers", tuple(makers))

    async def replace(
        self,
        connection: AsyncConnection[Any],
        stored: Sequence[str],
        rows: Iterable[Sequence[Any]],
    ) -> None:
        """Put ``rows`` in the place of the entities ``stored``.

        The caller holds the locks of all of them, so an entity that is not stored cannot
        appear meanwhile, and new rows need no look for a conflict.
        """
        if stored:
            await connection.execute(self._delete, [list(stored)])
        await self.append(connection, rows)

    async def append(self, connection: AsyncConnection[Any], rows: Iterable[Sequence[Any]]) -> None:
        """Add ``rows``; values stand in the order of the columns."""
        ready = [self._ready(row) for row in rows]
        if not ready:
            return
        async with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            for row in ready:
                await copy.write_row(row)

    def _ready(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for at, maker in self._makers:
            if values[at] is not None:
                values[at] = maker(values[at])
        return values
