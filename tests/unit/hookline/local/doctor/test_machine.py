"""The doctor's checks of this machine: the state folder, and what stages say of themselves."""

from pathlib import Path

from hookline.local.doctor.machine import last_reason, state_folder
from runtime.settings import Settings


def test_a_state_folder_that_takes_files_is_in_order_and_stays_empty(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert state_folder(Settings(state_dir=str(folder))).level == "ok"
    assert list(folder.iterdir()) == []


def test_a_file_where_the_state_folder_should_be_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    found = state_folder(Settings(state_dir=str(tmp_path / "state")))
    assert found.level == "wrong"
    assert f"{tmp_path}/state takes no files (" in found.message
    assert "HOOKLINE_STATE_DIR" in found.message


def test_a_device_that_is_full_is_named_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.symlink_to("/proc/self/fd")  # takes no new file
    found = state_folder(Settings(state_dir=str(folder)))
    assert found.level == "wrong"
    assert "takes no files" in found.message


def test_the_reason_of_the_last_crash_is_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "process-1.log"
    log.write_text(
        '{"event": "exiting", "why": "an older reason", "level": "critical"}\n'
        '{"event": "exiting", "why": "the registry has new ids", "level": "critical"}\n'
        '{"event": "index opened", "level": "info"}\nno JSON at all\n[]\n'
    )
    assert last_reason(log) == ", the registry has new ids"


def test_of_a_traceback_the_error_is_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    log.write_text(
        '{"event": "x", "exception": "Traceback:\\n  File\\nValueError: no", "level": "critical"}\n'
    )
    assert last_reason(log) == ", ValueError: no"


def test_a_log_without_a_reason_gives_none(tmp_path: Path) -> None:
    assert last_reason(tmp_path / "missing.log") == ""
