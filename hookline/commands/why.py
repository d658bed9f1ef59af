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
    from hookline.explain.cart_timeline import timeline
    from hookline.explain.explain import generation_json, moment_json, to_datetime
    from hookline.explain.key_lookup import find_key
    from hookline.explain.merged_carts import merged_into
    from hookline.tables import histories
    from hookline.tables.queries import Reader

    stack = find_stack(data)
    with Reader(stack) as reader:
        cart_key = find_key(reader, "carts", key)
        carts_, orders = histories.group(reader, cart_key)
        now = histories.watermark(reader)
        moments = timeline(cart_key, carts_, orders, now)
        rows = histories.generations(reader, [cart_key])
        merged = merged_into(reader, rows)
        sources = histories.order_events(reader, [m.order_key for m in moments if m.order_key])
    explanation: dict[str, Any] = {
        "cart_key": cart_key,
        "watermark": to_datetime(now) if now else None,
        "moments": [moment_json(moment, sources) for moment in moments],
        "generations": [
            {
                **generation_json(row),
                "merged_into": merged.get((cart_key, row.generation)),
            }
            for row in rows
        ],
    }
    if records:
        _add_records(stack, (e for moment in explanation["moments"] for e in moment["events"]))
    if as_json:
        output.print_json(explanation)
        return
    _show_cart(explanation)


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
    _show_customer(explanation)


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


def _show_cart(explanation: dict[str, Any]) -> None:
    output.print_line(explanation["cart_key"], style="bold")
    for moment in explanation["moments"]:
        output.print_line("")
        where = moment["kind"] + (f" {moment['order_key']}" if moment["order_key"] else "")
        output.print_line(f"{_shown(moment['at'])}  {where}", style="bold")
        output.print_line(f"  {moment['rule']}")
        _show_events(moment["events"])
        for each in moment["moved"]:
            before, after = _shown(each["before"]), _shown(each["after"])
            output.print_line(
                f"    {each['generation']}. {each['field']}: {before} → {after}", style="dim"
            )
    for row in explanation["generations"]:
        output.print_line("")
        output.print_line(f"generation {row['generation']} now", style="bold")
        if row["merged_into"] is not None:
            output.print_line(f"  {row['merged_into']} took it over: the rates count both once")
        for name, value in row.items():
            if value is not None and name not in ("cart_key", "generation", "merged_into"):
                output.print_line(f"  {name:<18}{_shown(value)}")


def _show_customer(explanation: dict[str, Any]) -> None:
    for row in explanation["rows"]:
        output.print_line(f"{explanation['customer_key']}  {row['row']['currency']}", style="bold")
        for rule in row["rules"]:
            output.print_line(f"  {rule}")
    if not explanation["rows"]:
        output.print_line(
            f"{explanation['customer_key']}: no order counts and no total is reported, so no row"
        )
    for kind in ("orders", "payments", "reported", "subscriptions"):
        for entity in explanation[kind]:
            _show_entity(entity)
    _show_entity(explanation["customer"])


def _show_entity(entity: dict[str, Any]) -> None:
    output.print_line("")
    output.print_line(f"{entity['kind']} {entity['key']}", style="bold")
    for rule in entity["rules"]:
        output.print_line(f"  {rule}")
    _show_events(entity["events"])


def _show_events(events: Iterable[dict[str, Any]]) -> None:
    for event in events:
        raw = f"raw {event['raw_partition']}:{event['raw_offset']}"
        decides = f"  decides {', '.join(event['decides'])}" if event.get("decides") else ""
        output.print_line(f"    {raw}  event {event['event_id']}{decides}")
        if "record" in event:
            record = event["record"]
            if record is None:
                output.print_line("    no longer in Kafka, or not in this one")
            else:
                output.print_line(f"    {record['topic']} {record['partition']}:{record['offset']}")
                output.print_document(record.get("value", record.get("unreadable")))


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"{len(value)} lines"
    return output.display_text(value) or '""'
