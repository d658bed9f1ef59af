"""Exports tables into CSV or Parquet files, all of them as of one snapshot."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from hookline.console import csv_cells, output
from hookline.console.errors import CommandError
from hookline.tables import reading
from runtime.process.private_files import create_folder

CONTACTS = "customer_contacts"
_RAW_RECORDS = frozenset({"sink_rejects", "cart_activity"})
"""Tables of whole records, which only the sinks need."""
_INTERNAL_COLUMNS = frozenset({"layers", "links", "fold", "orders_version"})
"""Columns that only the merge and the fold need."""
_FETCH_ROWS = 5000
"""Rows in memory at a time."""

_RELATIONS = """
    SELECT c.relname, greatest(c.reltuples, 0)::bigint,
        array_agg(a.attname::text ORDER BY a.attnum),
        array_agg(t.typname::text ORDER BY a.attnum), array_agg(a.atttypmod ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'v')
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL(%s)
    GROUP BY c.oid ORDER BY c.relname
"""
_BOOKKEEPING = (
    "audit_ledger", "dead_letter_offsets", "erasures", "fences", "letter_marks", "link_keys",
    "outbox", "schema_migrations", "sent_signals", "watermark",
)  # fmt: skip

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, PostgreSQL type name, and precision and scale of a numeric."""

    name: str
    kind: str
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view to export. ``estimate``: rows by the server's statistics; 0 = unknown."""

    name: str
    estimate: int
    columns: tuple[Column, ...]


WriteRows = Callable[[Sequence[Row]], Any]
"""Appends rows to a file, values in the order of the columns."""
OpenFile = Callable[[Path, Relation], AbstractContextManager[WriteRows]]


def relations(
    connection: psycopg.Connection[Any], schema: str, *, contacts: bool
) -> list[Relation]:
    """Return what can be exported: tables and views except the sinks' bookkeeping."""
    excluded = {*_RAW_RECORDS, *_BOOKKEEPING} | (set() if contacts else {CONTACTS})
    cursor = connection.execute(_RELATIONS, [f'"{schema}"', list(_INTERNAL_COLUMNS)])
    return [
        Relation(name, estimate, tuple(map(_column, names, kinds, modifiers)))
        for name, estimate, names, kinds, modifiers in cursor
        if name not in excluded
    ]


def export(
    url: str,
    schema: str,
    file_format: tuple[str, OpenFile],
    folder: Path,
    wanted: Sequence[str] = (),
    *,
    contacts: bool = False,
    progress: output.Progress = lambda _what, _done, _total: None,
) -> dict[Path, int]:
    """Write each table into a file of ``folder``; return file -> rows. Memory stays flat.

    ``file_format``: file extension and function that opens a file; ``wanted``: names, all if empty.
    A file appears complete or not at all, readable by its owner only. Raises CommandError,
    psycopg.Error, OSError.
    """
    extension, open_file = file_format
    written: dict[Path, int] = {}
    with reading.connect(url, schema, contacts=contacts) as connection:
        connection.autocommit = False
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET LOCAL TimeZone TO 'UTC'")
        connection.execute("SET LOCAL statement_timeout TO 0")  # as long as the tables are large
        selected = _selected(relations(connection, schema, contacts=contacts), wanted)
        create_folder(folder)
        for relation in selected:
            path = folder / f"{relation.name}.{extension}"
            with _atomic(path) as temporary, open_file(temporary, relation) as write:
                rows = 0
                for batch in _rows(connection, schema, relation):
                    write(batch)
                    rows += len(batch)
                    progress(relation.name, rows, max(rows, relation.estimate))
            written[path] = rows
    return written


def _selected(available: Sequence[Relation], wanted: Sequence[str]) -> list[Relation]:
    by_name = {relation.name: relation for relation in available}
    if CONTACTS in wanted and CONTACTS not in by_name:
        raise CommandError(f"{CONTACTS} holds personal data: ask for it with --contacts")
    if unknown := [name for name in wanted if name not in by_name]:
        raise CommandError(f"no table {unknown[0]!r} to export: there is {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(wanted)] if wanted else list(available)


def _rows(
    connection: psycopg.Connection[Any], schema: str, relation: Relation
) -> Iterator[list[Row]]:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in relation.columns)
    with connection.cursor(name="export") as cursor:
        cursor.execute(
            sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(schema, relation.name))
        )
        while batch := cursor.fetchmany(_FETCH_ROWS):
            yield batch


@contextmanager
def _atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path, which replaces ``path`` unless the block raises."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _column(name: str, kind: str, modifier: int) -> Column:
    if kind == "numeric" and modifier >= 0:  # ((precision << 16) | scale) + 4
        return Column(name, kind, (modifier - 4) >> 16, (modifier - 4) & 0xFFFF)
    return Column(name, kind)


def csv_text(value: Any) -> str:
    """Return a value as a CSV cell: exact, in UTC, and never a formula."""
    if value is None:
        return ""
    convert = _TEXT.get(type(value))
    return csv_cells.csv_cell(str(value)) if convert is None else convert(value)


def seconds(value: timedelta) -> Decimal:
    """Return a duration in seconds, exactly."""
    return Decimal(value // timedelta(microseconds=1)).scaleb(-6)


def json_text(value: Any) -> str:
    """Return a list or mapping as JSON."""
    return json.dumps(value, default=output.json_default, ensure_ascii=False, separators=(",", ":"))


def _instant(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


_TEXT: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    Decimal: lambda value: f"{value:f}",
    datetime: _instant,
    date: date.isoformat,
    timedelta: lambda value: f"{seconds(value):f}",
    dict: lambda value: csv_cells.csv_cell(json_text(value)),
    list: lambda value: csv_cells.csv_cell(json_text(value)),
}
"""Type -> conversion. Other types are numbers, or text from a sender, which is escaped."""


@contextmanager
def _open_csv(path: Path, relation: Relation) -> Iterator[WriteRows]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in relation.columns])
        yield lambda rows: writer.writerows(map(csv_text, row) for row in rows)


CSV: tuple[str, OpenFile] = ("csv", _open_csv)
