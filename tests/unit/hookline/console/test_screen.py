"""Everything that commands show goes through one class, which escapes what steers a terminal."""

import ast
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from hookline.console import output
from hookline.console.output import Screen
from tests import ROOT
from tests.screens import STEERING, TEXTS, steers

WRITERS = {"print", "echo", "secho", "Console", "pprint", "excepthook"}
"""Names of calls that write to a screen, past ``output``."""
EXCEPTIONS = {
    ("hookline/console/output.py", "print"): "JSON, escaped, and what `out` rendered",
    (
        "hookline/commands/operating/acls.py",
        "print",
    ): "commands and manifests, each name quoted",
    ("hookline/commands/completion.py", "print"): "a script of typer for the shell",
    ("hookline/simulate/sending/null_server.py", "print"): "its port, to the parent process",
    (
        "hookline/commands/operating/status.py",
        "print",
    ): "export lines for eval, each quoted",
}
METHODS = {"write", "writelines"}
"""Of a stream: none of stdout or stderr is written to."""


def shown(*parts: Any, **options: Any) -> str:
    screen = Screen(file=io.StringIO(), width=100, **options)
    screen.print(*parts)
    return screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@settings(deadline=None)
@given(TEXTS)
def test_whatever_is_printed_steers_no_terminal(text: str) -> None:
    for part in (text, Text(text), Panel(text, title=text), Group(text, Text(text, "bold"))):
        assert not steers(shown(part))
    assert not steers(shown(output.table(text, (text, "n"), [(text, 1), (None, 2)], text)))
    assert not steers(shown(output.table(None, (text,) * 30, [(text,) * 30])))


@pytest.mark.parametrize("each", STEERING)
def test_on_a_terminal_only_our_own_styles_are_sequences(each: str) -> None:
    made = shown(Text(f"a{each}[bold]b[/]:smile:", style="red"), force_terminal=True)
    assert made.startswith("\x1b[31m") or "\x1b[31m" in made
    plain = made.replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert not steers(plain)
    assert "[bold]b[/]:smile:" in plain


def test_no_markup_is_read_in_a_plain_text() -> None:
    assert shown("[red]x[/] [link=http://evil.example]y[/link] :smile:") == (
        "[red]x[/] [link=http://evil.example]y[/link] :smile:\n"
    )


def test_the_two_screens_are_of_that_class() -> None:
    assert type(output.out) is Screen
    assert type(output.err) is Screen


def calls() -> Iterator[tuple[str, str]]:
    """File and name of each call in ``hookline`` that could write to a screen by itself."""
    for path in (ROOT / "hookline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            is_ours = isinstance(called, ast.Attribute) and name == "print"
            owner = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
            if name in WRITERS and not (is_ours and owner in SCREENS):
                yield str(path.relative_to(ROOT)), name
            if name in METHODS and ("stdout" in owner or "stderr" in owner):
                yield str(path.relative_to(ROOT)), name


SCREENS = {"output.out", "output.err", "out", "err", "console"}
"""What is a ``Screen``: ``console`` is ``output.err`` in fetch.py."""


def test_nothing_else_writes_to_a_screen() -> None:
    assert set(calls()) == set(EXCEPTIONS)


def test_no_text_is_read_as_markup() -> None:
    for path in (ROOT / "hookline").rglob("*.py"):
        text = path.read_text()
        assert "from_markup" not in text, path
        assert "markup=True" not in text, path
        assert "from_ansi" not in text, path
