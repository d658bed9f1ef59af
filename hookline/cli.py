"""The command line: a composition of command modules. Each brings in a stage only when run."""

import os
import sys

import typer

from hookline.commands import (
    accept_loss,
    audit,
    capacity,
    dead,
    demo,
    predict,
    rebuild,
    send,
    shops,
    stack,
    stages,
    tables,
    topics,
    what_if,
    why,
)
from hookline.console import output
from hookline.console.help_text import teach
from hookline.errors import guarded

app = typer.Typer(
    name="hookline",
    help="Webhooks of e-commerce platforms in; typed events on Kafka and two tables out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = (
    *(
        demo,
        stack,
        send,
        tables,
        why,
        what_if,
        predict,
        topics,
        audit,
        capacity,
        shops,
        dead,
        accept_loss,
        rebuild,
    ),
    stages,
)
for module in _COMMANDS:
    module.register(app)
teach(app)


def main() -> None:
    """The ``hookline`` command: one clear line for what cannot be done, --debug for the rest."""
    debug = "--debug" in sys.argv or bool(os.environ.get("HOOKLINE_DEBUG"))
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    sys.exit(guarded(app, _say, debug=debug))


def _say(line: str) -> None:
    output.err.print(f"hookline: {line}", markup=False, soft_wrap=True)
