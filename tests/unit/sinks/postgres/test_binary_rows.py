"""What is written more cheaply for some columns is what is written for any."""

from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.postgres.binary_rows import NOT_NULL, compiled
from sinks.postgres.copy_rows import Table

FIXED: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "timestamptz": st.integers(0, 4_000_000_000_000_000),
}
COLUMNS = st.lists(st.tuples(st.sampled_from([*FIXED, "text"]), st.booleans()), min_size=1)


@given(COLUMNS, st.data())
def test_neighbours_that_are_always_told_are_written_as_each_alone(
    columns: list[tuple[str, bool]], data: st.DataObject
) -> None:
    row = [data.draw(FIXED.get(kind, st.none() | st.text())) for kind, _ in columns]
    kinds = [kind for kind, _ in columns]
    packed = [kind + NOT_NULL if always and kind in FIXED else kind for kind, always in columns]
    assert compiled(kinds)([row, row]) == compiled(packed)([row, row])


@given(st.lists(st.none() | st.sampled_from(["", "PAID", "é" * 200]) | st.text()))
def test_a_word_is_written_as_any_text(words: list[str | None]) -> None:
    rows = [[each] for each in words]
    assert compiled(["text"])(rows) == compiled(["word"])(rows)


@pytest.mark.parametrize("kind", FIXED)
def test_what_must_be_told_and_is_not_is_refused_as_data(kind: str) -> None:
    table = Table("any", "key", (("key", kind + NOT_NULL),))
    with pytest.raises(psycopg.DataError):
        table._bytes([[None]])
