"""What ``hookline listen`` shows: a line for each delivery, and what belongs to it below."""

from datetime import UTC, datetime

from hookline.commands.deliveries.journey_screens import verdict_lines
from hookline.console import output
from hookline.console.counts import counted
from hookline.journey.model import EventRecord, RowChange, RowState, VerdictKind, wait_text
from hookline.journey.trace import NO_TABLES
from hookline.listen.heard import Heard, Rows, Totals
from hookline.stack_address import StackAddress

_STYLES = {
    VerdictKind.CANONICAL: "green",
    VerdictKind.DUPLICATE: "cyan",
    VerdictKind.DEAD_LETTER: "red",
    VerdictKind.PENDING: "yellow",
}
_CHANGES = 3
"""Changes of a row that its line shows."""


def show_waiting(stack: StackAddress) -> None:
    """Say on stderr, at once, what it waits for: a group-less client takes seconds to connect."""
    settings = stack.settings
    tables = " and the tables" if stack.reader_url else ""
    output.print_message(
        f"connecting to Kafka at {settings.brokers}, the registry{tables}; what comes until then"
        " is not shown"
    )


def show_ready(*, has_tables: bool) -> None:
    """Say that deliveries are shown from now on."""
    output.print_message("listening for deliveries; Ctrl-C stops")
    if not has_tables:
        output.print_message(NO_TABLES)


def show(heard: Heard) -> None:
    """Show a delivery."""
    received, verdict = heard.received, heard.verdict
    assert verdict is not None  # noqa: S101 - it is shown once it has one
    at = received.at
    output.print_parts(
        (f"{at:%H:%M:%S}.{at.microsecond // 1000:03}", "dim"),
        f"  {received.shop or '-':<20}  {received.event or '-':<22}  ",
        (f"{verdict.kind.value:<11}", _STYLES.get(verdict.kind, "")),
        f"  {_lateness(heard):<24}  ",
        (received.delivery, "dim"),
    )
    for line in verdict_lines(verdict, is_looked_up=False):
        output.print_parts(f"    {line}")
    for event in heard.events:
        rows = [row for row in heard.rows if row.event_id == event.event_id]
        output.print_parts(f"    {_event(event)}{_rows(event, rows)}")
    if heard.were_rows_skipped:
        output.print_line("    rows not looked up: deliveries come faster", style="dim")


def _lateness(heard: Heard) -> str:
    if heard.visible_seconds is not None:
        return f"visible after {wait_text(heard.visible_seconds)}"
    return "" if heard.state in (Rows.NONE, Rows.UNREAD) else heard.state.value


def _event(event: EventRecord) -> str:
    return f"{event.noun} {event.entity or 'unreadable'}"


def _rows(event: EventRecord, rows: list[RowChange]) -> str:
    shown = dict.fromkeys(_row(event, row) for row in rows)
    return f" → {'; '.join(shown)}" if shown else ""


def _row(event: EventRecord, row: RowChange) -> str:
    name = row.table if row.key == event.entity else f"{row.table} {row.key}"
    if row.state is not RowState.DECIDES:
        return f"{name} ({row.state.value})"
    if row.changes:
        texts = [
            f"{change['field']} {output.display_text(change['before']) or 'null'}"
            f" → {output.display_text(change['after']) or 'null'}"
            for change in row.changes[:_CHANGES]
        ]
        return f"{name} ({', '.join(texts)})"
    if row.decides:
        return f"{name} ({len(row.decides)} fields)"
    return name


def show_totals(totals: Totals) -> None:
    """Show what was shown, on stderr."""
    seconds = 0.0 if totals.since is None else (datetime.now(UTC) - totals.since).total_seconds()
    number = totals.deliveries
    line = f"{counted(number, 'delivery', 'deliveries')} in {wait_text(seconds)}"
    if number:
        line += ": " + ", ".join(f"{count} {kind}" for kind, count in totals.verdicts.most_common())
    if totals.visible:
        average = wait_text(totals.seconds / totals.visible)
        line += f"; visible after {average} on average, {wait_text(totals.longest)} at most"
    if totals.rows_skipped:
        line += f"; rows of {totals.rows_skipped} not looked up"
    if totals.lost:
        line += f"; {totals.lost} forgotten without a verdict"
    output.print_message(line)
