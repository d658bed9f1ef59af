"""Rows into tables by COPY in PostgreSQL's binary form: whole batches, no text to parse."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql

from sinks.postgres import binary_rows
from sinks.postgres.arrays import texts

_AT_ONCE = 100
"""Rows that are sent before the next are made."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table to replace rows in: its name, the column that names an entity, all columns.

    ``columns``: (name, kind) in the order of the rows' values; kinds are SQL types.
    """

    name: str
    key: str
    columns: tuple[tuple[str, str], ...]
    _names: tuple[str, ...] = field(init=False, repr=False)
    _copy: sql.Composed = field(init=False, repr=False)
    _delete: sql.Composed = field(init=False, repr=False)
    _written: Callable[[Iterable[Sequence[Any]]], bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table, key = sql.Identifier(self.name), sql.Identifier(self.key)
        object.__setattr__(self, "_names", tuple(name for name, _ in self.columns))
        names = sql.SQL(", ").join(map(sql.Identifier, self._names))
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, names)
        delete = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(table, key)
        object.__setattr__(self, "_copy", copy)
        object.__setattr__(self, "_delete", delete)
        written = binary_rows.compiled([kind for _, kind in self.columns])
        object.__setattr__(self, "_written", written)

    def row(self, told: Mapping[str, Any]) -> list[Any]:
        """The values of the columns, None for those that are not told."""
        return list(map(told.get, self._names))

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
            await connection.execute(self._delete, [texts(stored)])
        await self.append(connection, rows)

    async def append(self, connection: AsyncConnection[Any], rows: Iterable[Sequence[Any]]) -> None:
        """Add ``rows``; values stand in the order of the columns.

        The server stores the first of them while the next are made: give an iterator.

        Raises psycopg.DataError for a value that its column's type cannot hold.
        """
        rest = iter(rows)
        some = list(islice(rest, _AT_ONCE))
        if not some:
            return
        async with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            await copy.write(binary_rows.HEAD)
            while some:
                await copy.write(self._bytes(some))
                some = list(islice(rest, _AT_ONCE))
            await copy.write(binary_rows.TAIL)

    def _bytes(self, rows: Sequence[Sequence[Any]]) -> bytes:
        try:
            return self._written(rows)
        except (struct.error, TypeError, ValueError, ArithmeticError) as error:
            raise psycopg.DataError(f"a row of {self.name} cannot be written: {error}") from error
