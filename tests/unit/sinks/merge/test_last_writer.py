"""Per-field last writer by version: any order and any repetition give one state."""

import json
from decimal import Decimal
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import (
    Change,
    CustomerRef,
    LineItem,
    Meta,
    Order,
    OrderStatus,
    Refund,
    ShopSettings,
    TimeBasis,
)
from sinks.merge.event_fields import FIRST, FIRST_REFUNDED, event_fields
from sinks.merge.last_writer import Layers, flatten, load, merge, version
from tests.layers import merge_record


def meta(offset: int = 1, change: Change = Change.CREATED, **changes: Any) -> Meta:
    values: dict[str, Any] = {
        "event_id": f"event-{offset}",
        "delivery_id": f"delivery-{offset}",
        "source": "spiffy",
        "shop": "johns",
        "entity": "spiffy/johns/order:1",
        "slot": "order",
        "source_event": "orders/create",
        "change": change,
        "occurred_at": 100 + offset,
        "time_basis": TimeBasis.PAYLOAD,
        "version_at": 100 + offset,
        "received_at": 200 + offset,
        "raw_partition": 0,
        "raw_offset": offset,
        "raw_appended_at": 300 + offset,
        "is_test": False,
        "adapter_version": 1,
        "settings": ShopSettings(
            timezone="UTC",
            abandon_after_s=60,
            expire_after_s=600,
            checkout_grace_s=30,
            counts_as_sale=True,
        ),
    }
    return Meta(**(values | changes))


def order(offset: int = 1, change: Change = Change.CREATED, **fields: Any) -> Order:
    return Order(meta=meta(offset, change), order_id="1", **fields)


def state(*events: Order) -> dict[str, Any]:
    layers: Layers = ()
    for event in events:
        layers = merge_record(layers, event)
    return flatten(layers)


def test_null_is_not_given_and_empty_is() -> None:
    fields = event_fields(order(items=(), total=Decimal("1.50")))
    assert (fields["items"], fields["total"], "tax_total" in fields) == ([], "1.50", False)


def test_a_status_on_no_list_replaces_none_and_its_text_is_kept() -> None:
    layers = merge_record((), order(1, status=OrderStatus.PAID, status_word="paid"))
    state = flatten(merge_record(layers, order(2, status_word="disputed")))
    assert (state["status"], state["status_word"], state["status_listed"]) == (
        "PAID",
        "disputed",
        False,
    )


def test_a_field_that_a_full_state_gives_as_null_takes_the_old_value_back() -> None:
    layers = merge_record((), order(1, cancelled_at=5))
    assert flatten(merge_record(layers, order(2)))["cancelled_at"] == 5
    assert (
        flatten(merge_record(layers, order(2, cleared=("cancelled_at",))))["cancelled_at"] is None
    )
    assert flatten(merge_record(layers, order(0, cleared=("cancelled_at",))))["cancelled_at"] == 5


def test_refunds_are_gathered_by_their_ids_over_all_events() -> None:
    layers = merge_record((), order(1, refunds=(Refund(refund_id="a", amount=Decimal(3)),)))
    state = flatten(merge_record(layers, order(2, refunds=(Refund(refund_id="b"),))))
    assert (state["refund/a"]["amount"], state["refund/b"]["status"]) == ("3", "UNKNOWN")


def test_a_running_total_is_dated_by_the_event_that_gave_it_first() -> None:
    events = [order(at, refunded_total=Decimal(amount)) for at, amount in ((1, 5), (2, 9), (3, 9))]
    layers: Layers = ()
    for event in reversed(events):
        layers = merge_record(layers, event)
    dates = {n: at for n, at in flatten(layers).items() if n.startswith(FIRST_REFUNDED)}
    assert dates == {
        f"{FIRST_REFUNDED}{event.refunded_total}": event.meta.occurred_at for event in events[:2]
    }


def test_the_customers_identifiers_are_flat() -> None:
    fields = event_fields(order(customer=CustomerRef(customer_id="7")))
    assert (
        fields["customer_id"],
        "email_hash" in fields,
        "customer" in fields,
    ) == ("7", False, False)


def test_only_a_created_event_tells_the_transactions_of_its_creation() -> None:
    name = "created_successful_transactions"
    created = order(1, successful_transactions=1)
    updated = order(2, Change.UPDATED, successful_transactions=4)
    merged = state(updated, created)
    assert (merged[name], merged["successful_transactions"]) == (1, 4)


def test_an_older_event_still_tells_what_newer_ones_do_not() -> None:
    newer = order(2, Change.UPDATED, total=Decimal(5))
    older = order(1, total=Decimal(4), tax_total=Decimal(1))
    merged = state(newer, older)
    assert (merged["total"], merged["tax_total"]) == ("5", "1")


def test_a_report_fills_and_deletes_nothing() -> None:
    merged = state(order(1, Change.DELETED), order(2, Change.REPORTED, total=Decimal(4)))
    assert (merged["deleted"], merged["total"]) == (True, "4")


def test_at_one_time_deleted_beats_updated_beats_reported_beats_created() -> None:
    ranked = [Change.DELETED, Change.UPDATED, Change.REPORTED, Change.CREATED, Change.UNKNOWN]
    versions = [version(meta(1, change)) for change in ranked]
    assert versions == sorted(versions, reverse=True)


def test_at_one_change_time_the_later_append_wins() -> None:
    assert version(meta(9, version_at=5)) > version(meta(8, version_at=5))


def test_the_first_occurrence_stays_the_earliest() -> None:
    early = Order(meta=meta(2, Change.UPDATED, occurred_at=50), order_id="1")
    merged = state(order(1), early, order(3, Change.UPDATED))
    assert (merged[FIRST], merged["occurred_at"]) == (50, 103)


def test_the_newest_event_stays_first_and_those_that_decide_nothing_go() -> None:
    layers = merge((), (1, 0, 0, 0, 0), "a", {"x": 1, "y": 1})
    layers = merge(layers, (2, 0, 0, 0, 0), "b", {"x": 2})
    layers = merge(layers, (3, 0, 0, 0, 0), "c", {"x": 3})
    assert [(each.event_id, each.fields) for each in layers] == [("c", {"x": 3}), ("a", {"y": 1})]


def test_the_newest_event_stays_even_where_it_tells_nothing() -> None:
    layers = merge(merge((), (1, 0, 0, 0, 0), "a", {"x": 1}), (2, 0, 0, 0, 0), "b", {})
    assert [each.event_id for each in layers] == ["b", "a"]


def test_layers_survive_json() -> None:
    line = LineItem(sku="s", quantity=2, unit_price=Decimal("19.99"))
    event = order(1, items=(line,), status=OrderStatus.PAID, total=Decimal("39.98"))
    layers = merge_record((), event)
    assert layers == load(json.loads(json.dumps(layers)))


fields_ = st.dictionaries(st.sampled_from(["a", "b", "c", FIRST]), st.integers(0, 9), max_size=4)
events = st.lists(
    st.tuples(st.integers(0, 4), fields_), min_size=1, max_size=5, unique_by=lambda event: event[0]
)


@given(events, st.data())
def test_any_order_and_repetition_give_the_same_layers(
    events: list[tuple[int, dict[str, int]]], data: st.DataObject
) -> None:
    def folded(order_: list[tuple[int, dict[str, int]]]) -> Layers:
        layers: Layers = ()
        for at, fields in order_:
            layers = merge(layers, (at, 0, 0, 0, 0), str(at), fields)
        return layers

    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=4))
    assert {folded(events) == folded(list(each)) for each in permutations(events)} == {True}
    assert folded(events) == folded(data.draw(st.permutations(repeated)))


@given(events)
def test_a_field_has_the_value_of_the_newest_event_that_provides_it(
    events: list[tuple[int, dict[str, int]]],
) -> None:
    layers: Layers = ()
    expected: dict[str, int] = {}
    for at, fields in events:
        layers = merge(layers, (at, 0, 0, 0, 0), str(at), fields)
    for _, fields in sorted(events, key=lambda event: event[0]):
        first = (
            {FIRST: min(expected[FIRST], fields[FIRST])}
            if {FIRST} <= (expected.keys() & fields.keys())
            else {}
        )
        expected |= fields | first
    assert expected == flatten(layers)
