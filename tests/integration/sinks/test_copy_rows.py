"""Rows that are copied into a table are read back from PostgreSQL as they were."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from psycopg import AsyncConnection

from sinks.postgres.copy_rows import Table, register_dumpers
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
COLUMNS = tuple((f"c{number}", kind) for number, (kind, _) in enumerate(KINDS))
ROWS = st.lists(st.tuples(*(st.none() | values for _, values in KINDS)), min_size=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TABLE = Table("every_kind", "c0", COLUMNS)


class Copying:
    """A table with a column of each kind, and a loop in which it is written and read."""

    def __init__(self, runner: asyncio.Runner, connection: AsyncConnection[Any]) -> None:
        self._runner, self._connection = runner, connection

    def written(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """All rows as psycopg reads them, and the uuid and the amount as texts."""
        return self._runner.run(self._written(rows))

    async def _written(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        connection = self._connection
        async with connection.transaction(force_rollback=True):
            await TABLE.append(connection, rows)
            cursor = await connection.execute(
                "SELECT *, c10::text, c4::text FROM every_kind ORDER BY number"
            )
            return await cursor.fetchall()


@pytest.fixture
def copying(stack: LiveStack) -> Iterator[Copying]:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)

    async def opened() -> AsyncConnection[Any]:
        connection = await AsyncConnection.connect(stack.database_url, autocommit=True)
        register_dumpers(connection)
        await connection.execute(
            f"CREATE TEMP TABLE every_kind (number serial, {columns})".encode()
        )
        return connection

    with asyncio.Runner() as runner:
        connection = runner.run(opened())
        yield Copying(runner, connection)
        runner.run(connection.close())


def _read(kind: str, value: Any) -> Any:
    """A value as psycopg gives back what was written."""
    if value is None:
        return None
    if kind == "timestamptz":
        return EPOCH + timedelta(microseconds=value)
    if kind == "interval":
        return timedelta(microseconds=value)
    return value


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=ROWS)
def test_what_is_written_is_read_back(copying: Copying, rows: list[tuple[Any, ...]]) -> None:
    expected = [
        tuple(_read(kind, value) for (_, kind), value in zip(COLUMNS, row, strict=True))
        for row in rows
    ]
    assert expected == [(*row[1:-3], row[-2]) for row in copying.written(rows)]


@pytest.mark.parametrize(
    "amount", ["0", "0.0000", "-0.0001", "1.5", "10000", "99999999.9999", "1E+2", "-12345678.9"]
)
def test_an_amount_keeps_the_digits_it_is_written_with(copying: Copying, amount: str) -> None:
    [row] = copying.written([_row("numeric", amount)])
    assert row[-1] == f"{Decimal(amount):f}"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "\0"),
        ("text", "\ud800"),
        ("integer", 2**31),
        ("integer", 2**40),
        ("bigint", 2**63),
        ("bigint", "1"),
        ("numeric", "NaN"),
        ("numeric", "no amount"),
        ("numeric", "1e200000"),
        ("timestamptz", 2**63),
        ("interval", 2**63),
        ("jsonb", {"a": "\0"}),
        ("uuid", "ab"),
        ("uuid", "no uuid"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_an_error_of_data(
    copying: Copying, kind: str, value: Any
) -> None:
    with pytest.raises(psycopg.DataError):
        copying.written([_row(kind, value)])
    assert len(copying.written([_row("integer", 1)])) == 1  # the session goes on


def test_no_rows_are_no_copy(copying: Copying) -> None:
    assert copying.written([]) == []


def _row(kind: str, value: Any) -> list[Any]:
    return [value if name == kind else None for name, _ in KINDS]
