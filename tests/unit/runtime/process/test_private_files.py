"""Folders and files are their owner's alone, whatever the umask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.process import private_files
from runtime.process.private_files import (
    close_to_others,
    create_folder,
    is_strangers,
    open_private,
    write_private,
)

SOMEBODY = 12_345


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o7777)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_what_is_created_is_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    create_folder(folder)
    create_folder(folder)
    with open_private(folder / "log", "ab") as log:
        log.write(b"x")
    write_private(folder / "run.json", "{}")
    write_private(folder / "run.json", "[]")

    assert [mode(each) for each in (folder.parent, folder)] == ["0o700", "0o700"]
    assert [mode(folder / name) for name in ("log", "run.json")] == ["0o600", "0o600"]
    assert (folder / "run.json").read_text() == "[]"
    assert sorted(path.name for path in folder.iterdir()) == ["log", "run.json"]


def test_what_others_could_read_is_closed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    outside.chmod(0o644)
    folder = tmp_path / "data"
    (folder / "kafka").mkdir(parents=True)
    (folder / "kafka" / "log").write_text("")
    (folder / "link").symlink_to(outside)
    for path in (folder, folder / "kafka", folder / "kafka" / "log"):
        path.chmod(0o755)
    close_to_others(folder)
    close_to_others(tmp_path / "gone")

    assert [mode(folder), mode(folder / "kafka"), mode(folder / "kafka" / "log")] == ["0o700"] * 3
    assert mode(outside) == "0o644"


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives folders away")
def test_a_strangers_folder_beside_everybodys_is_refused(tmp_path: Path) -> None:
    shared, own = tmp_path / "tmp", tmp_path / "own"
    shared.mkdir()
    shared.chmod(0o1777)
    for parent in (shared, own):
        (parent / "hookline").mkdir(parents=True)
        os.chown(parent / "hookline", SOMEBODY, SOMEBODY)

    assert is_strangers(shared / "hookline")
    with pytest.raises(PermissionError, match="another user's folder"):
        create_folder(shared / "hookline")
    create_folder(own / "hookline")  # an operator's volume
    (shared / "mine").mkdir()
    create_folder(shared / "mine")


def test_the_umask_of_the_program_takes_every_right_of_others() -> None:
    assert private_files.FOLDER & private_files.OTHERS == 0
    assert private_files.FILE & private_files.OTHERS == 0
