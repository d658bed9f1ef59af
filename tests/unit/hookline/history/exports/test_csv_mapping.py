"""CSV becomes the platform's own objects, as a mapping file says."""

import json
from pathlib import Path
from typing import Any

import pytest

from hookline.console.errors import CommandError
from hookline.history.exports.csv_mapping import load
from hookline.history.exports.files import Export

MAPPING = """
event = "orders/updated"
one_object_by = "Name"
dated_by = "Updated"
delimiter = ";"
decimal_comma = true
[columns]
"Name" = "id"
"Mail" = "customer.email"
"Total" = { field = "total_price", as = "number" }
"Wants" = { field = "buyer_accepts_marketing", as = "boolean" }
"Day" = { field = "created_at", as = "time", format = "%d.%m.%Y %H:%M" }
[constants]
taxes_included = false
[lines]
field = "line_items"
[lines.columns]
"Item" = "sku"
"Count" = { field = "quantity", as = "number" }
"""
HEAD = "Name;Mail;Total;Wants;Day;Updated;Item;Count\n"
ROWS = (
    "7;a@b.example;1.234,50;yes;01.02.2021 10:30;2021-02-03;tee;2\n"
    "7;;;;;;mug;1\n"
    "8;;3,00;no;02.02.2021 00:00;2021-02-04;;\n"
)


def objects(tmp_path: Path, text: str, mapping: str = MAPPING) -> list[tuple[int, Any, str]]:
    path, named = tmp_path / "orders.csv", tmp_path / "map.toml"
    path.write_text(text)
    named.write_text(mapping)
    rows = Export([path], load(named)).rows()
    return [(row.number, json.loads(row.raw), row.error or row.dated) for row in rows]


def test_adjacent_rows_of_one_order_are_its_lines(tmp_path: Path) -> None:
    (first, seven, dated), (second, eight, _) = objects(tmp_path, HEAD + ROWS)
    assert seven == {
        "id": "7",
        "customer": {"email": "a@b.example"},
        "total_price": "1234.50",
        "buyer_accepts_marketing": True,
        "created_at": "2021-02-01T10:30:00",
        "taxes_included": False,
        "line_items": [{"sku": "tee", "quantity": 2}, {"sku": "mug", "quantity": 1}],
    }
    assert (eight["line_items"], eight["total_price"]) == ([], "3.00")
    assert (first, second, dated) == (2, 4, "2021-02-03")


def test_a_cell_that_is_not_what_its_column_says_is_named_and_not_quoted(tmp_path: Path) -> None:
    bad = "9;secret@b.example;much;;01.02.2021 10:30;;;\n"
    ((_, _, error),) = objects(tmp_path, HEAD + bad)
    assert error == "column 'Total' is no number"


def test_a_column_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no column 'Name'"):
        objects(tmp_path, "Order\n1\n")


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ("[columns]\n", "names a field for each column"),
        ("colums = 1\n", "unknown key 'colums'"),
        ('delimiter = "ab"\n[columns]\nA = "id"\n', "one character"),
        ('delimiter = \'"\'\n[columns]\nA = "id"\n', "no quote"),
        ('[columns]\nA = { field = "id", as = "float" }\n', "as is one of"),
        ('[columns]\nA = { field = "at", as = "time" }\n', "time needs a format"),
        ('[columns]\nA = "id"\n[lines]\nfield = "x"\n', "one_object_by"),
        ("[columns", "map.toml"),
    ],
)
def test_what_a_mapping_cannot_mean_is_refused(tmp_path: Path, mapping: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        objects(tmp_path, HEAD, mapping)


PLAIN = """
[columns]
A = "id"
B = "note"
[constants]
kind = "x"
"""


@pytest.mark.parametrize("row", ["2", "2,y,z", "2,y,"])
def test_a_row_of_more_or_fewer_cells_is_not_taken(tmp_path: Path, row: str) -> None:
    _, (line, value, error), _ = objects(tmp_path, f"A,B\n1,x\n{row}\n3,z\n", PLAIN)
    cells = len(row.split(","))
    assert (line, value) == (3, {})
    assert error == f"its cells are not one for each column: {cells} for 2"


GROUPED = """
one_object_by = "Name"
[columns]
Name = "id"
[lines]
field = "items"
[lines.columns]
Item = "sku"
"""


def grouped(tmp_path: Path, rows: str) -> list[tuple[int, str, str]]:
    found = objects(tmp_path, "Name,Item\n" + rows, GROUPED)
    return [
        (line, "".join(each["sku"] for each in value.get("items", ())), error.partition(":")[0])
        for line, value, error in found
    ]


def test_rows_of_an_object_that_are_not_adjacent_are_not_taken(tmp_path: Path) -> None:
    assert grouped(tmp_path, "1,a\n1,b\n2,c\n1,d\n1,e\n3,f\n2,g\n") == [
        (2, "ab", ""),
        (4, "c", ""),
        (5, "", "its rows are not adjacent"),
        (7, "f", ""),
        (8, "", "its rows are not adjacent"),
    ]


def test_a_row_that_is_not_taken_takes_its_object_with_it(tmp_path: Path) -> None:
    cells = "its cells are not one for each column"
    assert grouped(tmp_path, "1,a\n1\n1,c\n2,d\n3,e,f\n3,g\n2,h\n") == [
        (2, "", cells),
        (5, "d", ""),
        (6, "", cells),
        (8, "", "its rows are not adjacent"),
    ]


def test_rows_that_name_no_object_are_not_one(tmp_path: Path) -> None:
    assert grouped(tmp_path, ",a\n,b\n1,c\n") == [
        (2, "", "column 'Name' is empty"),
        (3, "", "column 'Name' is empty"),
        (4, "c", ""),
    ]


def test_a_mapping_is_read_as_utf8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_bytes('[columns]\n"Größe" = "id"\n'.encode("cp1252"))
    with pytest.raises(CommandError, match=r"map\.toml"):
        load(tmp_path / "map.toml")
