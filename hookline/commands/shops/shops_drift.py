"""``hookline shops drift``: changes in the payloads of the shops."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.shops.payload_drift import Drift

_UNKNOWN = ("shop", "event", "path", "deliveries")
_COLUMNS = ("shop", "event", "what", "path", "kinds", "when", "before", "after", "sure")


def drift(
    shop: Annotated[
        str | None, typer.Argument(help="source/shop, or the shop alone; without it, all shops.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Start of the second period. [default: the middle of the log]"),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Start of the first period. [default: as long before --since]"),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show changes in the platforms' payloads: new, missing or differently typed fields.

    Compares the raw deliveries of two periods, from --against to --since and from then until now;
    without options, the two halves of everything retained. Shows paths and types, never values. A
    change is sure if at least five deliveries would be expected to have the field where none
    does; a rare field may be absent by chance. Fields that Hookline does not know are listed apart:
    they are counted by name, and nothing of them is kept.

    Examples:
      hookline shops drift
      hookline shops drift spiffy/johns --since 7d
      hookline shops drift johns --since 2026-05-01 --against 2026-04-01
      hookline shops drift --since 24h --json | jq '.changes[] | select(.sure)'
    """
    from hookline.console.time_argument import milliseconds
    from hookline.shops import payload_drift
    from hookline.shops.known import require_shop

    split_ms = None if since is None else milliseconds(since)
    first_ms = None if against is None else milliseconds(against)
    stack, now_ms = find_stack(data), int(time.time() * 1000)
    require_shop(stack, shop)
    with output.progress_bar(shown=not as_json) as progress:
        found = asyncio.run(
            payload_drift.compare(stack.settings, shop, split_ms, first_ms, now_ms, progress)
        )
    _show_drift(found, as_json=as_json)


def _show_drift(found: "Drift", *, as_json: bool) -> None:
    from hookline.shops import document_shape

    changed, events = [], []
    for (shop, event), pair in sorted(found.events.items()):
        counts = {"before": pair.before.documents, "after": pair.after.documents}
        omitted = pair.before.omitted + pair.after.omitted
        events.append({"shop": shop, "event": event, **counts, "omitted": omitted})
        for change in document_shape.changes(pair.before, pair.after):
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
                    "when": output.from_unix_ms(change.at_ms),
                    "before": f"{change.before} of {counts['before']}",
                    "after": f"{change.after} of {counts['after']}",
                    "sure": change.is_sure,
                }
            )
    unknown = [
        {**dict(zip(_UNKNOWN, key, strict=False)), "deliveries": count}
        for key, count in sorted(found.unknown.deliveries.items())
    ]
    span = {
        "from": output.from_unix_ms(found.first_ms),
        "since": output.from_unix_ms(found.split_ms),
    }
    if as_json:
        more = {"unread": found.unread, "omitted": found.omitted + found.unknown.omitted}
        output.print_json(
            {**span, "events": events, "changes": changed, "unknown": unknown, **more}
        )
        return
    since, first = output.display_text(span["since"]), output.display_text(span["from"])
    span_text = f"since {since} (from {first})"
    output.print_records(_COLUMNS, changed, span_text, f"no field changed {span_text}")
    for one in events:
        if not (one["before"] and one["after"]):
            when = "since" if one["after"] else "before"
            output.print_line(
                f"{one['shop']} {one['event'] or '(no event)'}: deliveries only {when}"
            )
    if unknown:
        output.print_records(_UNKNOWN, unknown, "unknown fields, not kept", "")
    if not events:
        output.out.print("no delivery of that shop is retained from that time")
    if found.unread:
        output.out.print(f"{found.unread} deliveries could not be read as a document")
