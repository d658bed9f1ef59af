"""What ``hookline journey`` shows of its answers."""

from collections.abc import Sequence
from datetime import datetime

from hookline.commands.tables import why_screens
from hookline.console import output
from hookline.console.counts import counted
from hookline.journey.model import (
    Answer,
    Deliveries,
    Journey,
    Letter,
    Listed,
    Missing,
    RowChange,
    RowState,
    Verdict,
    wait_text,
)

_COLUMNS = ("received", "delivery", "shop", "event", "entity", "raw", "verdict", "more")
_FIELDS = 12
"""Names of fields that are shown of a row, at most."""


def show(answer: Answer) -> None:
    """Show an answer, and commands to go on with."""
    if isinstance(answer, Journey):
        _show_journey(answer)
    elif isinstance(answer, Deliveries):
        _show_deliveries(answer)
    else:
        output.print_message(answer.explanation)
    _show_next(answer.next, is_missing=isinstance(answer, Missing))


def _show_journey(journey: Journey) -> None:
    received = journey.received
    output.print_parts((f"delivery {received.delivery}", "bold"))
    facts = {
        "shop": received.shop,
        "event": received.event,
        "entity": received.entity,
        "bytes": "" if received.size is None else f"{received.size:,}",
        "imported by": received.imported,
        "replays letter": received.replay_of,
        "first received as": received.original,
    }
    for name, value in facts.items():
        if value:
            output.print_parts(f"  {name:<17} {value}")
    if received.is_foreign:
        output.print_line("  no ingress appended it: another producer writes to the raw topic")
    output.print_line("")
    rows = [
        (step.stage, _time(step.at), wait_text(step.wait), step.where) for step in journey.steps
    ]
    output.out.print(output.table(None, ("station", "at (UTC)", "after", "where"), rows))
    for line in verdict_lines(journey.verdict):
        output.print_parts(line)
    for event in journey.events:
        where = f"{event.record.topic} {event.record.position}"
        output.print_parts(f"event {event.event_id}  {event.slot}  {where}  {event.entity or ''}")
    _show_rows(journey.rows)
    for signal in journey.signals:
        sent = "waits in the outbox" if signal.sent_at is None else f"sent {_time(signal.sent_at)}"
        output.print_parts(
            f"signal {signal.kind}  {signal.cart_key}, generation {signal.generation}: {sent}"
        )
    for note in journey.notes:
        output.print_parts(f"note: {note}")
    if journey.body is not None:
        output.print_line("body, private values masked", style="bold")
        output.print_document(journey.body)


def _show_rows(rows: Sequence[RowChange]) -> None:
    for row in rows:
        output.print_line("")
        output.print_parts((f"{row.table}  {row.key}", "bold"))
        if row.state is not RowState.DECIDES:
            output.print_line(f"  {row.state.value}")
        if row.decides:
            names = ", ".join(row.decides[:_FIELDS])
            more = len(row.decides) - _FIELDS
            output.print_parts(f"  decides {names}{f' and {more} more' if more > 0 else ''}")
        for rule in row.rules:
            output.print_parts(f"  {rule}")
        for change in row.changes:
            before, after = (output.display_text(change[name]) for name in ("before", "after"))
            became = f"{before or 'null'} → {after or 'null'}"
            line = f"    {change['generation']}. {change['field']}: {became}"
            output.print_parts((line, "dim"))


def _show_deliveries(found: Deliveries) -> None:
    for story in found.stories:
        why_screens.show_story(story)
        output.print_line("")
    output.print_parts((f"deliveries of {', '.join(found.subjects)}", "bold"))
    rows = [_listed(each) for each in found.deliveries]
    if rows:
        output.out.print(output.table(None, _COLUMNS, rows))
    count = counted(len(rows), "delivery", "deliveries")
    read = (
        "all that the raw topic still holds"
        if found.back_to is None
        else f"read back to {_time(found.back_to)} UTC: --max and --since go further"
    )
    output.print_line(f"{count}; {read}")
    for note in found.notes:
        output.print_parts(f"note: {note}")


def _listed(each: Listed) -> tuple[str, ...]:
    received, verdict = each.received, each.verdict
    more = next(iter(verdict_lines(verdict)), "")
    return (
        _time(received.at), received.delivery, received.shop, received.event, received.entity,
        each.raw.position, verdict.kind.value, more,
    )  # fmt: skip


def verdict_lines(verdict: Verdict, *, is_looked_up: bool = True) -> list[str]:
    """Return what there is to know of a verdict beside its kind, in sentences.

    ``is_looked_up``: whether the delivery that it repeats was looked for.
    """
    lines = [verdict.explanation] if verdict.explanation else []
    if verdict.repeats is not None:
        rule = f" by the {verdict.repeats.rule} rule" if verdict.repeats.rule else ""
        earlier = verdict.repeats.delivery or ("a delivery that is gone" if is_looked_up else "")
        named = f" ({earlier})" if earlier else ""
        lines.append(f"repeats {verdict.repeats.raw}{named}{rule}")
    lines += [_letter_line(letter) for letter in verdict.letters]
    return lines


def _letter_line(letter: Letter) -> str:
    of = "" if letter.slot is None else f" of {letter.slot}"
    path = f" at {letter.path}" if letter.path else ""
    detail = letter.detail.strip().rpartition("\n")[2]  # of a traceback: its last line
    line = f"letter {letter.record.position}{of}: {letter.reason}{path}"
    line += f", {detail}" if detail else ""
    if letter.mark is None:
        return line
    line += f"; {letter.mark} {_time(letter.marked_at)}: {letter.mark_reason}"
    return line + (f", as raw {letter.replayed_as}" if letter.replayed_as else "")


def _show_next(commands: Sequence[str], *, is_missing: bool) -> None:
    if not commands:
        return
    if not is_missing:
        output.print_line("")
    show_line = output.print_message if is_missing else output.print_line
    show_line("next:")
    for command in commands:
        show_line(f"  {command}")


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"
