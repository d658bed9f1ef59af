"""The arithmetic behind the columns of the table of faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults import table
from tests.faults.watched import Look, longest_silence, ready_after

ROW = {
    "number": 1, "fault": "kill -9 of processors", "name": "kill-processor", "accepted": 119_909,
    "lost": 1, "unkept": 2, "repeats": 0, "strange": 0, "doubled": 0, "late": 0,
    "recovered_s": 15.7, "seed": 7,
}  # fmt: skip


def looks(*pairs: tuple[float, int]) -> list[Look]:
    return [Look(at, rows) for at, rows in pairs]


def test_a_silence_lasts_from_one_new_row_to_the_next() -> None:
    assert longest_silence(0.0, looks((0, 0), (1, 5), (2, 5), (3, 5), (8, 6), (9, 7))) == 7.0


def test_time_before_the_first_new_row_is_silence() -> None:
    assert longest_silence(0.0, looks((0, 9), (1, 9), (4, 10), (5, 11))) == 4.0


def test_time_after_the_last_new_row_is_none() -> None:
    assert longest_silence(0.0, looks((0, 0), (1, 1), (2, 2), (60, 2))) == 1.0


def test_looks_that_failed_do_not_shorten_a_silence() -> None:
    assert longest_silence(0.0, looks((0, 0), (1, 1), (12, 1), (13, 2))) == 12.0


def test_rows_that_go_with_a_restored_database_are_no_new_rows_but_those_after_them_are() -> None:
    assert longest_silence(0.0, looks((0, 0), (1, 100), (2, 40), (5, 40), (6, 41))) == 5.0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_no_silence_is_longer_than_the_watch_nor_negative(rows: list[int]) -> None:
    seen = [Look(float(at), count) for at, count in enumerate(rows)]
    assert 0.0 <= longest_silence(0.0, seen) <= len(rows) - 1


def test_a_stage_is_ready_once_it_stays_ready() -> None:
    assert ready_after(10.0, [2.0, 10.5, 13.0]) == 3.0
    assert ready_after(10.0, [2.0]) == 0.0


def test_the_table_has_both_columns_and_a_dash_where_a_run_did_not_measure_them() -> None:
    measured = {**ROW, "silence_s": 11.2, "ready_s": 3.4}
    head, _, old, new = table.full([ROW, measured]).splitlines()
    names = [name.strip() for name in head.split("|")]
    for title, value in (("longest silence", "11.2 s"), ("ready", "3.4 s")):
        cells = [[cell.strip() for cell in line.split("|")] for line in (old, new)]
        assert [each[names.index(title)] for each in cells] == ["-", value]
    assert "| 3 |" in old


@pytest.mark.parametrize(("silences", "shown"), [((3.2, 11.6), "12 s"), ((None, None), "-")])
def test_the_short_table_shows_the_longest_silence_of_all_runs(
    silences: tuple[float | None, ...], shown: str
) -> None:
    rows = [{**ROW, "silence_s": silence} for silence in silences]
    assert f"| {shown} | 16 s |" in table.short(rows)
