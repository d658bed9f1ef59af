"""Cells of exported files: exact, in UTC, and never a formula."""

import builtins
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.commands.tables.tables import Format, _opens
from hookline.console.errors import CommandError
from hookline.tables.export import Column, Relation, _column, csv_text, seconds
from hookline.tables.parquet import _record_batch, _type

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (7, "7"),
        (-7, "-7"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.1000"), "-0.1000"),
        (NOON, "2026-01-01T10:00:00.000000Z"),
        (date(2026, 1, 1), "2026-01-01"),
        (timedelta(days=-1, microseconds=1), "-86399.999999"),
        ({"name": "é"}, '{"name":"é"}'),
        ([], "[]"),
        ("=1+1", "'=1+1"),
        ("@cmd", "'@cmd"),
        ("plain", "plain"),
    ],
)
def test_a_value_as_a_cell(value: Any, cell: str) -> None:
    assert csv_text(value) == cell


@given(st.timedeltas())
def test_spans_are_exact(span: timedelta) -> None:
    assert timedelta(microseconds=int(seconds(span) * 1_000_000)) == span


def test_digits_and_places_are_those_of_the_column() -> None:
    assert _column("total", "numeric", ((18 << 16) | 4) + 4) == Column("total", "numeric", 18, 4)
    assert _column("net", "numeric", -1) == Column("net", "numeric")
    assert _type(Column("total", "numeric", 5, 4)) == pa.decimal128(5, 4)
    assert _type(Column("net", "numeric")) == pa.decimal128(38, 4)
    assert _type(Column("at", "timestamptz")) == pa.timestamp("us", tz="UTC")


def test_an_amount_that_would_be_rounded_is_refused() -> None:
    """Five places do not fit four: the file is not written with less than is stored."""
    relation = Relation("customer_lifetime_value", 1, (Column("net", "numeric"),))
    schema = pa.schema([("net", pa.decimal128(38, 4))])
    with pytest.raises(CommandError, match=r"customer_lifetime_value.net .*--format csv"):
        _record_batch(relation, schema, [(Decimal("0.00001"),)])


def test_what_an_extra_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "hookline.tables.parquet")
    found = builtins.__import__

    def without_arrow(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyarrow")
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_arrow)
    with pytest.raises(CommandError, match=r"pip install 'hookline\[parquet\]'"):
        _opens(Format.PARQUET)
    assert _opens(Format.CSV)[0] == "csv"


def test_instants_of_a_file_are_utc() -> None:
    assert pa.array([NOON], pa.timestamp("us", tz="UTC")).to_pylist() == [NOON.astimezone(UTC)]
