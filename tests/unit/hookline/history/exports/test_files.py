"""The objects of an export are found in every form in which platforms give them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.history.exports.csv_mapping import Column, Mapping
from hookline.history.exports.files import Export, Row
from hookline.history.exports.json_values import NOT_UTF8

ORDERS = [{"id": number, "total_price": "1.00"} for number in range(1, 4)]
RAWS = [json.dumps(each).encode() for each in ORDERS]
LINES = b"\n".join(RAWS)


def found(path: Path, content: bytes) -> list[Row]:
    path.write_bytes(content)
    return list(Export([path]).rows())


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES + b"\n",
        b"\xef\xbb\xbf" + LINES,
        b"\r\n\r\n" + LINES.replace(b"\n", b"\r\n\r\n"),
        json.dumps(ORDERS).encode(),
        json.dumps({"orders": ORDERS}).encode(),
        json.dumps({"meta": {"page": 1}, "data": ORDERS}).encode(),
        json.dumps({"orders": ORDERS}, indent=2).encode(),
        b"\n".join(json.dumps({"orders": [each]}).encode() for each in ORDERS),
        b"\n".join(json.dumps({"order": each}).encode() for each in ORDERS),
        b"\n".join(json.dumps([each]).encode() for each in ORDERS),
        b"\n".join(json.dumps(each, indent=2).encode() for each in ORDERS),
        b"\n".join(json.dumps({"order": each}, indent=2).encode() for each in ORDERS),
        gzip.compress(LINES, mtime=0),
    ],
)
def test_lines_lists_pages_and_gzip_hold_the_same_objects(tmp_path: Path, content: bytes) -> None:
    rows = found(tmp_path / "export", content)
    assert [json.loads(row.raw) for row in rows] == ORDERS
    assert [row.number for row in rows] == [1, 2, 3]
    assert not any(row.error for row in rows)


def test_an_object_that_only_begins_like_a_page_is_no_page(tmp_path: Path) -> None:
    body = {"type": "order", "action": "created", "data": {"id": 1}}
    order = {"customer": {"id": 1}, "id": 7, "line_items": []}
    for each in (body, order):
        (row,) = found(tmp_path / "export", json.dumps(each).encode())
        assert json.loads(row.raw) == each


def test_a_broken_line_is_one_row_and_the_others_are_read(tmp_path: Path) -> None:
    content = b"\n".join([RAWS[0], b'{"orders": [', RAWS[2]])
    assert [row.error for row in found(tmp_path / "export", content)] == ["", "not JSON", ""]


def test_rows_are_numbered_over_all_files_and_named_by_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_bytes(LINES)
    two.write_bytes(LINES)
    export = Export([one, two])
    assert [row.number for row in export.rows()] == [1, 2, 3, 4, 5, 6]
    assert (export.where(3), export.where(4)) == ("one.jsonl:3", "two.jsonl:1")


def test_a_file_that_ends_within_its_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.gz"
    path.write_bytes(gzip.compress(LINES)[:-12])
    with pytest.raises(CommandError, match="not a whole gzip file"):
        list(Export([path]).rows())


def test_a_file_that_is_damaged_within_its_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gz"
    whole = gzip.compress(b"\n".join(b'{"id": "%x"}' % hash((n, "x")) for n in range(20_000)))
    for at in range(10, len(whole), len(whole) // 40):
        path.write_bytes(whole[:at] + b"\xff" * 40 + whole[at + 40 :])
        with pytest.raises(CommandError, match="not a whole gzip file"):
            list(Export([path]).rows())


ALL = {"id": 1, "note": "é"}, {"id": 2, "note": "x"}
CSV = "id,note\n1,é\n2,x\n"
MAPPING = Mapping((Column("id", ("id",)), Column("note", ("note",))))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_named_and_what_to_do(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "export"
    for text, mapping in ((json.dumps(ALL), None), (CSV, MAPPING)):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(CommandError, match="save it as UTF-8"):
            list(Export([path], mapping).rows())


def test_a_spreadsheet_is_named_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "orders.xlsx").write_bytes(b"PK\x03\x04\x14\0")
    with pytest.raises(CommandError, match="save it as CSV"):
        list(Export([tmp_path / "orders.xlsx"], MAPPING).rows())


def test_windows_1252_is_named_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(CSV.encode("cp1252"))
    with pytest.raises(CommandError, match=r"Windows-1252.*save it as UTF-8"):
        list(Export([path], MAPPING).rows())
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in ALL)
    assert [row.error for row in found(path, lines.encode("cp1252"))] == [NOT_UTF8, ""]
    assert [row.error for row in found(path, lines.encode())] == ["", ""]
    document = json.dumps({"orders": ALL}, ensure_ascii=False, indent=1)
    assert [row.error for row in found(path, document.encode("cp1252"))] == [NOT_UTF8]


def test_the_line_that_excel_puts_before_its_csv_gives_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "export"
    for bom in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(bom + b"sep=;\r\n" + CSV.replace(",", ";").encode())
        rows = list(Export([path], MAPPING).rows())
        assert [row.number for row in rows] == [3, 4]
        assert [json.loads(row.raw)["id"] for row in rows] == ["1", "2"]


CUT = [RAWS[0][:at] for at in range(1, len(RAWS[0]))]


@pytest.mark.parametrize(
    "first", [b"null", b"7", b'"orders"', b"true", b"id;total", b"[1, 2", *CUT]
)
def test_after_a_first_line_that_is_no_object_the_others_are_read(
    tmp_path: Path, first: bytes
) -> None:
    bad, *rest = found(tmp_path / "export", first + b"\n" + LINES)
    assert bad.raw == first.strip()
    assert [json.loads(row.raw) for row in rest] == ORDERS
    assert not any(row.error for row in rest)


def test_a_document_that_is_cut_is_one_row(tmp_path: Path) -> None:
    for document in (ORDERS, {"orders": ORDERS}):
        text = json.dumps(document, indent=2).encode()
        (row,) = found(tmp_path / "export", text[: len(text) // 2])
        assert row.error == "not JSON"


LARAVEL = {
    "current_page": 1, "data": ORDERS, "first_page_url": "u", "from": 1, "last_page": 1,
    "last_page_url": "u", "links": [], "next_page_url": None, "path": "u", "per_page": 15,
    "prev_page_url": None, "to": 3, "total": 3,
}  # fmt: skip
PAGES = (LARAVEL, {"shop": "x", "at": 1, "orders": ORDERS}, {"total": 3, "results": ORDERS})


@given(st.sampled_from(PAGES), st.booleans(), st.data())
def test_a_page_is_unpacked_in_any_order_of_its_names(
    tmp_path_factory: pytest.TempPathFactory, page: dict[str, Any], first: bool, data: st.DataObject
) -> None:
    names = data.draw(st.permutations(list(page)))
    line = json.dumps({name: page[name] for name in names}).encode()
    content = line if first else RAWS[0] + b"\n" + line
    rows = found(tmp_path_factory.getbasetemp() / "page", content)
    assert [json.loads(row.raw) for row in rows[not first :]] == ORDERS


def test_an_object_with_a_list_of_a_pages_name_is_no_page(tmp_path: Path) -> None:
    many = {"email": "a@b.example", "orders": [{"id": 1}]} | {f"f{n}": n for n in range(8)}
    few = {"email": "a@b.example", "orders": [1, 2]}
    nested = {"customer": {"orders": [{"id": 1}]}, "total_price": "1"}
    whole = {"total": 1, "id": 7, "data": [{"id": 1}]}
    for each in (many, few, nested, whole):
        for before in (b"", RAWS[0] + b"\n"):
            *_, row = found(tmp_path / "export", before + json.dumps(each).encode())
            assert json.loads(row.raw) == each
