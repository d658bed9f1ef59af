"""Help that teaches: the examples of a docstring keep their lines."""

import inspect
import re

import typer

_KEEP_LINES = "\b\n"
"""What the help formatter understands as: do not wrap the paragraph that follows."""


def keep_examples(text: str) -> str:
    """Have each line under ``Examples:`` stand on its own."""
    return re.sub(r"Examples:\n+", f"{_KEEP_LINES}Examples:\n", text)


def teach(app: typer.Typer) -> None:
    """Apply ``keep_examples`` to all commands of ``app`` and of its groups."""
    for command in app.registered_commands:
        command.help = keep_examples(inspect.getdoc(command.callback) or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            teach(group.typer_instance)
            callback = group.typer_instance.registered_callback
            if callback is not None and callback.callback is not None:
                callback.help = keep_examples(inspect.getdoc(callback.callback) or "")
