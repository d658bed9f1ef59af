import os
from typing import Any

import pytest

from runtime import metrics
from runtime.shops import ShopBook
from schemas.shops import ShopsError

ONE = '[[shops]]\nsource = "gooten"\nid = "prints"\nsecrets = ["a"]\n'
TWO = ONE + '[[shops]]\nsource = "ciklik"\nid = "box"\nsecrets = ["b"]\ncurrency = "EUR"\n'


@pytest.fixture
def file(tmp_path: Any) -> Any:
    path = tmp_path / "shops.toml"
    path.write_text(ONE)
    return path


def test_shops_are_found_by_source_and_id(file: Any) -> None:
    book = ShopBook(file)

    assert book.get("gooten", "prints").id == "prints"
    assert book.get("ciklik", "prints") is None


def test_a_file_that_cannot_be_used_at_start_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ShopsError, match=r"nothing\.toml"):
        ShopBook(tmp_path / "nothing.toml")


def test_a_changed_file_is_read_again(file: Any) -> None:
    book = ShopBook(file)
    file.write_text(TWO)

    assert book.refresh()
    assert {("gooten", "prints"), ("ciklik", "box")} == set(book.shops)
    assert book.version == 2


def test_an_unchanged_file_is_not_read_again(file: Any) -> None:
    book = ShopBook(file)

    assert not book.refresh()
    assert book.version == 1


def test_a_change_of_the_same_size_in_the_same_nanosecond_is_seen_when_the_file_is_replaced(
    file: Any, tmp_path: Any
) -> None:
    book = ShopBook(file)
    stamp = file.stat()
    other = tmp_path / "other"
    other.write_text(ONE.replace("prints", "prince"))
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(file)

    assert book.refresh()
    assert book.get("gooten", "prince") is not None


@pytest.mark.parametrize("broken", ["[[shops", '[[shops]]\nsource = "nobody"\n', "\xff", None])
def test_a_broken_file_keeps_what_was_in_force_and_says_so(file: Any, broken: Any) -> None:
    book = ShopBook(file)
    before = book.shops
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken.encode("latin-1"))

    assert not book.refresh()
    assert before is book.shops
    assert book.version == 1
    assert book.problem


def test_a_mended_file_is_in_force_again(file: Any) -> None:
    book = ShopBook(file)
    file.write_text("[[")
    book.refresh()
    file.write_text(TWO)

    assert book.refresh()
    assert book.problem is None
    assert len(book.shops) == 2


def test_a_broken_file_shows_in_the_metrics(file: Any) -> None:
    book = ShopBook(file)
    file.write_text("[[")
    book.refresh()

    assert b"hookline_shops_file_broken 1.0" in metrics.render()


def test_reload_reads_whatever_the_stamp_says(file: Any) -> None:
    book = ShopBook(file)

    assert book.reload()
    assert book.version == 2
