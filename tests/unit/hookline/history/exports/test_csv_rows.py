"""A cell is the number that a spreadsheet wrote, or none; a row has the cells of its columns."""

import io
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.history.exports.csv_rows import Table, number

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=10**12).filter(
    lambda value: value > -(10**12)
)
SPACES = (" ", "\u00a0", "\u202f")


def spreadsheet(value: Decimal, group: str, mark: str) -> str:
    """How a spreadsheet writes a number in a country's way."""
    return f"{value:,.2f}".replace(",", "G").replace(".", mark).replace("G", group)


@given(DECIMALS, st.booleans(), st.sampled_from(("", *SPACES, ".")))
def test_what_a_spreadsheet_writes_reads_back(value: Decimal, comma: bool, group: str) -> None:
    assume(comma or group != ".")
    found = number(spreadsheet(value, group, "," if comma else "."), decimal_comma=comma)
    assert isinstance(found, str)
    assert Decimal(found) == value


@given(st.integers(-(10**12), 10**12), st.booleans(), st.sampled_from(("", *SPACES, ".")))
def test_a_whole_number_reads_back_as_one(value: int, comma: bool, group: str) -> None:
    assume(comma or group != ".")
    assert number(f"{value:,}".replace(",", group), decimal_comma=comma) == value


@given(st.from_regex(r"[+-]?[0-9.]{1,12}(,[0-9]{1,4})?", fullmatch=True).filter(lambda c: "." in c))
def test_a_point_that_groups_no_three_digits_is_refused(cell: str) -> None:
    groups = re.sub(r"^[+-]", "", cell).partition(",")[0].split(".")
    is_grouped = 1 <= len(groups[0]) <= 3 and all(len(each) == 3 for each in groups[1:])
    assert (number(cell, decimal_comma=True) is not None) == is_grouped


@pytest.mark.parametrize(
    ("cell", "comma"),
    [
        ("12.50", True), ("1.23,50", True), ("1.2345", True), ("1,234.50", True), ("1,2,3", True),
        ("1.234 567", True), ("12 50", True), ("1,", True), (",5", True), ("", True),
        ("1,234", False), ("1,234.50", False), ("12,50", False), ("1.234.567", False),
        ("1 2 3", False), ("1e3", False), ("\u0661", False), ("- 5", False), ("", False),
    ],
)  # fmt: skip
def test_a_mark_that_may_be_another_is_refused(cell: str, comma: bool) -> None:
    assert number(cell, decimal_comma=comma) is None


def read(text: str) -> list[tuple[int, list[str]]]:
    return list(Table(io.StringIO(text, newline=""), Path("a.csv"), ",").rows())


def test_each_row_has_the_line_on_which_it_begins() -> None:
    assert read('A,B\r\n1,"x\r\ny"\r\n\r\n2,z\r\n') == [(2, ["1", "x\r\ny"]), (5, ["2", "z"])]
    assert read("sep=;\r\nA;B\r\n1;2,3\r\n") == [(3, ["1", "2,3"])]
    assert read('"sep=\t"\nA\tB\n1\t2\n') == [(3, ["1", "2"])]


@pytest.mark.parametrize("rest", ["", "3,z\n", '3,"z"\n', '3,a "quoted" cell\n'])
def test_a_quote_that_is_not_closed_is_named_with_its_line(rest: str) -> None:
    with pytest.raises(CommandError, match=r"a\.csv:3: a quote .* is not closed"):
        read('A,B\n1,x\n2,"y\n' + rest)


def test_two_columns_of_one_name_are_named() -> None:
    with pytest.raises(CommandError, match="2 columns 'Total'"):
        read("Total,Id,Total,,\n1,2,3,,\n")
