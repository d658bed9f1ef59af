"""Suggested commands can be typed as they are printed."""

import pytest

from hookline.console.command_path import command_path


@pytest.mark.parametrize(
    ("started", "on_path", "expected"),
    [
        (".venv/bin/hookline", None, ".venv/bin/hookline"),
        (".venv/bin/hookline", "/usr/bin/hookline", ".venv/bin/hookline"),
        (".venv/bin/hookline", ".venv/bin/hookline", "hookline"),
    ],
)
def test_the_command_to_type_is_the_one_that_runs(
    started: str, on_path: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [started])
    monkeypatch.setattr("shutil.which", lambda _: on_path)
    assert command_path() == expected


def test_a_module_is_started_through_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["hookline/__main__.py"])
    assert command_path().endswith(" -m hookline")
