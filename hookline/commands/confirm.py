"""Asks before a change that cannot be undone."""

import typer

from hookline.console import output
from hookline.console.errors import CommandError


def confirm(question: str) -> None:
    """Ask; return after a yes. Raises Abort after a no, CommandError where nobody can answer."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        if typer.get_text_stream("stdin").isatty():
            raise  # of the person in front of it
        output.err.print()  # ends the line of the question
        raise CommandError(
            "nothing was changed: there is no terminal to answer at, so --yes is needed"
        ) from None
    if not agreed:
        raise typer.Abort
