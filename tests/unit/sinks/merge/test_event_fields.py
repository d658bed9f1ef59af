"""The fields of events, by generated code, against the whole JSON that msgspec gives."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import RECORDS, Change, Customer, Event, Order, Payment
from sinks.lifetime.order_state import order_state, order_state_of_event
from sinks.merge.event_fields import event_fields
from sinks.merge.last_writer import flatten
from tests.drawn_records import RECORDS_OF
from tests.layers import merge_record

ENTITIES = [name for name in RECORDS if name != "cart-signals"]
KEY = "spiffy/johns/order:1"


def fields_of_json(record: Event) -> dict[str, Any]:
    """The fields that an event provides, taken from its whole JSON."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    meta, customer = plain.pop("meta"), plain.pop("customer", None)
    fields = {name: value for name, value in plain.items() if value is not None}
    if contact := fields.get("contact"):
        fields["contact"] = {name: value for name, value in contact.items() if value is not None}
    for name in ("attributes", "reported"):
        if not fields.get(name):
            fields.pop(name, None)
    for name in ("status", "kind", "currency_source"):
        if fields.get(name) == "UNKNOWN":
            fields.pop(name)
    fields |= {name: value for name, value in (customer or {}).items() if value is not None}
    if meta["change"] != "REPORTED":
        fields["deleted"] = meta["change"] == "DELETED"
    fields |= {name: meta[name] for name in ("settings", "occurred_at")}
    if meta["is_test"] or meta["change"] != "DELETED":
        fields["is_test"] = meta["is_test"]
    fields["first_occurred_at"] = meta["occurred_at"]
    successes = plain.get("successful_transactions")
    if isinstance(record, Order) and record.meta.change is Change.CREATED and successes is not None:
        fields["created_successful_transactions"] = successes
    fields |= _of_refunds_and_deletion(record)
    return _order_fields(fields, record) if isinstance(record, Order) else fields


def _of_refunds_and_deletion(record: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    at = record.meta.occurred_at
    if isinstance(record, Customer) and record.meta.change is Change.DELETED:
        fields["contact_deleted"] = True
    if isinstance(record, Payment) and record.refunded_amount:
        fields[f"first_occurred_at/refunded/{record.refunded_amount}"] = at
    if isinstance(record, Order | Payment) and record.status == "REFUNDED":
        fields["first_occurred_at/status/REFUNDED"] = at
    return fields


def _order_fields(fields: dict[str, Any], order: Order) -> dict[str, Any]:
    refunds, cleared = fields.pop("refunds", None), fields.pop("cleared")
    at = fields["occurred_at"]
    if "status" in fields or "status_word" in fields:
        fields["status_listed"] = "status" in fields
    if refunds is not None:
        fields["refunds_given"] = True
    for number, refund in enumerate(refunds or ()):
        name = f"#{number}" if refund["refund_id"] is None else refund["refund_id"]
        fields[f"refund/{name}"] = {k: v for k, v in refund.items() if v is not None}
        fields[f"first_occurred_at/refund/{name}"] = at
    if order.refunded_total:
        fields[f"first_occurred_at/refunded/{order.refunded_total}"] = at
    return dict.fromkeys(cleared) | fields


@pytest.mark.parametrize("name", ENTITIES)
@settings(max_examples=100)
@given(data=st.data())
def test_the_fields_of_any_event_are_those_of_its_json_without_empty_ones(
    name: str, data: st.DataObject
) -> None:
    record = data.draw(RECORDS_OF[name])
    assert fields_of_json(record) == event_fields(record)
    assert fields_of_json(record) == event_fields(record)  # cached settings too


@settings(max_examples=200)
@given(RECORDS_OF["orders"])
def test_an_order_with_one_event_has_the_state_that_its_layers_give(order: Order) -> None:
    layers = merge_record((), order)
    assert order_state(KEY, "spiffy", "johns", flatten(layers)) == order_state_of_event(KEY, order)
