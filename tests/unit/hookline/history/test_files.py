"""The objects of an export are found in every form in which platforms give them."""

import gzip
import json
from pathlib import Path

import pytest

from hookline.console.errors import CommandError
from hookline.history.files import Export, Row

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
