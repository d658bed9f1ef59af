"""Commands to go on with after one that ended: on a terminal only, and never beside JSON."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from hookline.console import output
from runtime.escaping import terminal_text

OFF = "HOOKLINE_NO_HINTS"
NEXT: Mapping[str, tuple[str, ...]] = {
    "up": ("send run-free cart-change", "listen", "tables --watch"),
    "send": ("journey {delivery}", "tables carts"),
    "simulate": ("tables", "audit"),
    "import": ("reconcile {shop} {file}", "tables coverage"),
    "import --dry-run": ("import {shop} {file}",),
    "reconcile": ("tables coverage",),
    "shops add": ("shops check", "listen --shop {shop}"),
    "dead list": ("dead show {letter}", "dead replay {letter} --dry-run"),
    "dead list --group": ("dead show {letter}",),
    "dead show": ("dead replay {letter} --dry-run",),
    "dead replay --dry-run": ("listen --dead-only", "dead list --group"),
    "dead replay": ("dead list --group", "audit"),
    "rebuild": ("tables freshness", "audit"),
    "predict": ("tables customers",),
}
"""Command that ended -> what to go on with. Names in braces are arguments of that command's run."""


def commands(ended: str, data: Path | None = None, **given: str) -> list[str]:
    """Return the commands to go on with, ready for a shell, for the same data folder."""
    quoted = {name: shlex.quote(value) for name, value in given.items()}
    folder = "" if data is None else f" --data {shlex.quote(str(data))}"
    return [f"hookline {command.format(**quoted)}{folder}" for command in NEXT[ended]]


def show(ended: str, data: Path | None = None, **given: str) -> None:
    """Show them on stderr, where both outputs are a terminal and HOOKLINE_NO_HINTS is not set."""
    if os.environ.get(OFF) or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return
    output.err.print(
        "next: " + "   ".join(map(terminal_text, commands(ended, data, **given))),
        style="dim",
        soft_wrap=True,
    )
