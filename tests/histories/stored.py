"""Histories in PostgreSQL: emptied, stored, read back, compared with the pure rules."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from hookline.local.process import free_port
from hookline.local.servers.postgres import Postgres
from runtime.settings import Settings
from schemas.events import Event, Micros
from sinks.rebuild import table_digest
from tests.histories.history import ORDER, Row, shown
from tests.histories.running import ONLY_SQL
from tests.lifetime.from_tables import NEEDED, differences
from tests.sink_events import Tables

_EMPTIED = (*table_digest.DERIVED, "link_keys", "outbox", "sent_signals", "watermark")
_AMOUNTS = ("cart_value", "recovered_value")


@contextmanager
def database(directory: Path) -> Iterator[Settings]:
    """A PostgreSQL of its own, without the other servers, until the block ends."""
    server = Postgres(directory / "postgres", free_port(), directory)
    server.start()
    try:
        yield replace(Settings(), database_url=server.url, state_dir=str(directory))
    finally:
        server.stop()


def empty(tables: Tables) -> None:
    """Forget every row; the fences stay."""
    names = sql.SQL(";").join(
        sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in _EMPTIED
    )
    with tables._connect() as connection:
        connection.execute(names)


async def store(
    tables: Tables, batches: Sequence[Sequence[Event]], watermark: Micros, seed: int
) -> None:
    """Store batches; time goes on twice between them, and in the end to the watermark."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    first = min(event.meta.occurred_at for batch in batches for event in batch)
    moments = sorted(chance.randrange(first, watermark) for _ in range(2))
    positions = sorted(chance.randrange(len(batches)) for _ in moments)
    for number, batch in enumerate(batches):
        for at, position in zip(moments, positions, strict=True):
            if position == number:
                await tables.passed(at)
        await tables.put_batch(batch)
    await tables.passed(watermark)


def read(tables: Tables) -> dict[str, list[Row]]:
    """All rows of what histories speak of, signals in the order in which they are sent."""
    with tables._connect() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        found = {
            name: cursor.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))
            ).fetchall()
            for name in ORDER
            if name != "signals"
        }
        records = connection.execute("SELECT record FROM outbox ORDER BY position").fetchall()
    found["signals"] = [
        {name: _amount(name, value) for name, value in record.items()} for (record,) in records
    ]
    return found


def slowly(tables: Tables) -> list[str]:
    """What does not add up by the independent rule, which reads the tables alone."""
    with tables._connect() as connection:
        return differences(rows_of(connection))


def rows_of(connection: psycopg.Connection[Any]) -> dict[str, list[Row]]:
    """All rows that the independent rule needs."""
    cursor = connection.cursor(row_factory=dict_row)
    return {
        name: cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))).fetchall()
        for name in NEEDED
    }


def unlike(expected: Mapping[str, Sequence[Row]], found: Mapping[str, Iterable[Row]]) -> list[str]:
    """Tables whose rows in PostgreSQL are not, in every column, those of the pure rules."""
    wrong = []
    for table in ORDER:
        if table in ONLY_SQL or table == "signals":
            continue
        pure, stored = shown(table, expected[table]), shown(table, found[table])
        if len(pure) != len(stored):
            wrong.append(f"{table}: {len(stored)} rows, and {len(pure)} by the pure rules")
        for known, row in zip(pure, stored, strict=False):
            apart = {name: (row[name], known[name]) for name in known if row[name] != known[name]}
            if apart:
                wrong.append(f"{table}: {row[ORDER[table][0]]}, by SQL and by the rules: {apart}")
    return wrong


def _amount(name: str, value: object) -> object:
    return Decimal(value) if name in _AMOUNTS and isinstance(value, str) else value
