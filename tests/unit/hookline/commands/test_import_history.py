"""``hookline import`` names files that it cannot read, and counts what is not in."""

import os
from collections import Counter
from pathlib import Path

import pytest

from hookline.commands.data.import_history import _day, _show, _show_check, prepared
from hookline.console.errors import CommandError
from hookline.history.check import Checked
from hookline.history.exports.files import Export
from hookline.history.importing import Receipt
from hookline.history.outcomes import Outcomes
from schemas.shops import Shop

BERLIN = Shop(source="spiffy", id="s", timezone="Europe/Berlin")
HONOLULU = Shop(source="spiffy", id="s", timezone="Pacific/Honolulu")


def refused(path: Path) -> str:
    with pytest.raises(CommandError) as raised:
        prepared(BERLIN, [path], None, "", "", None)
    return str(raised.value)


def test_what_is_no_file_is_named_as_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a folder: name the files in it" in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "missing.jsonl")
    for stream in (Path("-"), Path("/dev/stdin"), tmp_path / "pipe"):
        assert "a file is needed, since it is read twice" in refused(stream)


def receipt(count: int, outcomes: Outcomes | None = None, since: int | None = None) -> Receipt:
    listed = [(f"a:{number}", "no") for number in range(min(count, 1_000))]
    return Receipt(
        "i", "spiffy/s", count, 0, 1.0, {"no": count} if count else {},
        history_from=since, outcomes=outcomes, rejected=listed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (20, None),
        (21, "and 1 more: --json lists them"),
        (1_000, "and 980 more: --json lists them"),
        (5_000, "and 4,980 more: --json lists the first 1,000"),
    ],
)
def test_rows_that_are_not_shown_are_counted_and_json_lists_what_it_is_said_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, count: int, shown: str | None
) -> None:
    _show(receipt(count), BERLIN, asked=None)
    of_receipt = capsys.readouterr().out
    (tmp_path / "a").write_text("{}\n" * 2)
    export, checked = Export([tmp_path / "a"]), Checked()
    list(export.rows())
    for number in range(1, count + 1):
        checked.reject(number, "no")
    _show_check(checked, export, BERLIN, as_json=False)
    for out in (of_receipt, capsys.readouterr().out):
        assert f"{count:,}  not taken: no" in out
        assert (shown in out) if shown else "more:" not in out


def test_rows_and_dead_letters_of_one_reason_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    dead = Outcomes(dead_letters=3, reasons=Counter({"no": 3}))
    _show(receipt(4, dead), BERLIN, asked=None)
    out = capsys.readouterr().out
    assert "7  not taken: no" in out
    assert "and 3 more: --json lists the first 4" in out


@pytest.mark.parametrize("shop", [BERLIN, HONOLULU])
def test_a_day_that_is_given_is_the_day_that_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shop: Shop
) -> None:
    since = _day("2025-01-01", shop)
    _show(receipt(0, since=since), shop, asked=since)
    assert "the history is whole since 2025-01-01" in capsys.readouterr().out
    checked = Checked(first=since, last=since + 86_399_999_999)
    _show_check(checked, Export([tmp_path]), shop, as_json=False)
    assert "2025-01-01 to 2025-01-01" in capsys.readouterr().out
