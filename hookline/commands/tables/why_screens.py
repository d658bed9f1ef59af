"""What ``hookline why`` shows, and ``hookline journey`` of a cart, an order or a customer."""

from collections.abc import Iterable
from typing import Any

from hookline.console import output
from hookline.explain.story import Story, customer_summary


def show_story(story: Story) -> None:
    """Show the story of an entity."""
    if story.kind == "cart":
        show_cart(story.explanation)
    elif story.kind == "order":
        output.print_parts((story.key, "bold"))
        _show_lines(story.summary)
        _show_events(story.explanation["events"])
    else:
        show_customer(story.explanation)
    if story.left_out:
        output.print_parts(
            f"{story.left_out} older entities are left out: `hookline why customers {story.key}`"
            " shows all"
        )


def show_cart(explanation: dict[str, Any]) -> None:
    """Show why a cart is in the tables or not, its moments, and its rows."""
    output.print_parts((explanation["cart_key"], "bold"))
    _show_lines(explanation["summary"])
    for moment in explanation["moments"]:
        output.print_line("")
        where = moment["kind"] + (f" {moment['order_key']}" if moment["order_key"] else "")
        output.print_parts((f"{_shown(moment['at'])}  {where}", "bold"))
        output.print_parts(f"  {moment['rule']}")
        _show_events(moment["events"])
        for each in moment["moved"]:
            before, after = _shown(each["before"]), _shown(each["after"])
            line = f"    {each['generation']}. {each['field']}: {before} → {after}"
            output.print_parts((line, "dim"))
    for row in explanation["generations"]:
        output.print_line("")
        output.print_parts((f"generation {row['generation']} now", "bold"))
        if row["merged_into"] is not None:
            output.print_parts(f"  {row['merged_into']} took it over: the rates count both once")
        for name, value in row.items():
            if value is not None and name not in ("cart_key", "generation", "merged_into"):
                output.print_parts(f"  {name:<18}{_shown(value)}")


def show_customer(explanation: dict[str, Any]) -> None:
    """Show a customer's rows, and the entities that they are made of."""
    output.print_parts((explanation["customer_key"], "bold"))
    _show_lines(customer_summary(explanation))
    for row in explanation["rows"]:
        output.print_line("")
        output.print_parts((f"row in {row['row']['currency']}", "bold"))
        _show_lines(row["rules"])
    for kind in ("orders", "payments", "reported", "subscriptions"):
        for entity in explanation[kind]:
            _show_entity(entity)
    _show_entity(explanation["customer"])


def _show_entity(entity: dict[str, Any]) -> None:
    output.print_line("")
    output.print_parts((f"{entity['kind']} {entity['key']}", "bold"))
    _show_lines(entity["rules"])
    _show_events(entity["events"])


def _show_lines(lines: Iterable[str]) -> None:
    for line in lines:
        output.print_parts(f"  {line}")


def _show_events(events: Iterable[dict[str, Any]]) -> None:
    for event in events:
        raw = f"raw {event['raw_partition']}:{event['raw_offset']}"
        decides = f"  decides {', '.join(event['decides'])}" if event.get("decides") else ""
        output.print_parts(f"    {raw}  event {event['event_id']}{decides}")
        if "record" in event:
            record = event["record"]
            if record is None:
                output.print_parts("    no longer in Kafka, or not in this one")
            else:
                output.print_parts(
                    f"    {record['topic']} {record['partition']}:{record['offset']}"
                )
                output.print_document(record.get("value", record.get("unreadable")))


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"{len(value)} lines"
    return output.display_text(value) or '""'
