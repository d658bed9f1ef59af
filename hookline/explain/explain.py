"""Timelines of carts and customers as plain data, for ``hookline why``."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hookline.explain import customer_timeline
from hookline.explain.cart_timeline import TIMES, Moment
from hookline.tables.queries import Reader
from schemas.events import Micros
from sinks.carts.records import Generation
from sinks.lifetime.order_state import order_state
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS, payment_refund
from sinks.merge.event_fields import FIRST
from sinks.merge.last_writer import Layer, Layers, flatten, load

_ROWS = "SELECT * FROM customer_lifetime_value WHERE customer_key = %s ORDER BY currency"
_ORDERS = "SELECT * FROM orders WHERE customer_key = %s ORDER BY placed_at, order_key"
_ORDER = "SELECT * FROM orders WHERE order_key = %s"
_REFUNDS = "SELECT * FROM refunds WHERE order_key = ANY(%s) ORDER BY order_key, position"
_PAYMENTS = "SELECT * FROM payments WHERE order_key = ANY(%s) ORDER BY payment_key"
_ENTITY = "SELECT layers, is_deleted FROM customers WHERE customer_key = %s"
_REPORTED = "SELECT total_key, layers FROM reported_totals WHERE customer_key = %s ORDER BY 1"
_SUBSCRIPTIONS = """
    SELECT subscription_key, layers, status, is_active FROM subscriptions
    WHERE customer_key = %s ORDER BY 1
"""
_META_FIELDS = frozenset({FIRST, "occurred_at", "settings", "is_test"})
"""Fields that every event gives."""
_MONEY = (
    "standing", "status", "currency", "gross", "discounts", "refunded", "net", "pending",
    "taxes_included", "tax_basis", "reason", "is_renewal",
)  # fmt: skip
_REFUND_MONEY = (
    "refund_id", "refunded_at", "basis", "goods", "tax", "shipping", "goodwill", "net_effect",
    "is_counted",
)  # fmt: skip
"""Columns of ``orders`` and of ``refunds`` that make an order's net."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_json(moment: Moment, orders: Mapping[str, Layers]) -> dict[str, Any]:
    """Return a moment of a cart; an order's with all events that decide its state."""
    if moment.event_id is not None:
        events = [
            _event(moment.event_id, moment.raw_partition, moment.raw_offset, moment.appended_at)
        ]
    else:
        events = _events(orders.get(moment.order_key or "", ()))
    return {
        "at": to_datetime(moment.at),
        "kind": moment.kind,
        "order_key": moment.order_key,
        "rule": moment.rule,
        "moved": [
            {
                "generation": each.generation,
                "field": each.name,
                "before": _plain_value(each.name, each.before),
                "after": _plain_value(each.name, each.after),
            }
            for each in moment.changes
        ],
        "events": events,
    }


def generation_json(row: Generation) -> dict[str, Any]:
    """Return a generation as its row in the tables."""
    return {
        each.name: _plain_value(each.name, getattr(row, each.name))
        for each in fields(row)
        if each.name != "abandonments"
    }


def customer(reader: Reader, key: str) -> dict[str, Any]:
    """Return a customer's rows, and the entities and events that they are made of."""
    rows = reader.query(_ROWS, [key]).as_dicts()
    orders = reader.query(_ORDERS, [key]).as_dicts()
    order_keys = [order["order_key"] for order in orders]
    refunds: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for refund in reader.query(_REFUNDS, [order_keys]).as_dicts():
        refunds[refund["order_key"]].append(refund)
    stored_customer = reader.query(_ENTITY, [key]).rows
    return {
        "customer_key": key,
        "rows": [
            {
                "row": row,
                "sums": customer_timeline.row_sums(row["currency"], orders),
                "rules": customer_timeline.row_rules(row, orders),
            }
            for row in rows
        ],
        "orders": [_order(order, refunds[order["order_key"]]) for order in orders],
        "payments": _payments(reader, order_keys),
        "reported": [
            _entity(total, "reported total", load(layers), ("the newest counts, none is summed",))
            for total, layers in reader.query(_REPORTED, [key]).rows
        ],
        "subscriptions": [
            _entity(each, "subscription", load(layers), (f"{status}, active: {is_active}",))
            for each, layers, status, is_active in reader.query(_SUBSCRIPTIONS, [key]).rows
        ],
        "customer": _entity(
            key,
            "customer",
            load(stored_customer[0][0]) if stored_customer else (),
            _customer_rules(is_deleted=bool(stored_customer and stored_customer[0][1])),
        ),
    }


def order(reader: Reader, key: str) -> dict[str, Any] | None:
    """Return an order's row, rules, refunds and events; None where there is no such order."""
    rows = reader.query(_ORDER, [key]).as_dicts()
    return _order(rows[0], reader.query(_REFUNDS, [[key]]).as_dicts()) if rows else None


def _order(order: dict[str, Any], refunds: list[dict[str, Any]]) -> dict[str, Any]:
    layers = load(order["layers"])
    key, source, shop = (order[name] for name in ("order_key", "source", "shop"))
    state = order_state(key, source, shop, flatten(layers))
    rules = customer_timeline.order_rules(order, refunds, state)
    return {
        **_entity(key, "order", layers, rules),
        "row": {name: order[name] for name in _MONEY},
        "refunds": [{name: each[name] for name in _REFUND_MONEY} for each in refunds],
    }


def _payments(reader: Reader, order_keys: list[str]) -> list[dict[str, Any]]:
    """Return the payments that gave back money of these orders, where that is in net."""
    found = []
    for payment in reader.query(_PAYMENTS, [order_keys]).as_dicts():
        layers = load(payment["layers"])
        if payment["source"] in REFUNDS_FROM_PAYMENTS and payment_refund(flatten(layers)):
            rules = customer_timeline.payment_rules(payment)
            found.append(_entity(payment["payment_key"], "payment", layers, rules))
    return found


def _customer_rules(*, is_deleted: bool) -> tuple[str, ...]:
    rules = ("each field comes from the newest event of the customer that gives it",)
    if not is_deleted:
        return rules
    return (*rules, "deleted: no contact data from before is kept, and it is no one to write to")


def _entity(key: str, kind: str, layers: Layers, rules: tuple[str, ...]) -> dict[str, Any]:
    return {"key": key, "kind": kind, "rules": list(rules), "events": _events(layers)}


def _events(layers: Layers) -> list[dict[str, Any]]:
    """Return the events that still decide a field, oldest first."""
    events = []
    for layer in reversed(layers):
        _, _, appended_at, raw_partition, raw_offset = layer.version
        events.append(
            _event(
                layer.event_id,
                raw_partition,
                raw_offset,
                appended_at,
                decides=decided_fields(layer),
            )
        )
    return events


def decided_fields(layer: Layer) -> dict[str, Any]:
    """Return the fields that come from an event, without those that every event gives."""
    return {name: value for name, value in layer.fields.items() if name not in _META_FIELDS}


def _event(
    event_id: str,
    raw_partition: int | None,
    raw_offset: int | None,
    appended_at: Micros | None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "raw_partition": raw_partition,
        "raw_offset": raw_offset,
        "raw_appended_at": to_datetime(appended_at).isoformat(),
        **more,
    }


def _plain_value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TIMES or name == "next_due":
        return to_datetime(value)
    if name == "time_to_recover":
        return timedelta(microseconds=value)
    return list(msgspec.to_builtins(value)) if name == "items" else value


def to_datetime(micros: Micros | None) -> datetime:
    """Convert microseconds since 1970 to a time in UTC."""
    return _EPOCH + timedelta(microseconds=micros or 0)
