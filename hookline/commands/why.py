"""``hookline why``: how a row came to be, event by event."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from hookline.console import escaping, output
from hookline.stack_address import DataOption, Place, find

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

KeyArgument = Annotated[
    str, typer.Argument(help="The key; or an id, alone, as shop/id or source/shop/id.")
]
RecordsOption = Annotated[
    bool, typer.Option("--records", help="The canonical records too, read from Kafka.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="why", help="Tell how a row came to be: its events, in order.")


@group.command()
def carts(
    key: KeyArgument,
    records: RecordsOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Tell how a cart's generations came to be: events, orders and silences, in order.

    Each with where it stands in the raw topic (partition:offset), which rule spoke and which
    fields that moved. The fold itself is asked after each moment: the last word is the row.

    Examples:
      hookline why carts spiffy/johns/cart:eeafa
      hookline why carts johns/eeafa --records
      hookline why carts eeafa --json | jq '.moments[] | {at, rule}'
    """
    from hookline.explain.cart_timeline import story
    from hookline.explain.explain import as_moment, as_row
    from hookline.explain.key_lookup import meant
    from hookline.tables import histories
    from hookline.tables.queries import Reader

    place = find(data)
    with Reader(place) as reader:
        cart_key = meant(reader, "carts", key)
        carts_, orders = histories.group(reader, cart_key)
        now = histories.watermark(reader)
        moments = story(cart_key, carts_, orders, now)
        rows = histories.generations(reader, [cart_key])
        sources = histories.order_events(reader, [m.order_key for m in moments if m.order_key])
    told: dict[str, Any] = {
        "cart_key": cart_key,
        "watermark": _time(now) if now else None,
        "moments": [as_moment(moment, sources) for moment in moments],
        "generations": [as_row(row) for row in rows],
    }
    if records:
        _add_records(place, (e for moment in told["moments"] for e in moment["events"]))
    if as_json:
        output.print_json(told)
        return
    _show_cart(told)


@group.command()
def customers(
    key: KeyArgument,
    records: RecordsOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Tell how a customer's rows came to be: each order, its events, and what it is worth.

    Of each event the fields that it decides, since no newer one tells them; an event that newer
    ones replaced in every field is no longer part of a row. With where it stands in the raw
    topic (partition:offset).

    Examples:
      hookline why customers run-free/lakeside/customer:1
      hookline why customers lakeside/1
      hookline why customers 1 --json | jq '.orders[].rules'
    """
    from hookline.explain.explain import customer
    from hookline.explain.key_lookup import meant
    from hookline.tables.queries import Reader

    place = find(data)
    with Reader(place) as reader:
        told = customer(reader, meant(reader, "customers", key))
    if records:
        entities = [told["customer"], *told["orders"], *told["reported"], *told["subscriptions"]]
        _add_records(place, (event for entity in entities for event in entity["events"]))
    if as_json:
        output.print_json(told)
        return
    _show_customer(told)


def _add_records(place: Place, events: Iterable[dict[str, Any]]) -> None:
    """Put the canonical record beside each event; null where Kafka no longer has it."""
    from hookline.explain.source_events import Wanted, records

    wanted: dict[str, Wanted] = {}
    listed = list(events)
    for event in listed:
        at = int(datetime.fromisoformat(event["raw_appended_at"]).timestamp() * 1_000_000)
        wanted[event["event_id"]] = Wanted(event["raw_partition"], at)
    found = asyncio.run(records(place.settings, wanted))
    for event in listed:
        event["record"] = found.get(event["event_id"])


def _time(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _show_cart(told: dict[str, Any]) -> None:
    _line(told["cart_key"], style="bold")
    for moment in told["moments"]:
        _line("")
        where = moment["kind"] + (f" {moment['order_key']}" if moment["order_key"] else "")
        _line(f"{_shown(moment['at'])}  {where}", style="bold")
        _line(f"  {moment['rule']}")
        _show_events(moment["events"])
        for each in moment["moved"]:
            before, after = _shown(each["before"]), _shown(each["after"])
            _line(f"    {each['generation']}. {each['field']}: {before} → {after}", style="dim")
    for row in told["generations"]:
        _line("")
        _line(f"generation {row['generation']} now", style="bold")
        for name, value in row.items():
            if value is not None and name not in ("cart_key", "generation"):
                _line(f"  {name:<18}{_shown(value)}")


def _show_customer(told: dict[str, Any]) -> None:
    for row in told["rows"]:
        _line(f"{told['customer_key']}  {row['row']['currency']}", style="bold")
        for rule in row["rules"]:
            _line(f"  {rule}")
    if not told["rows"]:
        _line(f"{told['customer_key']}: no order counts and no total is reported, so no row")
    for kind in ("orders", "reported", "subscriptions"):
        for entity in told[kind]:
            _show_entity(entity)
    _show_entity(told["customer"])


def _show_entity(entity: dict[str, Any]) -> None:
    _line("")
    _line(f"{entity['kind']} {entity['key']}", style="bold")
    for rule in entity["rules"]:
        _line(f"  {rule}")
    _show_events(entity["events"])


def _show_events(events: Iterable[dict[str, Any]]) -> None:
    for event in events:
        raw = f"raw {event['raw_partition']}:{event['raw_offset']}"
        decides = f"  decides {', '.join(event['decides'])}" if event.get("decides") else ""
        _line(f"    {raw}  event {event['event_id']}{decides}")
        if "record" in event:
            record = event["record"]
            if record is None:
                _line("    not in Kafka any more, or not in this one")
            else:
                _line(f"    {record['topic']} {record['partition']}:{record['offset']}")
                output.out.print_json(data=record.get("value", record.get("unreadable")))


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"{len(value)} lines"
    return output.shown(value) or '""'


def _line(text: str, style: str = "") -> None:
    output.out.print(escaping.line(text), markup=False, style=style, soft_wrap=True)
