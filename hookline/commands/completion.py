"""``hookline completion``: the script by which a shell completes commands and options."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from schemas.platforms import PLATFORMS

VARIABLE = "_HOOKLINE_COMPLETE"
"""What Typer is asked to complete or to print, and for which shell; the scripts set it."""


class Shell(StrEnum):
    """Shells that complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the script by which a shell completes `hookline`'s commands, options and names.

    Examples:
      source <(hookline completion bash)
      hookline completion zsh > "${fpath[1]}/_hookline"
      hookline completion fish > ~/.config/fish/completions/hookline.fish
    """
    asked = {**os.environ, VARIABLE: f"source_{shell.value}"}
    command = [sys.executable, "-P", "-m", "hookline"]
    script = subprocess.run(command, env=asked, check=True, stdout=subprocess.PIPE, text=True)
    print(script.stdout.strip())  # zsh reads the first line


def starting_with(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Complete an argument by those of ``names()`` that start with what is typed."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def platforms() -> Iterable[str]:
    """Names of platforms."""
    return PLATFORMS


def example_names(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the examples of the platform that is typed before."""
    from hookline.console.errors import CommandError
    from hookline.send import examples

    try:
        names = examples.names(str(context.params.get("platform") or ""))
    except CommandError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def shop_names() -> Iterable[str]:
    """Shops of HOOKLINE_SHOPS_FILE, else of the running stack, else of ./shops.toml."""
    import tomllib

    from hookline.local.folder import Folder
    from hookline.stack_address import data_folder

    file = os.environ.get("HOOKLINE_SHOPS_FILE")
    if file is None:
        run = Folder(data_folder(None)).read()
        file = "shops.toml" if run is None else run["shops"]
    try:
        listed = tomllib.loads(Path(file).read_text())["shops"]
        return [f"{shop['source']}/{shop['id']}" for shop in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # nothing may be written into the line that is being typed


def topic_names() -> Iterable[str]:
    """Topics as `hookline topics tail` takes them."""
    from schemas.topics import ALL

    return (topic.name.removeprefix("hookline.") for topic in ALL)
