"""``hookline shops drift``: what changed in what the shops send."""

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.console import escaping, output
from hookline.stack_address import DataOption, find

if TYPE_CHECKING:
    from hookline.shops.payload_drift import Drift

_COLUMNS = ("shop", "event", "what", "path", "kinds", "when", "before", "after", "sure")


def register(group: typer.Typer) -> None:
    """Add the command to ``hookline shops``."""
    group.command()(drift)


def drift(
    shop: Annotated[
        str | None, typer.Argument(help="source/shop, or the shop alone; all if not told.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Compare what came since then. [default: the middle of the time]"),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="With what came from then on. [default: as long before --since]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data: DataOption = None,
) -> None:
    """Say what changed in the platforms' payloads: fields new, gone, or of another type.

    Reads the raw deliveries of the time asked for; without --since and --against of all that is
    kept, and compares the first half of the time with the second. Shows paths and types, never a
    value. A change is sure where at least five deliveries had to be expected on the side that
    has none; a field that is seldom told may be missing by chance.

    Examples:
      hookline shops drift
      hookline shops drift spiffy/johns --since 7d
      hookline shops drift johns --since 2026-05-01 --against 2026-04-01
      hookline shops drift --since 24h --json | jq '.changes[] | select(.sure)'
    """
    from hookline.console.time_argument import milliseconds
    from hookline.shops import payload_drift

    split_ms = None if since is None else milliseconds(since)
    first_ms = None if against is None else milliseconds(against)
    settings, now_ms = find(data).settings, int(time.time() * 1000)
    with output.reading(shown=not as_json) as progress:
        found = asyncio.run(
            payload_drift.compare(settings, shop, split_ms, first_ms, now_ms, progress)
        )
    _show_drift(found, as_json=as_json)


def _show_drift(found: "Drift", *, as_json: bool) -> None:
    changed, events = [], []
    for (shop, event), pair in sorted(found.events.items()):
        counts = {"before": pair.before.documents, "after": pair.after.documents}
        omitted = pair.before.omitted + pair.after.omitted
        events.append({"shop": shop, "event": event, **counts, "omitted": omitted})
        for change in pair.changes:
            kinds = "|".join(change.kinds)
            if change.kinds_before:
                kinds = f"{'|'.join(change.kinds_before)} → {kinds}"
            changed.append(
                {
                    "shop": shop,
                    "event": event,
                    "what": change.what,
                    "path": change.path,
                    "kinds": kinds,
                    "when": _time(change.at_ms),
                    "before": f"{change.before} of {counts['before']}",
                    "after": f"{change.after} of {counts['after']}",
                    "sure": change.is_sure,
                }
            )
    span = {"from": _time(found.span.first_ms), "since": _time(found.span.split_ms)}
    if as_json:
        more = {"unread": found.unread, "omitted": found.omitted}
        output.print_json({**span, "events": events, "changes": changed, **more})
        return
    title = f"since {output.shown(span['since'])} (from {output.shown(span['from'])})"
    rows = [[one[column] for column in _COLUMNS] for one in changed]
    output.out.print(output.table(title, _COLUMNS, rows))
    for one in events:
        if not (one["before"] and one["after"]):
            when = "since" if one["after"] else "before"
            line = f"{one['shop']} {one['event'] or '(no event)'}: deliveries only {when}"
            output.out.print(escaping.line(line), markup=False)
    if not events:
        output.out.print("no delivery of that shop was kept in that time")
    if found.unread:
        output.out.print(f"{found.unread} deliveries hold no document that could be read")


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
