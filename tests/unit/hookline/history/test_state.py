"""What an import has done is kept, and never taken for another import's."""

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
