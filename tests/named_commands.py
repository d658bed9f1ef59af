"""Commands and options that a page names, held against the command line."""

import re
from functools import cache
from typing import Any

import typer.main

from hookline.cli import app

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
    return all(token in options for token in tokens if token.startswith("--"))
