"""The table ``erasures``: entries of the ledger that are applied to these tables."""

from typing import Any

import msgspec
from psycopg import AsyncConnection, sql

from schemas.json_records.erasures import Entry, Ledger

Connection = AsyncConnection[Any]


class LedgerMovedError(Exception):
    """Erasures were applied that a plan does not know: plan again, then repeat the transaction."""


async def require(connection: Connection, known: int) -> None:
    """Raise LedgerMovedError unless ``known`` is the number of the last change.

    None is applied before this transaction ends: whoever applies one locks the table.
    """
    if await last_number(connection) != known:
        raise LedgerMovedError


async def last_number(connection: Connection) -> int:
    """Return the number of the last change; 0 before the first."""
    row = await (await connection.execute("SELECT max(number) FROM erasures")).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


async def entries(connection: Connection, schema: str) -> list[Entry]:
    """Return what is applied to the tables of a schema."""
    query = sql.SQL("SELECT entry FROM {} ORDER BY number").format(
        sql.Identifier(schema, "erasures")
    )
    cursor = await connection.execute(query)
    return [msgspec.convert(entry, Entry) async for (entry,) in cursor]


async def read(connection: Connection) -> tuple[int, Ledger]:
    """Return the number of the last change, and all entries."""
    last = await last_number(connection)
    cursor = await connection.execute("SELECT entry FROM erasures ORDER BY number")
    return last, Ledger([msgspec.convert(entry, Entry) async for (entry,) in cursor])
