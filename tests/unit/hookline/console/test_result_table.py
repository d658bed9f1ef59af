"""Results on a terminal: no word is broken apart, whatever the width."""

import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hookline.console import output

WORDS = st.text("abcdefgh", min_size=1, max_size=14)
CELLS = st.lists(WORDS, max_size=3).map(" ".join)


def drawn(columns: list[str], rows: list[list[Any]], width: int, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(output.table(options.pop("title", None), columns, rows, **options))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [40, 80, 120, 150, 200])
def test_a_row_of_many_columns_is_a_record(width: int) -> None:
    columns = [f"column_{number}" for number in range(40)]
    lines = drawn(columns, [[f"value-{number}" for number in range(40)]], width).splitlines()
    assert lines[0].startswith("-[ row 1 ]-")
    assert lines[1].split() == ["column_0", "value-0"]
    assert len(lines) == 41


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), st.integers(40, 90))
def test_no_word_is_broken(rows: list[tuple[str, str, str]], width: int) -> None:
    text = drawn(["one", "two", "three"], [list(row) for row in rows], width)
    words = text.split()
    assert all(word in words for row in rows for cell in row for word in cell.split())
    assert max(map(len, text.splitlines())) <= width


NAMES = st.lists(st.text("abc_", min_size=1, max_size=36), min_size=8, max_size=8, unique=True)


@settings(deadline=None)
@given(NAMES, st.lists(CELLS, min_size=8, max_size=8), st.sampled_from([40, 80, 120, 200]))
def test_no_name_of_a_column_is_broken(names: list[str], row: list[str], width: int) -> None:
    text = drawn(names, [row], width)
    assert set(names) <= set(text.split())
    assert {word for cell in row for word in cell.split()} <= set(text.split())
    assert max(map(len, text.splitlines())) <= width


def test_text_wraps_between_words_before_it_becomes_a_record() -> None:
    text = drawn(["name", "detail"], [["a", "one two three four five six seven eight"]], 30)
    assert "row 1" not in text
    assert "detail" in text


def test_a_wide_result_without_rows_names_its_columns() -> None:
    assert "no rows" in drawn([f"column_{number}" for number in range(40)], [], 80)
    assert "column_39" in drawn([f"column_{number}" for number in range(40)], [], 80)


def test_title_and_caption_are_shown_in_both_forms() -> None:
    for width in (20, 80):
        text = drawn(["name"], [["x" * 30]], width, title="orders", caption="1 of 2 rows")
        assert text.splitlines()[0].strip() == "orders"
        assert "1 of 2 rows" in text


def test_cells_of_records_do_not_control_the_terminal() -> None:
    assert "\x1b[2J" not in drawn(["name"], [["\x1b[2J" + "x" * 30]], 20)


def test_sums_of_counts_are_whole_and_amounts_keep_their_cents() -> None:
    rows = [
        (Decimal(2), Decimal("5.0000"), "a", None),
        (Decimal(0), Decimal("0.1935"), None, Decimal(1)),
        (None, Decimal(7), "b", Decimal("1.50")),
    ]
    shown = [[output.display_text(cell) for cell in row] for row in output.whole_numbers(rows)]
    assert shown == [["2", "5.00", "a", ""], ["0", "0.1935", "", "1.00"], ["", "7.00", "b", "1.50"]]
    assert output.whole_numbers([]) == []


def test_a_table_that_has_not_changed_is_not_printed_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = ""
    for rows in ([["a"]], [["a"]], [["b"]], [["a"]]):
        shown = output.print_changed(output.table(None, ("name",), rows), shown)
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in printed if line in ("a", "b")] == ["a", "b", "a"]
