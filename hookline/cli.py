"""The command line, composed of command modules. Stages are imported only when a command runs."""

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
from hookline.console.errors import guarded
from hookline.console.help_text import set_help

app = typer.Typer(
    name="hookline",
    help="Webhooks of e-commerce platforms in; typed events on Kafka and two tables out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order of --help.
_COMMANDS = (
    *(demo, stack, send, tables, why, what_if, predict, topics, audit, capacity),
    *(shops, dead, accept_loss, rebuild, stages),
)
for module in _COMMANDS:
    module.register(app)
set_help(app)


def main() -> None:
    """Run the ``hookline`` command: an error is one line; with --debug, a traceback."""
    debug = "--debug" in sys.argv or bool(os.environ.get("HOOKLINE_DEBUG"))
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    sys.exit(guarded(app, _print_error, debug=debug))


def _print_error(message: str) -> None:
    output.err.print(f"hookline: {message}", markup=False, soft_wrap=True)
