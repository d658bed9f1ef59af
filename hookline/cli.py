"""The command line, composed of command modules. Stages are imported only when a command runs."""

import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from hookline.commands import completion
from hookline.commands.data import import_history, people, rebuild, reconcile
from hookline.commands.deliveries import audit, dead, journey, listen, topics
from hookline.commands.operating import (
    acls,
    capacity,
    contact_key,
    dashboard,
    demo,
    notify,
    stack,
    stages,
    status,
)
from hookline.commands.shops import send, shops, simulate
from hookline.commands.tables import predict, tables, what_if, why
from hookline.console import output
from hookline.console.errors import guarded
from runtime.process import private_files
from runtime.settings import misspelt

_STAGES = ("ingest", "process", "sink")
"""They log what other commands print."""

app = typer.Typer(
    name="hookline",
    no_args_is_help=True,
    # Without its two options in --help: `hookline completion` prints the scripts.
    add_completion=completion.VARIABLE in os.environ,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib import metadata  # 0.1 s

        output.print_line(f"hookline {metadata.version('hookline')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _print_version(wanted=wanted),
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
) -> None:
    """Webhooks of e-commerce platforms in; typed events on Kafka and two tables out."""


# In the order of --help.
_NAMES: dict[Callable[..., None], str] = {import_history.import_history: "import"}
"""Commands whose functions cannot have their name: it is a word of the language."""
for command in (
    *(demo.demo, stack.up, stack.down, status.status, stack.doctor, dashboard.dashboard),
    *(notify.notify, send.send, listen.listen),
    *(simulate.simulate, import_history.import_history, reconcile.reconcile, what_if.what_if),
    *(predict.predict, journey.journey, audit.audit, capacity.capacity, audit.accept_loss),
    audit.accept_horizon,
    *(contact_key.accept_key, rebuild.rebuild, acls.acls),
    *(stages.ingest, stages.process, stages.sink, stages.migrate, completion.completion),
):
    app.command(_NAMES.get(command))(command)
for module in (tables, why, topics, shops, dead, people):
    app.add_typer(module.group, name=module.__name__.rpartition(".")[2])


def keep_examples(text: str) -> str:
    """Keep the lines under ``Examples:`` from being wrapped."""
    return re.sub(r"Examples:\n+", "\b\nExamples:\n", text)


def _set_help(group: typer.Typer) -> None:
    """Set the help of all commands of a group and its groups from their docstrings."""
    for each in (*group.registered_commands, group.registered_callback):
        if each is not None:
            each.help = keep_examples(inspect.getdoc(each.callback) or "")
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _set_help(inner.typer_instance)


_set_help(app)


def main() -> None:
    """Run the ``hookline`` command: an error is one line; with --debug, a traceback."""
    if completion.VARIABLE in os.environ:
        app(prog_name="hookline")
    sys.excepthook = output.print_traceback
    os.umask(private_files.OTHERS)  # also of the JVMs and PostgreSQL that this starts
    debug = "--debug" in sys.argv or bool(os.environ.get("HOOKLINE_DEBUG"))
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    report: Callable[[str], None] = _print_error
    command = sys.argv[1] if sys.argv[1:] else ""
    if command in _STAGES:
        report = stages.error_log(command, _print_error)
    elif command != "migrate":  # it logs a misspelt setting
        for sentence in misspelt():
            report(sentence)
    sys.exit(guarded(lambda: app(prog_name="hookline"), report, debug=debug))


def _print_error(message: str) -> None:
    from runtime.logs import without_passwords

    output.print_message(f"hookline: {without_passwords(message)}")
