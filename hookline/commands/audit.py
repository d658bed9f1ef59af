"""``hookline audit``: every accepted delivery has exactly one verdict, or the exit status is 1."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find

if TYPE_CHECKING:
    from hookline.audit.report import Report, Scope
    from hookline.audit.workers import Progress as Told
    from runtime.settings import Settings

_COLUMNS = ("accepted", "canonical", "duplicates", "dead_letters", "in_flight", "missing")

Since = Annotated[
    str | None, typer.Option(help="Appended at or after this time, or so long ago: 24h, 7d.")
]
Until = Annotated[str | None, typer.Option(help="Appended before this time.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def audit(
        since: Since = None,
        until: Until = None,
        partition: Annotated[int | None, typer.Option(help="One raw partition alone.")] = None,
        first: Annotated[
            int | None, typer.Option("--from", help="Raw offsets from here on (with --partition).")
        ] = None,
        last: Annotated[
            int | None, typer.Option("--to", help="Raw offsets up to and with this one.")
        ] = None,
        repair: Annotated[
            bool, typer.Option("--repair", help="Process what is missing again, then look again.")
        ] = False,
        tables: Annotated[
            bool, typer.Option(help="Use the database: the sinks' state, the ledger.")
        ] = True,
        as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
        data: DataOption = None,
    ) -> None:
        """Count: accepted = canonical + duplicates + dead letters, per shop, from Kafka itself.

        Deliveries that the processors have not reached yet are in flight. Ends with 1 when one
        is missing or stands in two classes, and names where it is in the raw topic. What an
        audit of everything finds settled is kept in a ledger, which answers once retention has
        trimmed the log: run it at least once in that time. --repair needs the settings of a
        processor (HOOKLINE_CONTACT_KEY, HOOKLINE_SHOPS_FILE) and may run beside them.

        Examples:
          hookline audit
          hookline audit --since 24h
          hookline audit --since 2026-05-01 --until 2026-05-02T12:00
          hookline audit --partition 3 --from 1200000 --to 1300000
          hookline audit --repair
          hookline audit --json | jq .missing_at
        """
        from hookline.audit import report as books

        settings = find(data).settings
        scope = _scope(since, until, partition, first, last)

        def look() -> "Report":
            with _bar(shown=not as_json) as progress:
                return asyncio.run(books.audit(settings, progress, scope, tables=tables))

        report = look()
        if repair and report.missing_at:
            _repair(settings, report.missing_at)
            report = look()
        if as_json:
            output.print_json(report.as_dict())
        else:
            _show(report)
        if not report.is_balanced:
            raise typer.Exit(1)


def _scope(
    since: str | None, until: str | None, partition: int | None, first: int | None, last: int | None
) -> "Scope":
    from hookline.audit.report import Scope
    from hookline.console.time_argument import milliseconds

    if partition is None and (first is not None or last is not None):
        raise CommandError("offsets are those of one partition: name it with --partition")
    return Scope(
        since_ms=None if since is None else milliseconds(since),
        until_ms=None if until is None else milliseconds(until),
        partition=partition,
        first=first,
        until=None if last is None else last + 1,
    )


@contextmanager
def _bar(*, shown: bool) -> "Iterator[Told]":
    with Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=output.err,
        transient=True,
        disable=not shown or not output.err.is_terminal,
    ) as bar:
        task = bar.add_task("read", total=None)

        def progress(read: int, everything: int) -> None:
            bar.update(task, completed=read, total=everything)

        yield progress


def _repair(settings: "Settings", missing_at: list[str]) -> None:
    from hookline.audit.repair import repair
    from runtime import logs

    logs.configure(settings, "audit")  # to stderr: what is waited for is said there
    places: dict[int, list[int]] = {}
    for place in missing_at:
        number, offset = map(int, place.split(":"))
        places.setdefault(number, []).append(offset)
    done = asyncio.run(repair(settings, places))
    output.err.print(
        f"repaired: {done.deliveries} of {len(missing_at)} deliveries,"
        f" {done.outcomes} outcomes written"
    )


def _show(report: "Report") -> None:
    rows = [
        (shop, *(getattr(count, name) for name in _COLUMNS))
        for shop, count in sorted(report.shops.items())
    ]
    columns = ("shop", *(name.replace("_", " ") for name in _COLUMNS))
    output.out.print(output.table(None, columns, rows))
    colour = "green" if report.is_balanced else "red"
    output.out.print(f"[bold {colour}]{report.line()}[/]")
    for line in _remarks(report):
        output.out.print(line)
    if report.sinks is not None:
        output.out.print(
            f"events not yet in the tables: {report.sinks.behind}; "
            f"events that the tables refused (sink_rejects): {report.sinks.rejects}"
        )


def _remarks(report: "Report") -> "Iterator[str]":
    """What stands beside the sum, worst last."""
    numbers = {
        "of them trimmed by retention, counted in the ledger": report.trimmed,
        "replays of dead letters, not counted above": report.total.replays,
        "late copies, of which the first counts": report.late_copies,
        "[yellow]outcomes of raw offsets that hold no record[/]": report.strangers,
    }
    yield from (f"{words}: {number}" for words, number in numbers.items() if number)
    places = {
        "[yellow]trimmed before an audit: raw partition:offsets[/]": report.unknown,
        "[yellow]lost, and accepted by an operator: raw partition:offsets[/]": report.given_up,
        "[red]missing: raw partition:offset[/]": report.missing_at,
        "[red]in two classes: raw partition:offset[/]": report.conflicting_at,
        "[red]a ledger beyond its log, was the topic recreated?[/]": report.recreated,
        "[red]a fence beyond its log, was the topic recreated?[/]": (
            report.sinks.beyond if report.sinks else []
        ),
    }
    yield from (f"{words} {place}" for words, found in places.items() for place in found)
    if report.missing_at:
        yield "`hookline audit --repair` processes what is missing again"
