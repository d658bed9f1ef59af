"""Help texts made of docstrings, with the line breaks of their examples."""

import inspect
import re

import typer

_KEEP_LINES = "\b\n"
"""Makes the help formatter not wrap the paragraph that follows."""


def keep_examples(text: str) -> str:
    """Keep the lines under ``Examples:`` from being wrapped."""
    return re.sub(r"Examples:\n+", f"{_KEEP_LINES}Examples:\n", text)


def set_help(app: typer.Typer) -> None:
    """Set the help of all commands of ``app`` and its groups from their docstrings."""
    for command in app.registered_commands:
        command.help = keep_examples(inspect.getdoc(command.callback) or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            set_help(group.typer_instance)
            callback = group.typer_instance.registered_callback
            if callback is not None and callback.callback is not None:
                callback.help = keep_examples(inspect.getdoc(callback.callback) or "")
