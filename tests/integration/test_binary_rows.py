"""Rows that our own binary COPY writes, read back from PostgreSQL as they were."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from sinks.postgres import binary_rows
from sinks.postgres.copy_rows import Table
from tests.conftest import LiveStack

pytestmark = pytest.mark.stack

KINDS = (
    ("text", st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    ("boolean", st.booleans()),
    ("integer", st.integers(-(2**31), 2**31 - 1)),
    ("bigint", st.integers(-(2**63), 2**63 - 1)),
    ("numeric", st.decimals(-(10**14), 10**14, places=4) | st.integers().map(Decimal)),
    ("timestamptz", st.integers(0, 4_000_000_000_000_000)),
    ("date", st.dates()),
    ("interval", st.integers(-(10**15), 10**15)),
    ("jsonb", st.dictionaries(st.text("ab"), st.text("xyz") | st.integers(0, 9))),
    ("text[]", st.lists(st.text("ab,{}\"'\\ "))),
    ("uuid", st.uuids().map(str)),
)
COLUMNS = tuple((f"c{at}", kind) for at, (kind, _) in enumerate(KINDS))
ROWS = st.lists(st.tuples(*(st.none() | values for _, values in KINDS)), min_size=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _read(kind: str, value: Any) -> Any:
    """A value as psycopg gives back what was written."""
    if value is None:
        return None
    if kind == "timestamptz":
        return EPOCH + timedelta(microseconds=value)
    if kind == "interval":
        return timedelta(microseconds=value)
    return value


def _written(connection: psycopg.Connection[Any], rows: Any) -> None:
    table = Table("every_kind", "c0", COLUMNS)
    with connection.cursor() as cursor, cursor.copy(table._copy) as copy:
        copy.write(binary_rows.HEAD + table._written(rows) + binary_rows.TAIL)


@pytest.fixture
def table(stack: LiveStack) -> Iterator[psycopg.Connection[Any]]:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
    with psycopg.connect(stack.database_url) as connection:
        connection.execute(f"CREATE TEMP TABLE every_kind (place serial, {columns})")
        yield connection
        connection.rollback()


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=ROWS)
def test_what_is_written_is_read_back(
    table: psycopg.Connection[Any], rows: list[tuple[Any, ...]]
) -> None:
    table.execute("TRUNCATE every_kind")
    _written(table, rows)
    found = table.execute("SELECT *, c10::text FROM every_kind ORDER BY place").fetchall()
    expected = [
        tuple(_read(kind, value) for (_, kind), value in zip(COLUMNS, row, strict=True))
        for row in rows
    ]
    assert expected == [(*row[1:-2], row[-1]) for row in found]


@pytest.mark.parametrize(
    "amount", ["0", "0.0000", "-0.0001", "1.5", "10000", "99999999.9999", "1E+2", "-12345678.9"]
)
def test_an_amount_keeps_the_places_it_is_written_with(
    table: psycopg.Connection[Any], amount: str
) -> None:
    row = [None] * len(COLUMNS)
    row[4] = amount
    _written(table, [row])
    [(shown,)] = table.execute("SELECT c4::text FROM every_kind").fetchall()
    assert shown == f"{Decimal(amount):f}"
