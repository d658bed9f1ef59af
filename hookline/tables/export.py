"""Tables into files: CSV for anything, Parquet for columns; every table as of one moment."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql

from hookline.console import escaping, output
from hookline.errors import CommandError

CONTACTS = "customer_contacts"
_APART = frozenset({"sink_rejects", "cart_activity"})
"""Records whole, and what the fold alone needs."""
_INNER = frozenset({"layers", "links", "fold", "orders_version"})
"""Columns that the merge and the fold need, analysts do not."""
_AT_ONCE = 5000
"""Rows held at a time."""

_RELATIONS = """
    SELECT c.relname, greatest(c.reltuples, 0)::bigint,
        array_agg(a.attname::text ORDER BY a.attnum),
        array_agg(t.typname::text ORDER BY a.attnum), array_agg(a.atttypmod ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'v')
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL(%s)
    GROUP BY c.oid ORDER BY c.relname
"""
_KEPT_BY_THE_SINKS = (
    "audit_ledger", "fences", "letter_marks", "link_keys", "outbox", "schema_migrations",
    "sent_signals", "watermark",
)  # fmt: skip

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, PostgreSQL's name of its type, digits and places of a numeric."""

    name: str
    kind: str
    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view to export. ``estimate``: rows, as the server guesses; 0 = no idea."""

    name: str
    estimate: int
    columns: tuple[Column, ...]


class Sheet(Protocol):
    """A file that takes rows."""

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows, values in the order of the columns."""


Opens = Callable[[Path, Relation], AbstractContextManager[Sheet]]


def relations(
    connection: psycopg.Connection[Any], schema: str, *, contacts: bool
) -> list[Relation]:
    """What can be exported: the two tables, the views, the working tables."""
    left_out = {*_APART, *_KEPT_BY_THE_SINKS} | (set() if contacts else {CONTACTS})
    found = connection.execute(_RELATIONS, [f'"{schema}"', list(_INNER)])
    return [
        Relation(name, estimate, tuple(map(_column, names, kinds, modifiers)))
        for name, estimate, names, kinds, modifiers in found
        if name not in left_out
    ]


def export(
    url: str,
    schema: str,
    opens: tuple[str, Opens],
    folder: Path,
    wanted: Sequence[str] = (),
    *,
    contacts: bool = False,
    progress: output.Told = lambda _what, _done, _of: None,
) -> dict[Path, int]:
    """Write each table into a file of ``folder``; file -> rows. Memory stays flat.

    ``opens``: a file's ending and what opens it; ``wanted``: names, all if none. A file appears
    whole or not at all, for its owner alone. Raises CommandError, psycopg.Error, OSError.
    """
    ending, sheet = opens
    written: dict[Path, int] = {}
    with psycopg.connect(url, application_name="hookline-export", connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET LOCAL TimeZone TO 'UTC'")
        chosen = _chosen(relations(connection, schema, contacts=contacts), wanted)
        folder.mkdir(parents=True, exist_ok=True)
        for relation in chosen:
            path = folder / f"{relation.name}.{ending}"
            with _whole(path) as fresh, sheet(fresh, relation) as file:
                rows = 0
                for some in _rows(connection, schema, relation):
                    file.write(some)
                    rows += len(some)
                    progress(relation.name, rows, max(rows, relation.estimate))
            written[path] = rows
    return written


def _chosen(found: Sequence[Relation], wanted: Sequence[str]) -> list[Relation]:
    known = {relation.name: relation for relation in found}
    if CONTACTS in wanted and CONTACTS not in known:
        raise CommandError(f"{CONTACTS} holds personal data: ask for it with --contacts")
    if unknown := [name for name in wanted if name not in known]:
        raise CommandError(f"no table {unknown[0]!r} to export: there is {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(wanted)] if wanted else list(found)


def _rows(
    connection: psycopg.Connection[Any], schema: str, relation: Relation
) -> Iterator[list[Row]]:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in relation.columns)
    with connection.cursor(name="export") as cursor:
        cursor.execute(
            sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(schema, relation.name))
        )
        while some := cursor.fetchmany(_AT_ONCE):
            yield some


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _column(name: str, kind: str, modifier: int) -> Column:
    if kind == "numeric" and modifier >= 0:
        return Column(name, kind, (modifier - 4) >> 16, (modifier - 4) & 0xFFFF)
    return Column(name, kind)


def text(value: Any) -> str:
    """A value as a cell of a CSV file: exact, in UTC, and never a formula."""
    if value is None:
        return ""
    plain = _PLAIN.get(type(value))
    return escaping.cell(str(value)) if plain is None else plain(value)


def seconds(value: timedelta) -> Decimal:
    """A span of time, exactly."""
    return Decimal(value // timedelta(microseconds=1)).scaleb(-6)


def document(value: Any) -> str:
    """A list or mapping as one JSON text."""
    return json.dumps(value, default=output.plain, ensure_ascii=False, separators=(",", ":"))


def _instant(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


_PLAIN: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    Decimal: lambda value: f"{value:f}",
    datetime: _instant,
    date: date.isoformat,
    timedelta: lambda value: f"{seconds(value):f}",
    dict: lambda value: escaping.cell(document(value)),
    list: lambda value: escaping.cell(document(value)),
}
"""Type -> its text. The others are a sender's words, or numbers as they stand."""


class _Csv:
    def __init__(self, file: Any, relation: Relation) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow([column.name for column in relation.columns])

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows(map(text, row) for row in rows)


@contextmanager
def _open_csv(path: Path, relation: Relation) -> Iterator[Sheet]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _Csv(file, relation)


CSV: tuple[str, Opens] = ("csv", _open_csv)
