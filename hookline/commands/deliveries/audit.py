"""``hookline audit`` and ``accept-loss``: one verdict for each delivery, or an accepted loss."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.confirm import confirm
from hookline.commands.options import DataOption, JsonOption, SinceOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.audit.report import Report, Scope
    from runtime.settings import Settings

_COLUMNS = ("accepted", "canonical", "duplicates", "dead_letters", "in_flight", "missing")


def audit(
    since: SinceOption = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    partition: Annotated[int | None, typer.Option(help="Only this raw partition.")] = None,
    first: Annotated[
        int | None, typer.Option("--from", help="First raw offset (with --partition).")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", help="Last raw offset (with --partition).")
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Process missing deliveries again, then count again."),
    ] = False,
    tables: Annotated[
        bool, typer.Option(help="Use the database: the sinks' state, the ledger.")
    ] = True,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Check per shop that accepted = canonical + duplicates + dead letters, from Kafka.

    Deliveries that the processors have not reached yet are in flight. Exits with 1 if one
    is missing or is counted in two classes, and prints its raw partition:offset. A full audit
    adds settled deliveries to a ledger, which still counts them after retention has trimmed
    the log: run it at least once in that time. --repair needs the settings of a processor
    (HOOKLINE_CONTACT_KEY, HOOKLINE_SHOPS_FILE) and may run while processors run.

    Examples:
      hookline audit
      hookline audit --since 24h
      hookline audit --since 2026-05-01 --until 2026-05-02T12:00
      hookline audit --partition 3 --from 1200000 --to 1300000
      hookline audit --repair
      hookline audit --json | jq .missing_at
    """
    from hookline.audit import report as audit_report

    settings = find_stack(data).settings
    scope = _scope(since, until, partition, first, last)

    def count() -> "Report":
        with output.progress_bar(shown=not as_json, eta=True) as progress:
            return asyncio.run(audit_report.audit(settings, progress, scope, tables=tables))

    report = count()
    if repair and report.missing_at:
        _repair(settings, report.missing_at)
        report = count()
    if as_json:
        output.print_json(report.as_dict())
    else:
        _show(report)
    if not report.is_balanced:
        raise typer.Exit(1)


def accept_loss(
    partition: Annotated[int, typer.Argument(help="Partition of the raw topic.", min=0)],
    until: Annotated[
        int, typer.Option(help="The first offset that is still there, as shown by /readyz.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Resume a partition after raw records were trimmed before they were processed.

    A processor stops such a partition, is not ready and shows which offsets are gone. First
    try to restore them. The loss accepted here is recorded on hookline.decisions for ever;
    the processor that owns the partition resumes within seconds.

    Examples:
      hookline accept-loss 3 --until 48210
      hookline accept-loss 3 --until 48210 --yes --json
    """
    from hookline.audit.losses import accept, find_lost_range

    settings = find_stack(data).settings
    lost = asyncio.run(find_lost_range(settings, partition))
    if lost is not None and lost.until == until and not yes:
        confirm(
            f"{lost.count} deliveries of {lost.topic}/{partition}, offsets {lost.first} to"
            f" {until - 1}, were never processed and are gone. Resume without them?"
        )
    decision = asyncio.run(accept(settings, partition, lost, until))
    if as_json:
        output.print_json(
            {
                "partition": partition,
                "first": decision.first,
                "until": decision.until,
                "lost": decision.count,
            }
        )
        return
    output.out.print(
        f"{decision.count} deliveries lost: partition {partition} resumes at offset {until}"
    )


def accept_horizon(
    partition: Annotated[int, typer.Argument(help="Partition of the raw topic.", min=0)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Resume a partition whose outcome topics lost records before their time.

    A processor recognises repeats by the outcomes of the window. Where some of them were
    deleted, it stops the partition and is not ready. First try to restore them. With this
    decision it goes on: a repeat of a delivery whose outcome is gone becomes a second event.
    The decision is recorded on hookline.decisions for ever, and covers no later loss; the
    processor that owns the partition resumes within seconds.

    Examples:
      hookline accept-horizon 3
      hookline accept-horizon 3 --yes --json
    """
    from hookline.audit.horizons import accept, find_trimmed

    settings = find_stack(data).settings
    trimmed = asyncio.run(find_trimmed(settings, partition))
    if trimmed and not yes:
        logs = ", ".join(f"{topic} starts at {start}" for topic, start in sorted(trimmed.items()))
        confirm(
            f"Outcomes of partition {partition} are gone ({logs}). Repeats of those deliveries"
            " will not be recognised. Resume?"
        )
    decision = asyncio.run(accept(settings, partition, trimmed))
    if as_json:
        output.print_json({"partition": partition, "starts": decision.starts})
        return
    output.out.print(f"partition {partition} resumes; repeats of what its outcomes lost may pass")


def _scope(
    since: str | None, until: str | None, partition: int | None, first: int | None, last: int | None
) -> "Scope":
    from hookline.audit.report import Scope
    from hookline.console.time_argument import milliseconds

    if partition is None and (first is not None or last is not None):
        raise CommandError("--from and --to are offsets of one partition: name it with --partition")
    return Scope(
        since_ms=None if since is None else milliseconds(since),
        until_ms=None if until is None else milliseconds(until),
        partition=partition,
        first=first,
        until=None if last is None else last + 1,
    )


def _repair(settings: "Settings", missing_at: list[str]) -> None:
    from hookline.audit.repair import repair
    from runtime import logs

    logs.configure(settings, "audit")  # a repair logs to stderr what it waits for
    offsets: dict[int, list[int]] = {}
    for position in missing_at:
        partition, offset = map(int, position.split(":"))
        offsets.setdefault(partition, []).append(offset)
    done = asyncio.run(repair(settings, offsets))
    output.print_message(
        f"repaired: {done.deliveries} of {len(missing_at)} deliveries,"
        f" {done.outcomes} outcomes written"
    )


def _show(report: "Report") -> None:
    rows = [
        (shop, *(getattr(count, name) for name in _COLUMNS))
        for shop, count in sorted(report.shops.items())
        if any(getattr(count, name) for name in _COLUMNS)
    ]
    columns = ("shop", *(name.replace("_", " ") for name in _COLUMNS))
    output.out.print(output.table(None, columns, rows))
    colour = "green" if report.is_balanced else "red"
    output.print_parts((report.line(), f"bold {colour}"))
    for label, style, text in _remarks(report):
        output.print_parts((label, style), text)
    if report.sinks is not None:
        output.out.print(
            f"events not yet in the tables: {report.sinks.behind}; "
            f"events that the tables refused (sink_rejects): {report.sinks.rejects}"
        )


def _remarks(report: "Report") -> "Iterator[tuple[str, str, str]]":
    """Lines for what the balance does not show, worst last: a label, its style, the rest."""
    numbers = {
        ("of these trimmed by retention, counted from the ledger", ""): report.trimmed,
        ("replays of dead letters, not counted above", ""): report.total.replays,
        ("late copies, of which only the first is counted", ""): report.late_copies,
        ("records of other producers in the raw topic, not counted above", "yellow"): (
            report.total.foreign
        ),
        ("records of other producers in the outcome topics", "yellow"): report.foreign_outcomes,
        ("outcomes of raw offsets that hold no record", "yellow"): report.strangers,
    }
    yield from ((*label, f": {number}") for label, number in numbers.items() if number)
    positions = {
        ("trimmed before an audit: raw partition:offsets", "yellow"): report.unknown,
        ("lost, and accepted by an operator: raw partition:offsets", "yellow"): report.given_up,
        ("partitions were added:", "red"): report.added,
        ("missing: raw partition:offset", "red"): report.missing_at,
        ("in two classes: raw partition:offset", "red"): report.conflicting_at,
        ("ledger ahead of its log, was the topic recreated?", "red"): report.recreated,
        ("stored offset ahead of its log, was the topic recreated?", "red"): (
            report.sinks.beyond if report.sinks else []
        ),
    }
    yield from ((*label, f" {text}") for label, texts in positions.items() for text in texts)
    if report.missing_at:
        yield "`hookline audit --repair` processes missing deliveries again", "", ""
