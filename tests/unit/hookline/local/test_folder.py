"""The data folder of `hookline up`: what cannot be used is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hookline.local.detached import start_detached
from hookline.local.folder import Folder, example_shops
from hookline.local.servers.server import LocalError
from hookline.local.stack import choose_ports


@pytest.mark.parametrize("path", ["/proc/foo", "/dev/null", "/dev/null/x"])
def test_a_folder_that_cannot_be_written_is_named(path: str) -> None:
    folder = Folder(Path(path))
    with pytest.raises(LocalError, match=rf"{path} cannot hold the data: .*--data"):
        folder.create()
    with pytest.raises(LocalError, match=path), folder.locked():
        pass
    assert folder.owner() is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    Folder(tmp_path).create()
    (tmp_path / "lock").chmod(0o400)
    with pytest.raises(LocalError, match="another user's"):
        Folder(tmp_path).owner()


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_that_cannot_be_is_refused(port: int, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=f"port {port} for kafka: a port is at most 65535"):
        choose_ports(tmp_path, {"kafka": port})


def test_what_a_killed_stack_left_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.locked():
        folder.write({"pid": os.getpid()})
        assert folder.read() == {"pid": os.getpid()}
        folder.write({"pid": os.getpid() + 1})  # kill -9, and another has started since
        assert folder.read() is None
    folder.write({"pid": 1})
    folder.write_step("left behind")
    assert (folder.read(), folder.step()) == (None, None)
    with folder.locked():
        assert list(tmp_path.glob("*.json")) == []


def test_a_start_shows_what_it_waits_for_until_it_is_up(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.locked():
        assert folder.step() is None
        folder.write_step("sink: joining the group")
        assert (folder.step(), folder.read()) == ("sink: joining the group", None)
        folder.write({"pid": os.getpid()})
        assert folder.step() is None


def modes(folder: Path) -> set[str]:
    return {oct(path.lstat().st_mode & 0o077) for path in (folder, *folder.rglob("*"))}


def test_a_folder_of_an_earlier_version_is_closed_to_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    for name in ("logs/sink.log", "ports.json"):
        (data / name).write_text("{}")
        (data / name).chmod(0o644)
    (data / "logs").chmod(0o755)
    data.chmod(0o755)
    Folder(data).create()
    choose_ports(data, {"kafka": 0})

    assert modes(data) == {"0o0"}


def test_a_folder_with_files_of_others_keeps_its_mode_and_theirs(tmp_path: Path) -> None:
    data = tmp_path / "home"
    (data / "logs").mkdir(parents=True)
    (data / "letter.txt").write_text("")
    for path, mode in ((data, 0o755), (data / "logs", 0o755), (data / "letter.txt", 0o644)):
        path.chmod(mode)
    Folder(data).create()

    assert oct(data.stat().st_mode & 0o777) == "0o755"
    assert oct((data / "letter.txt").stat().st_mode & 0o777) == "0o644"
    assert oct((data / "logs").stat().st_mode & 0o777) == "0o700"
    assert oct((data / "lock").stat().st_mode & 0o777) == "0o600"


def test_a_rotated_contact_key_is_kept_with_the_one_before_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.path.mkdir()
    first = folder.contact_key()
    other = {"HOOKLINE_CONTACT_KEY": "a key that is not a rotation"}
    assert folder.contact_keys(other) == (other["HOOKLINE_CONTACT_KEY"], "")
    assert folder.contact_keys({}) == (first, "")
    both = {"HOOKLINE_CONTACT_KEY": "the new contact key", "HOOKLINE_CONTACT_KEY_BEFORE": first}
    assert folder.contact_keys(both) == ("the new contact key", first)
    assert folder.contact_keys({}) == ("the new contact key", first)
    assert {path.stat().st_mode & 0o777 for path in folder.path.glob("contact_key*")} == {0o600}


def test_shops_that_were_added_to_the_copy_of_the_example_stay(tmp_path: Path) -> None:
    example = example_shops()
    assert example is not None
    folder = Folder(tmp_path)
    own = folder.own_shops(example)
    assert own.read_text() == example.read_text()
    own.write_text("changed")
    assert folder.own_shops(example).read_text() == "changed"
    mine = tmp_path / "mine.toml"
    assert folder.own_shops(mine) == mine


def test_a_second_start_names_the_dashboard_of_the_first_and_what_stops_it(
    tmp_path: Path,
) -> None:
    folder = Folder(tmp_path)
    with folder.locked():
        with pytest.raises(LocalError, match="still starting"), Folder(tmp_path).locked():
            pass
        folder.write({"pid": os.getpid(), "dashboard_url": "http://127.0.0.1:8900"})
        seconds: list[Callable[[], object]] = [
            lambda: start_detached(tmp_path, (), print),
            lambda: locked(tmp_path),
        ]
        for second in seconds:
            with pytest.raises(LocalError) as raised:
                second()
            for text in (
                "its dashboard is http://127.0.0.1:8900",
                f"`hookline down --data {tmp_path}` stops it",
            ):
                assert text in str(raised.value)


def locked(path: Path) -> None:
    with Folder(path).locked():
        pass
