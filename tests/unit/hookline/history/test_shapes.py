"""An object of a list becomes the entity that its webhook is about, on every platform."""

from collections import Counter
from dataclasses import replace

import pytest

from hookline.history.check import slots_of
from hookline.history.exports.files import Row
from hookline.history.prepare import NO_EVENT, UNDATED, UNDATED_CART, Prepared, Preparer, Refused
from hookline.simulate.payloads import render
from hookline.simulate.world.agenda import steps
from hookline.simulate.world.facts import CartState, Change, Fact, OrderState
from hookline.simulate.world.knobs import Knobs
from processors.sources.contract import Slots
from schemas.envelopes import Reject
from tests.example_files import RECEIVED_AT, SHOPS, Example, examples
from tests.simulation import product

LATER = 10**17
EXAMPLES = [each for each in examples() if each.path.suffix == ".json"]


def entities(slots: Slots | Reject) -> set[tuple[str, str]]:
    assert not isinstance(slots, Reject)
    return {(type(event).__name__, event.meta.entity) for event in slots.values()}


@pytest.mark.parametrize("example", EXAMPLES, ids=[each.name for each in EXAMPLES])
def test_a_webhooks_object_is_seen_for_what_it_is_or_refused(example: Example) -> None:
    preparer = Preparer(SHOPS[example.platform], LATER, taken_at=RECEIVED_AT, dates_undated=True)
    found = preparer.prepare(Row(1, example.body))
    if isinstance(found, Refused):
        assert found.reason in (NO_EVENT, UNDATED, UNDATED_CART)
        return
    _, slots = example.run()
    assert entities(slots_of(preparer.shop, found)) == entities(slots)


def as_json(fact: Fact) -> Fact:
    shop = fact.shop
    return replace(fact, shop=replace(shop, format="json")) if shop.format == "xml" else fact


@pytest.mark.parametrize("knobs", [product.KNOBS, product.ROUGH], ids=["usual", "rough"])
def test_what_simulated_shops_list_is_taken_but_for_what_nothing_dates_or_names(
    knobs: Knobs,
) -> None:
    refused: Counter[tuple[str, str, str]] = Counter()
    taken = 0
    for step in steps(knobs):
        fact = as_json(step.fact)
        payload = render(fact)
        if payload is None:
            continue
        preparer = Preparer(SHOPS[fact.shop.source], LATER, taken_at=LATER, dates_undated=True)
        found = preparer.prepare(Row(1, payload.body))
        if isinstance(found, Refused):
            is_cart = isinstance(fact, CartState)
            what = "cart" if is_cart else payload.event
            refused[fact.shop.source, what, found.reason] += 1
            continue
        taken += 1
        named = found._replace(event=payload.event or found.event)
        made = slots_of(preparer.shop, found)
        assert entities(made) == entities(slots_of(preparer.shop, named))
        if isinstance(fact, OrderState) and fact.change is not Change.DELETED:
            assert any(kind == "Order" for kind, _ in entities(made))
    assert taken > 500
    assert set(refused) <= {
        ("spiffy", "cart", UNDATED_CART),
        ("run-free", "cart", UNDATED_CART),
        ("spiffy", "orders/delete", NO_EVENT),
        ("spiffy", "customers/delete", NO_EVENT),
    }


@pytest.mark.parametrize("event", ["orders/delete", "customers/delete"])
def test_a_deletion_that_names_nothing_is_taken_where_its_event_is_named(event: str) -> None:
    row = Row(1, b'{"id": 7, "deleted_at": "2021-01-01T00:00:00Z"}')
    preparer = Preparer(SHOPS["spiffy"], LATER, event=event)
    found = preparer.prepare(row)
    assert isinstance(found, Prepared)
    assert found.is_change
    slots = slots_of(preparer.shop, found)
    assert not isinstance(slots, Reject)
    assert {event.meta.change for event in slots.values()} == {"DELETED"}
    assert Preparer(SHOPS["spiffy"], LATER).prepare(row) == Refused(1, NO_EVENT)


def test_the_newer_envelope_of_shoprocket_gives_the_time_of_the_change() -> None:
    body = b'{"type":"customer.updated","createdAt":"2021-01-01T00:00:00Z","data":{"id":"cus_1"}}'
    found = Preparer(SHOPS["shoprocket"], LATER, taken_at=LATER).prepare(Row(1, body))
    assert isinstance(found, Prepared)
    assert found.is_change
    assert found.state_at == found.at == 1_609_459_200_000_000
