"""``hookline notify``: messages when the pipeline or a shop needs somebody."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import data_folder, find_stack

_COLUMNS = ("alert", "shop", "severity", "what", "since", "do")


def notify(
    once: Annotated[
        bool, typer.Option("--once", help="Look once, deliver what waits, and exit.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message through each channel, and exit.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Send a message when the pipeline or a shop needs somebody, and when it is over.

    To a webhook, signed by Standard Webhooks (HOOKLINE_NOTIFY_URL, HOOKLINE_NOTIFY_SECRET), and by
    e-mail (HOOKLINE_NOTIFY_SMTP_URL, HOOKLINE_NOTIFY_FROM, HOOKLINE_NOTIFY_TO). A condition is
    reported once, again each day while it lasts, and once when it is over; a message is sent until
    it is taken. Reads as HOOKLINE_READER_URL, and the raw topic once a day for changed payloads.
    No message holds personal data. Exits with 1 if --once or --test could not deliver.

    Examples:
      hookline notify
      hookline notify --test
      hookline notify --once --json | jq '.open[].alert'
      HOOKLINE_NOTIFY_URL=https://alerts.example.com/hookline hookline notify
    """
    from hookline.notify import run, settings

    given = settings.from_env()
    if test:
        _show_test(run.trial(given), as_json=as_json)
        return
    run.required(given)
    stack = find_stack(data)
    is_local = data is not None or not _names_a_stack()
    folder = data_folder(data) if is_local else Path(stack.settings.state_dir)
    has_kafka = is_local or "HOOKLINE_BROKERS" in os.environ
    if once:
        _show(run.once(stack, given, folder, has_kafka=has_kafka), as_json=as_json)
        return
    from runtime import logs

    logs.configure(stack.settings, "notify")
    logs.capture_uncaught()
    run.watch(stack, given, folder, has_kafka=has_kafka)


def _names_a_stack() -> bool:
    """Whether the environment names a stack elsewhere, as ``find_stack`` sees it."""
    return not os.environ.keys().isdisjoint(
        ("HOOKLINE_BROKERS", "HOOKLINE_READER_URL", "HOOKLINE_CONTACTS_READER_URL")
    )


def _show_test(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.print_json(results)
    else:
        for each in results:
            output.print_line(f"{each['channel']}: {each['problem'] or 'taken'}")
    if any(each["problem"] for each in results):
        raise typer.Exit(1)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
    else:
        output.print_records(_COLUMNS, found["open"], "open", "nothing is to be reported")
    if found["waiting"]:
        waiting = ", ".join(f"{count} for {name}" for name, count in found["waiting"].items())
        raise CommandError(f"messages could not be delivered: {waiting}; they are sent again")
