"""Stories of carts and customers as plain data, for a screen or a machine."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hookline.explain import customer_timeline
from hookline.explain.cart_timeline import TIMES, Moment
from hookline.tables.histories import Asks
from schemas.events import Micros
from sinks.carts.activity import Generation
from sinks.lifetime.customers import money, order_state
from sinks.merge.last_writer import Layers, flatten, load

_ROWS = "SELECT * FROM customer_lifetime_value WHERE customer_key = %s ORDER BY currency"
_ORDERS = """
    SELECT order_key, source, shop, layers, is_renewal FROM orders
    WHERE customer_key = %s ORDER BY placed_at, order_key
"""
_ENTITY = "SELECT layers FROM customers WHERE customer_key = %s"
_REPORTED = "SELECT total_key, layers FROM reported_totals WHERE customer_key = %s ORDER BY 1"
_SUBSCRIPTIONS = """
    SELECT subscription_key, layers, status, is_active FROM subscriptions
    WHERE customer_key = %s ORDER BY 1
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_moment(moment: Moment, orders: Mapping[str, Layers]) -> dict[str, Any]:
    """A moment of a cart; of an order all events that decide its state."""
    if moment.event_id is not None:
        events = [
            {
                "event_id": moment.event_id,
                "raw_partition": moment.raw_partition,
                "raw_offset": moment.raw_offset,
                "raw_appended_at": _time(moment.appended_at).isoformat(),
            }
        ]
    else:
        events = _events(orders.get(moment.order_key or "", ()))
    return {
        "at": _time(moment.at),
        "kind": moment.kind,
        "order_key": moment.order_key,
        "rule": moment.rule,
        "moved": [
            {
                "generation": each.generation,
                "field": each.name,
                "before": _plain(each.name, each.before),
                "after": _plain(each.name, each.after),
            }
            for each in moment.moved
        ],
        "events": events,
    }


def as_row(row: Generation) -> dict[str, Any]:
    """A generation as its row tells it."""
    return {
        each.name: _plain(each.name, getattr(row, each.name))
        for each in fields(row)
        if each.name != "abandonments"
    }


def customer(reader: Asks, key: str) -> dict[str, Any]:
    """A customer's rows, and all that made them."""
    told_orders, worths = [], []
    for order_key, source, shop, stored, is_renewal in reader.ask(_ORDERS, [key]).rows:
        layers = load(stored)
        state = order_state(order_key, source, shop, flatten(layers))
        worth = money(state)
        worths.append((state, worth))
        rules = customer_timeline.order_rules(state, worth, is_renewal=is_renewal)
        told_orders.append(_entity(order_key, "order", layers, rules))
    rows = reader.ask(_ROWS, [key]).as_dicts()
    stored_customer = reader.ask(_ENTITY, [key]).rows
    return {
        "customer_key": key,
        "rows": [{"row": row, "rules": customer_timeline.row_rules(row, worths)} for row in rows],
        "orders": told_orders,
        "reported": [
            _entity(total, "reported total", load(layers), ("the newest counts, none is summed",))
            for total, layers in reader.ask(_REPORTED, [key]).rows
        ],
        "subscriptions": [
            _entity(each, "subscription", load(layers), (f"{status}, active: {is_active}",))
            for each, layers, status, is_active in reader.ask(_SUBSCRIPTIONS, [key]).rows
        ],
        "customer": _entity(
            key,
            "customer",
            load(stored_customer[0][0]) if stored_customer else (),
            ("of every event that names the customer, the newest that tells a field",),
        ),
    }


def _entity(key: str, kind: str, layers: Layers, rules: tuple[str, ...]) -> dict[str, Any]:
    return {"key": key, "kind": kind, "rules": list(rules), "events": _events(layers)}


def _events(layers: Layers) -> list[dict[str, Any]]:
    return [
        {
            "event_id": event.event_id,
            "raw_partition": event.raw_partition,
            "raw_offset": event.raw_offset,
            "raw_appended_at": _time(event.appended_at).isoformat(),
            "decides": event.decides,
        }
        for event in customer_timeline.events(layers)
    ]


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TIMES or name == "next_due":
        return _time(value)
    if name == "time_to_recover":
        return timedelta(microseconds=value)
    return list(msgspec.to_builtins(value)) if name == "items" else value


def _time(micros: Micros | None) -> datetime:
    return _EPOCH + timedelta(microseconds=micros or 0)
