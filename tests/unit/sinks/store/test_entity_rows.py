"""Rows of the working tables: each value is in the column that is named after it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keys import customer_key
from sinks.lifetime.order_money import order_money
from sinks.lifetime.order_state import order_state_of_event
from sinks.merge.last_writer import Layers, flatten
from sinks.store.entity_rows import ENTITIES, ORDERS
from sinks.store.order_rows import ORDER_ITEMS, item_rows, order_row
from tests.drawn_records import RECORDS_OF
from tests.layers import merge_record

KEY = "spiffy/johns/thing:1"
DERIVED = {"carts": ("native_cart_id", "cart_id"), "customers": ("person_key", "email_hash")}


def by_rule(layers: Layers) -> dict[str, Any]:
    """Columns of any entity that follow from a field of another name, or from none."""
    fields, newest = flatten(layers), layers[0]
    own = {
        "source": "spiffy",
        "shop": "johns",
        "customer_key": customer_key(
            "spiffy", "johns", fields.get("customer_id"), fields.get("email_hash")
        ),
        "is_deleted": fields.get("deleted", False),
        "is_erased": False,
        "abandoned": fields.get("abandoned", False),
        "status": fields.get("status", "UNKNOWN"),
        "kind": fields.get("kind", "UNKNOWN"),
        "unknown_status": fields.get("status_listed") is False,
        "rounded": 0,
        "order_key": f"spiffy/johns/order:{fields['order_id']}" if "order_id" in fields else None,
        "is_contactable": fields.get("accepts_marketing"),
        "shop_currency": fields["settings"]["currency"],
        "timezone": fields["settings"]["timezone"],
        "version_at": newest.version[0],
        "appended_at": newest.version[2],
        "raw_partition": newest.version[3],
        "raw_offset": newest.version[4],
        "source_event_id": newest.event_id,
        "layers": layers,
    }
    return {"is_test": False, **fields, **own}


@pytest.mark.parametrize("name", [name for name in ENTITIES if name != "orders"])
@settings(max_examples=40)
@given(data=st.data())
def test_an_entitys_values_are_in_the_columns_of_their_names(
    name: str, data: st.DataObject
) -> None:
    entity, layers = ENTITIES[name], merge_record((), data.draw(RECORDS_OF[name]))
    computed = [["a link"]] if name == "carts" else []
    names = [column for column, _ in entity.table.columns]
    expected = by_rule(layers) | {entity.table.key: KEY, "links": ["a link"]}
    if name == "subscriptions":
        expected["subscription_id"] = "1"
    if name in DERIVED:
        column, field = DERIVED[name]
        expected[column] = expected.get(field)
    row = dict(zip(names, entity.row(KEY, layers, *computed), strict=True))
    assert {column: expected.get(column) for column in names} == row


@settings(max_examples=150)
@given(RECORDS_OF["orders"], st.booleans())
def test_an_orders_values_and_money_are_in_the_columns_of_their_names(
    order: Any, is_renewal: bool
) -> None:
    layers, state = merge_record((), order), order_state_of_event(KEY, order)
    worth = order_money(state)
    named = {
        name: getattr(worth, name) for name in type(worth).__struct_fields__ if name != "total"
    }
    of_state = ("is_draft", "placed_at", "currency", "timezone")
    expected = by_rule(layers) | named | {name: getattr(state, name) for name in of_state}
    expected |= {
        "order_key": KEY,
        "standing": worth.revenue_status.value,
        "counted_total": worth.total,
        "is_renewal": is_renewal,
        "subscription_key": state.subscription_key,
        "links": sorted(state.fold_keys),
    }
    names = [column for column, _ in ORDERS.table.columns]
    row = order_row(KEY, layers, state, worth, is_renewal=is_renewal)
    assert {column: expected.get(column) for column in names} == dict(zip(names, row, strict=True))


@settings(max_examples=50)
@given(RECORDS_OF["orders"])
def test_each_line_of_an_order_has_its_position(order: Any) -> None:
    layers = merge_record((), order)
    names = [column for column, _ in ORDER_ITEMS.columns]
    own = {"order_key": KEY, "source_event_id": order.meta.event_id}
    expected = [
        {name: ({**line, **own, "position": position}).get(name) for name in names}
        for position, line in enumerate(flatten(layers).get("items", ()), start=1)
    ]
    assert expected == [dict(zip(names, row, strict=True)) for row in item_rows(KEY, layers)]
