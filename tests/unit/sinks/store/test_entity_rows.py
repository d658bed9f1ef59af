"""Rows of the working tables: each value stands under the column that is named after it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.keys import customer_key
from sinks.lifetime.customers import money, state_of
from sinks.merge.last_writer import Layers, flatten, merge_record
from sinks.store.entity_rows import ENTITIES, ORDER_ITEMS, ORDERS, item_rows, order_row
from tests.drawn_records import RECORDS_OF

KEY = "spiffy/johns/thing:1"
DERIVED = {"carts": ("native_cart_id", "cart_id"), "customers": ("person_key", "email_hash")}


def by_rule(layers: Layers) -> dict[str, Any]:
    """Columns of any entity that follow from what is told by another name, or from none."""
    told, newest = flatten(layers), layers[0]
    own = {
        "source": "spiffy",
        "shop": "johns",
        "customer_key": customer_key(
            "spiffy", "johns", told.get("customer_id"), told.get("email_hash")
        ),
        "is_deleted": told.get("deleted", False),
        "abandoned": told.get("abandoned", False),
        "status": told.get("status", "UNKNOWN"),
        "kind": told.get("kind", "UNKNOWN"),
        "is_contactable": told.get("accepts_marketing"),
        "shop_currency": told["settings"]["currency"],
        "timezone": told["settings"]["timezone"],
        "version_at": newest.version[0],
        "appended_at": newest.version[2],
        "raw_partition": newest.version[3],
        "raw_offset": newest.version[4],
        "source_event_id": newest.event_id,
        "layers": layers,
    }
    return {**told, **own}


@pytest.mark.parametrize("name", [name for name in ENTITIES if name != "orders"])
@settings(max_examples=40)
@given(data=st.data())
def test_an_entity_stands_under_the_names_of_its_columns(name: str, data: st.DataObject) -> None:
    entity, layers = ENTITIES[name], merge_record((), data.draw(RECORDS_OF[name]))
    outside = [["a link"]] if name == "carts" else []
    names = [column for column, _ in entity.table.columns]
    expected = by_rule(layers) | {entity.table.key: KEY, "links": ["a link"]}
    if name == "subscriptions":
        expected["subscription_id"] = "1"
    if name in DERIVED:
        column, told = DERIVED[name]
        expected[column] = expected.get(told)
    row = dict(zip(names, entity.row(KEY, layers, *outside), strict=True))
    assert {column: expected.get(column) for column in names} == row


@settings(max_examples=150)
@given(RECORDS_OF["orders"], st.booleans())
def test_an_order_stands_with_what_it_is_worth_under_the_names_of_its_columns(
    order: Any, is_renewal: bool
) -> None:
    layers, state = merge_record((), order), state_of(KEY, order)
    worth = money(state)
    named = {
        name: getattr(worth, name) for name in type(worth).__struct_fields__ if name != "total"
    }
    of_state = ("is_draft", "placed_at", "currency", "timezone", "taxes_included")
    expected = by_rule(layers) | named | {name: getattr(state, name) for name in of_state}
    expected |= {
        "order_key": KEY,
        "standing": worth.standing.value,
        "counted_total": worth.total,
        "is_renewal": is_renewal,
        "subscription_key": state.subscription_key,
        "links": sorted(state.fold_keys),
    }
    names = [column for column, _ in ORDERS.table.columns]
    row = order_row(KEY, layers, state, is_renewal=is_renewal)
    assert {column: expected.get(column) for column in names} == dict(zip(names, row, strict=True))


@settings(max_examples=50)
@given(RECORDS_OF["orders"])
def test_each_line_of_an_order_stands_at_its_place(order: Any) -> None:
    layers = merge_record((), order)
    names = [column for column, _ in ORDER_ITEMS.columns]
    own = {"order_key": KEY, "source_event_id": order.meta.event_id}
    expected = [
        {name: ({**line, **own, "position": place}).get(name) for name in names}
        for place, line in enumerate(flatten(layers).get("items", ()), start=1)
    ]
    assert expected == [dict(zip(names, row, strict=True)) for row in item_rows(KEY, layers)]
