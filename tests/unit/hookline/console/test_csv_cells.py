"""What senders wrote, in spreadsheets."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.console.csv_cells import csv_cell

TEXTS = st.text() | st.text(
    "=+-@\t\r\n\0\x1b\x9b\u00ad\u200b\u202e '\"0123456789.eE ＝＋－＠a;,",  # noqa: RUF001
    max_size=8,
)
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001
NUMBERS = st.integers().map(str) | st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14
).map(lambda number: f"{number:f}")


def seen(text: str) -> str:
    """The text from its first character that a spreadsheet shows."""
    for index, character in enumerate(text):
        if unicodedata.category(character)[0] not in "CZ":
            return text[index:]
    return ""


@settings(deadline=None)
@given(TEXTS)
def test_no_cell_begins_a_formula_unless_it_is_a_number(text: str) -> None:
    made = csv_cell(text)
    if seen(made).startswith(FORMULA) or made.startswith(FORMULA):
        assert made == text
        float(made)
        assert set(made) <= set("+-.0123456789")


@settings(deadline=None)
@given(TEXTS)
def test_a_text_is_whole_behind_its_quote(text: str) -> None:
    assert csv_cell(text) in (text, "'" + text)
    assert csv_cell(csv_cell(text)) == csv_cell(text)


@settings(deadline=None)
@given(NUMBERS)
def test_a_number_stays_a_number(number: str) -> None:
    assert csv_cell(number) == number


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_cells_come_out_of_a_file_as_they_went_in(texts: list[str]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow([csv_cell(text) for text in texts])

    assert [[csv_cell(text) for text in texts]] == list(
        csv.reader(file.getvalue().splitlines(True))
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("+49 30 1234", "'+49 30 1234"),
        ("+49301234", "+49301234"),
        ("-1+1", "'-1+1"),
        ("-5.00", "-5.00"),
        ("-1e9", "'-1e9"),
        ("-٣", "'-٣"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        (" =1", "' =1"),
        ("\u00a0\ufeff+1+1", "'\u00a0\ufeff+1+1"),
        ("  @SUM(A1)", "'  @SUM(A1)"),
        (" \t-1+1", "' \t-1+1"),
        ("\0=1", "'\0=1"),
        ("\u200b\u202e =1", "'\u200b\u202e =1"),
        ("\x1b=1", "'\x1b=1"),
        (" plain", " plain"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_cell_is_quoted_where_owasp_says(text: str, expected: str) -> None:
    assert csv_cell(text) == expected
