"""Looks through every column of every table that can hold text; finds a person's own rows."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from hookline.console.output import Progress, to_json
from hookline.people.person import Person, Session
from hookline.people.search import Kind, Search
from sinks.postgres.roles import CONTACTS

_FETCH_ROWS = 2000
_TABLES = """
    SELECT c.relname, greatest(c.reltuples, 0)::bigint,
        array_agg(a.attname::text ORDER BY a.attnum)
            FILTER (WHERE t.typcategory IN ('S', 'A', 'U')),
        array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relkind IN ('r', 'p')
        AND a.attnum > 0 AND NOT a.attisdropped AND has_table_privilege(c.oid, 'SELECT')
    GROUP BY c.oid ORDER BY c.relname
"""
_LINKS = ("order_key", "cart_key", "subscription_key", "payment_key", "shipment_key", "consent_key")
"""Columns by which rows without a customer belong to rows of one."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, how many rows the server estimates, and its columns.

    ``texts``: columns that can hold text.
    """

    name: str
    estimate: int
    texts: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(slots=True)
class OwnRows:
    """A person's rows by table: address of the row -> its values by column.

    ``entities``: keys of the carts, orders and the like of the person.
    """

    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    entities: set[str] = field(default_factory=set)

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        return {table: len(rows) for table, rows in self.rows.items() if rows}


def of_sessions(sessions: Sequence[Session], schema: str) -> list[tuple[Session, list[Table]]]:
    """Return what each session reads: the operator's all but contact data, the other that."""
    return [
        (session, _tables(session, schema, contacts=number > 0))
        for number, session in enumerate(sessions)
    ]


def _tables(session: Session, schema: str, *, contacts: bool) -> list[Table]:
    found = session.execute(_TABLES, [schema]).fetchall()
    return [
        Table(name, estimate, tuple(texts or ()), tuple(columns))
        for name, estimate, texts, columns in found
        if (name == CONTACTS) == contacts
    ]


def add_own_rows(own: OwnRows, session: Session, of: Sequence[Table], person: Person) -> None:
    """Add the person's rows of these tables.

    A row is of the person whose customer it names. One that names none belongs to the order, cart
    or the like that it names: first those with customers are read, then the others.
    """
    keys, guests = sorted(person.customers), person.guests
    for table in of:
        if "customer_key" in table.columns:
            condition = (
                "customer_key = ANY(%(keys)s) OR split_part(customer_key, '/', 3) = ANY(%(guests)s)"
            )
            _add(own, session, table, condition, {"keys": keys, "guests": guests})
    before = -1
    while before != (before := sum(map(len, own.rows.values()))):
        for table in of:
            links = [name for name in _LINKS if name in table.columns]
            if not links:
                continue
            condition = " OR ".join(f"{name} = ANY(%(entities)s)" for name in links)
            if "customer_key" in table.columns:
                condition = f"customer_key IS NULL AND ({condition})"
            _add(own, session, table, condition, {"entities": sorted(own.entities)})


def _add(
    own: OwnRows, session: Session, table: Table, condition: str, parameters: dict[str, Any]
) -> None:
    statement = sql.SQL("SELECT ctid::text, {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.Identifier(table.name),
        sql.SQL(condition),
    )
    rows = own.rows.setdefault(table.name, {})
    for at, *values in session.execute(statement, parameters).fetchall():
        row = dict(zip(table.columns, values, strict=True))
        rows[at] = row
        own.entities |= {row[name] for name in _LINKS if row.get(name)}


@dataclass(frozen=True, slots=True)
class RowSeen:
    """A row that holds something of the person: by column the kinds found there."""

    table: str
    at: str
    kinds: dict[str, set[Kind]]


def look_through(
    session: Session, of: Collection[Table], search: Search, progress: Progress
) -> Iterator[RowSeen]:
    """Yield the rows that hold something of the person. The session is in a transaction."""
    done, total = 0, sum(table.estimate for table in of)
    for table in of:
        if not table.texts:
            continue
        statement = sql.SQL("SELECT ctid::text, {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, table.texts)), sql.Identifier(table.name)
        )
        with session.cursor(name="people") as cursor:
            cursor.execute(statement)
            while batch := cursor.fetchmany(_FETCH_ROWS):
                for at, *values in batch:
                    if kinds := _kinds(search, table.texts, values):
                        yield RowSeen(table.name, at, kinds)
                done += len(batch)
                progress(f"looking through {table.name}", done, max(done, total))


def _kinds(search: Search, columns: Sequence[str], values: Sequence[Any]) -> dict[str, set[Kind]]:
    texts = [_text(value) for value in values]
    found = {
        column: kinds
        for column, text in zip(columns, texts, strict=True)
        if text and (kinds := search.in_texts([text]))
    }
    # A name in two columns.
    whole = to_json({column: text for column, text in zip(columns, texts, strict=True) if text})
    if Kind.NAME in search.kinds and not any(Kind.NAME in kinds for kinds in found.values()):
        together = search.in_text(whole) & {Kind.NAME}
        if together:
            found["several columns"] = together
    return found


def _text(value: Any) -> str | bytes | None:
    if value is None or isinstance(value, str | bytes):
        return value
    return to_json(value)
