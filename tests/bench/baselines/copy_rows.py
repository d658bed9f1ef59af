"""PostgreSQL's COPY of exactly the rows that the events produced: no fold, no fence, no lock.

The tables are copies of ours with all their indexes, empty at first, filled in one transaction.
"""

from dataclasses import asdict
from typing import Any

import psycopg
from psycopg import sql

from tests.bench.measure import timed

TABLES = ("orders", "order_items", "customer_lifetime_value")
"""Where order events of two lines leave rows."""


def copied(database_url: str, schema: str, events: int) -> dict[str, Any]:
    """A sample of copying what now stands; in this process. ``events``: that made the rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bench_copy CASCADE")
        connection.execute("CREATE SCHEMA bench_copy")
        rows = {name: _read(connection, schema, name) for name in TABLES}

        def copy() -> int:
            with connection.transaction():
                for name, blocks in rows.items():
                    into = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(_copy_of(name))
                    with connection.cursor() as cursor, cursor.copy(into) as out:
                        for block in blocks:
                            out.write(block)
            return events

        sample = timed(copy)
        connection.execute("DROP SCHEMA bench_copy CASCADE")
    return asdict(sample)


def _read(connection: psycopg.Connection[Any], schema: str, name: str) -> list[bytes]:
    ours = sql.Identifier(schema, name)
    connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(_copy_of(name), ours)
    )
    text = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(ours)
    with connection.cursor() as cursor, cursor.copy(text) as found:
        return [bytes(block) for block in found]


def _copy_of(name: str) -> sql.Identifier:
    return sql.Identifier("bench_copy", name)
