"""Commands and options that a page names, held against the command line."""

import re
from functools import cache
from typing import Any

import typer.main
from typer.exceptions import Exit, TyperException

from hookline.cli import app
from hookline.console.errors import CommandError

_NAMED = re.compile(r"`hookline ([a-z][^`]*)`")


@cache
def _root() -> Any:
    return typer.main.get_command(app)


def missing(text: str) -> list[str]:
    """The commands of a page that do not exist, or lack an option that is named with them."""
    return [named for named in _NAMED.findall(text) if not _exists(named.split())]


def _exists(tokens: list[str]) -> bool:
    command = _root()
    while tokens and tokens[0] in getattr(command, "commands", {}):
        command = command.commands[tokens.pop(0)]
    if command is _root():
        return False
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    options |= {"--help"}
    return all(token in options for token in tokens if token.startswith("--"))


def refusal(arguments: list[str]) -> str | None:
    """Why the command line would not take these arguments; None where it would run a command.

    Nothing is run. Files that are named need not exist.
    """
    command, name, rest = _root(), "hookline", list(arguments)
    parent: Any = None
    while True:
        try:
            context = command.make_context(name, list(rest), parent=parent)
            if not hasattr(command, "commands"):
                return None
            left = [*context._protected_args, *context.args]
            if not left:
                return None if command.invoke_without_command else "a command is missing"
            name, command, rest = command.resolve_command(context, left)
            parent = context
        except Exit:
            return None  # --help, --version
        except (TyperException, CommandError) as error:
            return getattr(error, "message", "") or str(error)
