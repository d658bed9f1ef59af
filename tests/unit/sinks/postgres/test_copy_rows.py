"""What the dumpers of our rows write, psycopg's own loaders read back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.pq import Format

from sinks.postgres.copy_rows import register_dumpers

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Context:
    """Adapters as a connection of the sinks has them."""

    adapters = psycopg.adapt.AdaptersMap(psycopg.adapters)
    connection = None


register_dumpers(Context)  # type: ignore[arg-type]  # all that it uses


def dumped(kind: str, value: Any) -> bytes:
    oid = psycopg.adapters.types.get_oid(kind)
    dumper = Context.adapters.get_dumper_by_oid(oid, Format.BINARY)
    return bytes(dumper(type(value)).dump(value) or b"")


def loaded(kind: str, raw: bytes) -> Any:
    oid = psycopg.adapters.types.get_oid(kind)
    return Transformer().get_loader(oid, Format.BINARY).load(raw)


@given(st.integers(-(2**31), 2**31 - 1))
def test_integers(number: int) -> None:
    assert loaded("integer", dumped("integer", number)) == number


@given(st.decimals(-(10**14), 10**14, places=4) | st.integers().map(Decimal))
def test_amounts_as_texts_and_as_decimals(amount: Decimal) -> None:
    raw = dumped("numeric", amount)
    assert raw == dumped("numeric", str(amount))
    assert str(loaded("numeric", raw)) == f"{amount:f}".removeprefix("-" if not amount else "")


@given(st.integers(0, 4_000_000_000_000_000))
def test_instants(at: int) -> None:
    assert loaded("timestamptz", dumped("timestamptz", at)) == EPOCH + timedelta(microseconds=at)


@given(st.integers(-(10**15), 10**15))
def test_intervals(length: int) -> None:
    assert loaded("interval", dumped("interval", length)) == timedelta(microseconds=length)


@given(st.uuids())
def test_uuids(identifier: UUID) -> None:
    assert loaded("uuid", dumped("uuid", str(identifier))) == identifier


@given(st.dictionaries(st.text(), st.text() | st.integers(0, 9)))
def test_json(document: dict[str, Any]) -> None:
    assert loaded("jsonb", dumped("jsonb", document)) == document


@given(st.lists(st.text()))
def test_arrays_of_texts(texts: list[str]) -> None:
    assert loaded("text[]", dumped("text[]", texts)) == texts
    assert dumped("text[]", iter(texts)) == dumped("text[]", texts)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("numeric", "NaN"), ("numeric", Decimal("Infinity")), ("uuid", "ab"), ("uuid", "no uuid")],
)
def test_values_that_no_column_of_ours_may_hold_are_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"is no|non-hexadecimal"):
        dumped(kind, value)
