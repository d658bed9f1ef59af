"""What a command suggests is a command, is ready for a shell, and is never in another's way."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from hookline.console import hints
from tests import ROOT
from tests.named_commands import refusal
from tests.unit.hookline.test_cli import commands as every_command

GIVEN = {
    "delivery": "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071",
    "shop": "spiffy/johns",
    "letter": "2:17",
    "file": "my orders.csv",
}
_BACKTICKED = re.compile(r"`hookline ([^`]+)`")
_LEFT_OUT = ("issing", "Usage: ", "requires an argument", "no table '1'")
"""Answers of the command line where a sentence leaves arguments out."""
_WHOLE = re.compile(r"hookline ([a-z][^`]*)")


@pytest.mark.parametrize("ended", hints.NEXT)
def test_every_suggestion_is_taken_by_the_command_line(ended: str) -> None:
    for folder in (None, Path("/srv/my data")):
        for suggested in hints.commands(ended, folder, **GIVEN):
            name, *arguments = shlex.split(suggested)
            assert (name, refusal(arguments)) == ("hookline", None)


@pytest.mark.parametrize("ended", hints.NEXT)
def test_every_command_that_suggests_is_one(ended: str) -> None:
    path = tuple(word for word in ended.split() if not word.startswith("-"))
    assert path in set(every_command())


def test_a_text_of_others_is_one_word() -> None:
    (first, *_) = hints.commands("dead list", letter="0:1; rm -rf x")
    assert shlex.split(first) == ["hookline", "dead", "show", "0:1; rm -rf x"]


class Terminal:
    """A stream that is a terminal, or none."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("out", "err", "off", "is_shown"),
    [
        (True, True, "", True),
        (True, True, "1", False),
        (False, True, "", False),
        (True, False, "", False),
    ],
)
def test_they_are_shown_to_people_only(
    monkeypatch: pytest.MonkeyPatch, out: bool, err: bool, off: str, is_shown: bool
) -> None:
    printed: list[Any] = []
    monkeypatch.setenv(hints.OFF, off)
    monkeypatch.setattr(hints.output.err, "print", lambda *text, **_: printed.append(text))
    streams: Any = hints.sys
    monkeypatch.setattr(streams, "stdout", Terminal(is_terminal=out))
    monkeypatch.setattr(streams, "stderr", Terminal(is_terminal=err))
    hints.show("rebuild")
    monkeypatch.undo()
    assert bool(printed) is is_shown


def suggested() -> list[tuple[str, str]]:
    """(module, command) of every command that a text of the source names in backticks or alone."""
    found = []
    for path in sorted((ROOT / "hookline").rglob("*.py")):
        docs = set()
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "1"
                    for part in node.values
                )
                docs |= {id(part) for part in node.values}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = "" if id(node) in docs else node.value
            else:
                continue
            whole = _WHOLE.fullmatch(text) if isinstance(node, ast.JoinedStr) else None
            named = [*_BACKTICKED.findall(text), *([whole[1]] if whole else [])]
            found += [(str(path.relative_to(ROOT)), each) for each in named]
    return found


def test_every_command_that_the_source_suggests_exists() -> None:
    texts = suggested()
    assert len(texts) > 50
    wrong = [(path, text) for path, text in texts if (why := unknown(text)) and why]
    assert wrong == []


def unknown(text: str) -> str | None:
    """Why a command that a sentence names is none; arguments that it leaves out are no fault."""
    try:
        why = refusal(shlex.split(text))
    except ValueError as error:
        return str(error)
    return None if why is None or any(part in why for part in _LEFT_OUT) else why
