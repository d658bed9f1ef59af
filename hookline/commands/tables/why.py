"""``hookline why``: explain a row, event by event."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.stack_address import StackAddress, find_stack

group = typer.Typer(
    help="Explain how a row came to be: its events, in order.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

KeyArgument = Annotated[
    str, typer.Argument(help="The key, or an id: id, shop/id or source/shop/id.")
]
RecordsOption = Annotated[
    bool, typer.Option("--records", help="Also show the canonical records from Kafka.")
]


@group.command()
def carts(
    key: KeyArgument,
    records: RecordsOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Explain a cart's generations: events, orders and periods of inactivity, in order.

    Each with its raw partition:offset, the rule that applied and the fields that changed. The
    rows are computed by the same fold as in the sinks, so the last step gives the current row.

    Examples:
      hookline why carts spiffy/johns/cart:eeafa
      hookline why carts johns/eeafa --records
      hookline why carts eeafa --json | jq '.moments[] | {at, rule}'
    """
    from hookline.commands.tables import why_screens
    from hookline.explain import story
    from hookline.explain.key_lookup import find_key
    from hookline.tables.queries import Reader

    stack = find_stack(data)
    with Reader(stack) as reader:
        explanation = story.cart(reader, find_key(reader, "carts", key))
    if records:
        _add_records(stack, (e for moment in explanation["moments"] for e in moment["events"]))
    if as_json:
        output.print_json(explanation)
        return
    why_screens.show_cart(explanation)


@group.command()
def customers(
    key: KeyArgument,
    records: RecordsOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Explain a customer's rows: each order, its events, its refunds and its value.

    Shows of each event the fields that no newer event replaced, and its raw partition:offset; an
    event replaced in every field is not part of a row any more.

    Examples:
      hookline why customers run-free/lakeside/customer:1
      hookline why customers lakeside/1
      hookline why customers 1 --json | jq '.orders[].rules'
    """
    from hookline.commands.tables import why_screens
    from hookline.explain.explain import customer
    from hookline.explain.key_lookup import find_key
    from hookline.tables.queries import Reader

    stack = find_stack(data)
    with Reader(stack) as reader:
        explanation = customer(reader, find_key(reader, "customers", key))
    if records:
        kinds = ("orders", "payments", "reported", "subscriptions")
        entities = [
            explanation["customer"],
            *(each for kind in kinds for each in explanation[kind]),
        ]
        _add_records(stack, (event for entity in entities for event in entity["events"]))
    if as_json:
        output.print_json(explanation)
        return
    why_screens.show_customer(explanation)


def _add_records(stack: StackAddress, events: Iterable[dict[str, Any]]) -> None:
    """Add the canonical record to each event; None if Kafka no longer has it."""
    from hookline.explain.source_events import EventLocation, records

    wanted: dict[str, EventLocation] = {}
    all_events = list(events)
    for event in all_events:
        at = int(datetime.fromisoformat(event["raw_appended_at"]).timestamp() * 1_000_000)
        wanted[event["event_id"]] = EventLocation(event["raw_partition"], at)
    by_event = asyncio.run(records(stack.settings, wanted))
    for event in all_events:
        event["record"] = by_event.get(event["event_id"])
