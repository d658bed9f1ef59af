"""What an import has done is kept, and never taken for another import's."""

import multiprocessing
from pathlib import Path

import pytest

from hookline.console.errors import CommandError
from hookline.history.importing import new_state
from hookline.history.state import StateFile, key_of


def test_an_unfinished_import_goes_on_and_a_finished_one_begins_again(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "imports" / "a.json", "k")
    assert file.read() is None
    state = new_state("k")
    state.row = 7
    for first, last in ((1, 3), (4, 6), (9, 9)):
        state.add_range(0, first, last)
    file.write(state)
    assert (read := file.read()) is not None
    assert (read.row, read.import_id, read.ranges) == (7, state.import_id, {0: [[1, 6], [9, 9]]})
    state.is_complete = True
    file.write(state)
    assert file.read() is None


def test_the_state_of_other_files_is_refused(tmp_path: Path) -> None:
    export = tmp_path / "orders.jsonl"
    export.write_text("{}")
    before = key_of("spiffy/a", [export], ())
    StateFile(tmp_path / "s", before).write(new_state(before))
    export.write_text("{}\n{}")
    after = key_of("spiffy/a", [export], ())
    assert len({before, after, key_of("spiffy/b", [export], ())}) == 3
    with pytest.raises(CommandError, match="another import"):
        StateFile(tmp_path / "s", after).read()
    (tmp_path / "s").write_text("{")
    with pytest.raises(CommandError, match="no state of an import"):
        StateFile(tmp_path / "s", after).read()


def test_a_corrected_mapping_makes_another_import(tmp_path: Path) -> None:
    export, mapping = tmp_path / "orders.csv", tmp_path / "orders.toml"
    export.write_text("Id\n1\n")
    keys = set()
    for content in ('[columns]\nId = "id"\n', '[columns]\nId = "name"\n'):
        mapping.write_text(content)
        keys.add(key_of("spiffy/a", [export], (), mapping))
    assert len({*keys, key_of("spiffy/a", [export], ())}) == 3
    moved = mapping.rename(tmp_path / "moved.toml")
    assert key_of("spiffy/a", [export], (), moved) in keys


def _import(path: Path) -> str:
    file = StateFile(path, "k")
    try:
        with file.locked():
            file.write(new_state("k"))
    except CommandError as error:
        return str(error)
    return ""


def test_of_two_imports_of_the_same_files_one_runs(tmp_path: Path) -> None:
    path = tmp_path / "imports" / "a.json"
    with multiprocessing.get_context("spawn").Pool(1) as other:
        with StateFile(path, "k").locked():
            StateFile(path, "k").write(new_state("k"))
            assert "another import of the same files is running" in other.apply(_import, (path,))
        assert not other.apply(_import, (path,))
    assert not _import(path)


def test_a_state_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file/a.json.lock" in _import(tmp_path / "file" / "a.json")


def test_rows_that_are_refused_count_when_they_are_passed() -> None:
    state = new_state("k")
    state.pass_rows(4, 2, [(1, "no"), (3, "no")])
    state.pass_rows(6, 1, [(5, "never")])
    assert (state.row, state.written, state.refused) == (6, 3, {"no": 2, "never": 1})
    assert state.refused_rows == [(1, "no"), (3, "no"), (5, "never")]
    state.pass_rows(5_000, 0, [(number, "no") for number in range(7, 5_001)])
    assert (state.refused["no"], len(state.refused_rows)) == (4_996, 1_000)
