"""``hookline audit``: every accepted delivery has exactly one verdict, or the exit status is 1."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hookline import screen
from hookline.connection import DataOption, find

if TYPE_CHECKING:
    from hookline.audit import Report

_COLUMNS = ("accepted", "canonical", "duplicates", "dead_letters", "in_flight", "missing")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def audit(
        tables: Annotated[bool, typer.Option(help="Look at the sinks' fences too.")] = True,
        as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
        data: DataOption = None,
    ) -> None:
        """Count: accepted = canonical + duplicates + dead letters, per shop, from Kafka itself.

        Deliveries that the processors have not reached yet are in flight. Ends with 1 when one
        is missing or stands in two classes, and names where it is in the raw topic.

        Examples:
          hookline audit
          hookline audit --json | jq .missing
          hookline audit --no-tables
        """
        from hookline import audit as books  # noqa: PLC0415 - only where it is used

        settings = find(data).settings
        with Progress(
            TextColumn("reading"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=screen.err,
            transient=True,
            disable=as_json or not screen.err.is_terminal,
        ) as bar:
            task = bar.add_task("read", total=None)

            def progress(read: int, everything: int) -> None:
                bar.update(task, completed=read, total=everything)

            report = asyncio.run(books.audit(settings, progress, tables=tables))
        if as_json:
            screen.print_json(report.as_dict())
        else:
            _show(report)
        if not report.is_balanced:
            raise typer.Exit(1)


def _show(report: "Report") -> None:
    rows = [
        (shop, *(getattr(count, name) for name in _COLUMNS))
        for shop, count in sorted(report.shops.items())
    ]
    columns = ("shop", *(name.replace("_", " ") for name in _COLUMNS))
    screen.out.print(screen.table(None, columns, rows))
    colour = "green" if report.is_balanced else "red"
    screen.out.print(f"[bold {colour}]{report.line()}[/]")
    if report.total.replays:
        screen.out.print(f"replays of dead letters, not counted above: {report.total.replays}")
    if report.late_copies:
        screen.out.print(
            f"late copies on the canonical topics, of which the first counts: {report.late_copies}"
        )
    if report.strangers:
        screen.out.print(
            f"[yellow]outcomes of raw offsets that hold no record: {report.strangers}[/]"
        )
    for place in report.missing_at:
        screen.out.print(f"[red]missing: raw partition:offset {place}[/]")
    if report.sinks is not None:
        screen.out.print(
            f"events not yet in the tables: {report.sinks.behind}; "
            f"events that the tables refused (sink_rejects): {report.sinks.rejects}"
        )
        for beyond in report.sinks.beyond:
            screen.out.print(f"[red]a fence beyond its log, was the topic recreated? {beyond}[/]")
