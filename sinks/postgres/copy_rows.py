"""Rows into tables by binary COPY, with dumpers for what our rows hold.

Instants and intervals are integers (microseconds, instants since 1970), amounts are texts or
decimals, UUIDs are texts: so no datetime, Decimal or UUID object is built only to be written.
"""

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection, sql
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from schemas.codegen.bounded_cache import BoundedCache

_OIDS = psycopg.adapters.types
_TEXT_OID = _OIDS.get_oid("text")
_EPOCH_2000 = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL's time begins."""
_CACHED_AMOUNTS = 65_536
_UUID_SIZE = 16

_int4 = struct.Struct("!i").pack
_int8 = struct.Struct("!q").pack
_interval = struct.Struct("!qii").pack  # microseconds, days, months
_array_head = struct.Struct("!iiIii").pack  # dimensions, nulls, type; size and lower bound
_EMPTY_ARRAY = struct.pack("!iiI", 0, 0, _TEXT_OID)
_json = msgspec.json.Encoder(decimal_format="string").encode
_decimal = psycopg.adapters.get_dumper(Decimal, PyFormat.BINARY)(Decimal).dump


def _amount(text: str) -> Any:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(f"{text} is no amount")
    return _decimal(amount)


_AMOUNTS = BoundedCache(_amount, _CACHED_AMOUNTS)
"""By text, not by Decimal: 1.0 and 1.00 are equal, but keep their own number of digits."""


class _Integer(Dumper):
    oid, format = _OIDS.get_oid("integer"), Format.BINARY

    def dump(self, obj: int) -> bytes:
        return _int4(obj)  # psycopg's own drops the bits that do not fit


class _Numeric(Dumper):
    oid, format = _OIDS.get_oid("numeric"), Format.BINARY

    def dump(self, obj: str | Decimal) -> Any:
        return _AMOUNTS[obj if type(obj) is str else str(obj)]


class _Timestamptz(Dumper):
    oid, format = _OIDS.get_oid("timestamptz"), Format.BINARY

    def dump(self, obj: int) -> bytes:
        return _int8(obj - _EPOCH_2000)


class _Interval(Dumper):
    oid, format = _OIDS.get_oid("interval"), Format.BINARY

    def dump(self, obj: int) -> bytes:
        return _interval(obj, 0, 0)


class _Uuid(Dumper):
    oid, format = _OIDS.get_oid("uuid"), Format.BINARY

    def dump(self, obj: str) -> bytes:
        raw = bytes.fromhex(obj.replace("-", ""))
        if len(raw) != _UUID_SIZE:
            raise ValueError(f"{obj} is no UUID")
        return raw


class _Jsonb(Dumper):
    oid, format = _OIDS.get_oid("jsonb"), Format.BINARY

    def dump(self, obj: Any) -> bytes:
        return b"\1" + _json(obj)  # the version of the format, then the text


class _TextArray(Dumper):
    oid, format = _OIDS.get_oid("text[]"), Format.BINARY

    def dump(self, obj: Iterable[str]) -> bytes:
        items = [_int4(len(item := value.encode())) + item for value in obj]
        if not items:
            return _EMPTY_ARRAY
        return _array_head(1, 0, _TEXT_OID, len(items), 1) + b"".join(items)


_DUMPERS = (_Integer, _Numeric, _Timestamptz, _Interval, _Uuid, _Jsonb, _TextArray)


def register_dumpers(context: AdaptContext) -> None:
    """Let ``Table`` write through this connection; its statements are not affected."""
    for dumper in _DUMPERS:
        context.adapters.register_dumper(None, dumper)


class Table:
    """A table to replace rows in: its name, the column that names an entity, all columns.

    ``columns``: (name, SQL type) in the order of the rows' values.
    """

    def __init__(self, name: str, key: str, columns: tuple[tuple[str, str], ...]) -> None:
        self.name, self.key, self.columns = name, key, columns
        self._names, self._types = zip(*columns, strict=True)
        table, names = sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, self._names))
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, names)
        self._delete = sql.SQL("DELETE FROM {} WHERE {} = ANY(%b)").format(
            table, sql.Identifier(key)
        )

    def row(self, values: Mapping[str, Any]) -> list[Any]:
        """The values of the columns, None for those that are not given."""
        return list(map(values.get, self._names))

    async def replace(
        self,
        connection: AsyncConnection[Any],
        stored: Collection[str],
        rows: Iterable[Sequence[Any]],
    ) -> None:
        """Delete the rows of the entities ``stored``, then append ``rows``.

        The caller holds the locks of all entities of ``rows``, so an entity that is not stored
        cannot appear meanwhile: no row needs ON CONFLICT.
        """
        if stored:
            await connection.execute(self._delete, [list(stored)])
        await self.append(connection, rows)

    async def append(self, connection: AsyncConnection[Any], rows: Iterable[Sequence[Any]]) -> None:
        """Copy ``rows`` into the table; their values are in the order of the columns.

        Give an iterator: the server stores the first rows while the next are built. The
        connection has been given to ``register_dumpers``. Raises psycopg.DataError for a value
        that its column's type cannot hold.
        """
        remaining = iter(rows)
        row = next(remaining, None)
        if row is None:
            return
        async with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self._types)
            while row is not None:
                try:
                    await copy.write_row(row)
                except (struct.error, TypeError, ValueError, ArithmeticError) as error:
                    message = f"a row of {self.name} cannot be written: {error}"
                    raise psycopg.DataError(message) from error
                row = next(remaining, None)
