"""History in any order, in parts and twice gives the rows of its webhooks, with them or without."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.history.exports.files import Row
from hookline.history.prepare import Prepared, Preparer
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from schemas.events import Event
from schemas.raw_delivery import Imported, RawDelivery
from schemas.shops import Shop
from sinks.carts.records import Generation
from sinks.carts.signals import signals_between
from tests import exports
from tests.histories.reference import Reference

NOW = 1_790_000_000_000_000
SHOP = Shop(source="spiffy", id="s", currency="EUR")
CIKLIK = Shop(source="ciklik", id="c", currency="EUR")
OBJECTS = list(exports.shop(5, 3, carts=4))
MONEY = [each for each in OBJECTS if "carts" not in each[0]]
LATER = NOW + 400 * 86_400_000_000
_BY_DELIVERY = ("as_of", "T", "t", "history_complete", "ineligible_reason")


def events(
    shop: Shop, topic: str, value: exports.Object, offset: int, *, imported: bool
) -> list[Event]:
    """What the adapter makes of an object that came as a webhook, or by an import."""
    row = Preparer(shop, LATER, event=topic).prepare(Row(1, json.dumps(value).encode()))
    assert isinstance(row, Prepared)
    at = NOW + offset * 1_000_000
    mark = Imported("i", offset, row.at, row.state_at) if imported else None
    raw = RawDelivery(
        0, offset, at // 1000, row.key, row.body, f"{offset}", shop.source, shop.id, row.event, at,
        "application/json", imported=mark,
    )  # fmt: skip
    delivery = Delivery(raw, shop, row.body, b"k" * 16)
    parsed = ADAPTERS[shop.source].parse(delivery)
    assert isinstance(parsed, Parsed)
    made = ADAPTERS[shop.source].events(delivery, parsed)
    assert isinstance(made, dict), made
    return list(made.values())


def rows(parts: Sequence[Sequence[Event]]) -> Any:
    reference = Reference()
    for part in parts:
        reference.put(part)
    tables = reference.tables(LATER)
    lifetime = [
        {name: value for name, value in row.items() if name not in _BY_DELIVERY}
        for row in tables["customer_lifetime_value"]
    ]
    by_key = {json.dumps(row, default=str, sort_keys=True) for row in tables["orders"]}
    return by_key, {json.dumps(row, default=str, sort_keys=True) for row in lifetime}


WEBHOOKS = rows([events(SHOP, *each, n, imported=False) for n, each in enumerate(MONEY)])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_money_follows_whatever_came_as_webhook_or_by_import(data: st.DataObject) -> None:
    """Each object comes at least once, as a webhook or in an import, in any order."""
    deliveries = []
    for each in MONEY:
        ways = data.draw(st.lists(st.booleans(), min_size=1, max_size=3))
        deliveries += [(each, imported) for imported in ways]
    order = data.draw(st.permutations(deliveries))
    parts = [
        events(SHOP, *each, number, imported=imported)
        for number, (each, imported) in enumerate(order)
    ]
    assert rows(parts) == WEBHOOKS


def generations(parts: Sequence[Sequence[Event]]) -> list[Generation]:
    reference = Reference()
    for part in parts:
        reference.put(part)
    return reference.generations(LATER)


def known(found: list[Generation]) -> list[Any]:
    """The generations without the names of the events that show them."""
    return [
        (
            row.cart_key, row.generation, row.status, row.first_seen_at, row.abandoned_at,
            row.closed_at, row.abandon_count, row.order_key, row.recovered_value, row.items,
        )
        for row in found
    ]  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_imported_carts_are_of_the_past_and_silent_however_often(data: st.DataObject) -> None:
    once = generations([events(SHOP, *each, n, imported=True) for n, each in enumerate(OBJECTS)])
    assert {row.status for row in once} <= {"EXPIRED", "RECOVERED", "CONVERTED"}
    assert any(row.was_abandoned for row in once)
    assert all((row.abandoned_at or 0) < NOW for row in once)
    assert signals_between([], once) == []
    order = data.draw(st.permutations([*OBJECTS, *OBJECTS]))
    twice = generations(
        [events(SHOP, *each, number, imported=True) for number, each in enumerate(order)]
    )
    assert known(twice) == known(once)
    assert signals_between([], twice) == signals_between(once, twice) == []


ABANDONED = {"cart_id": 1, "user_id": 2, "created": "2021-01-01 10:00:00", "item": "Box"}
ORDERED = {"order_id": 3, "user_id": 2, "created": "2021-01-01 12:00:00", "status": "completed"}


@pytest.mark.parametrize("bought", [False, True])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_reported_cart_that_is_imported_is_abandoned_when_it_was(bought: bool, turn: int) -> None:
    objects = [("abandoned_cart", ABANDONED)]
    objects += [("updated_checkoutorder", ORDERED)] * bought
    parts = [events(CIKLIK, *each, n, imported=True) for n, each in enumerate(objects)]
    (row,) = generations([*parts, *parts][::turn])
    assert row.status == ("RECOVERED" if bought else "EXPIRED")
    assert row.abandoned_at is not None
    assert row.abandoned_at < NOW - 365 * 86_400_000_000
    assert signals_between([], [row]) == []


@pytest.mark.parametrize("turn", [1, -1])
def test_the_platforms_own_report_of_a_cart_counts_and_not_its_import(turn: int) -> None:
    live = events(CIKLIK, "abandoned_cart", ABANDONED, 1, imported=False)
    imported = events(CIKLIK, "abandoned_cart", ABANDONED, 2, imported=True)
    alone, both = generations([live]), generations([live, imported][::turn])
    assert both == alone
    assert [each.kind for each in signals_between([], both)] == [
        each.kind for each in signals_between([], alone)
    ]
    assert signals_between(alone, both) == []


CART_TIMES = st.lists(st.integers(1, 20_000), min_size=1, max_size=4, unique=True)


@settings(deadline=None, max_examples=60)
@given(CART_TIMES, CART_TIMES, st.data())
def test_what_an_import_dates_after_a_carts_first_live_state_changes_nothing(
    live: list[int], imported: list[int], data: st.DataObject
) -> None:
    """A clock ahead of ours, or a later touch: what was sent of the cart is neither retracted."""
    first = min(live)
    parts = [
        events(SHOP, "carts/update", exports.cart(1, _moment(at)), at, imported=False)
        for at in live
    ]
    later = [
        events(SHOP, "carts/update", exports.cart(1, _moment(at)), 50_000 + at, imported=True)
        for at in imported
        if at >= first
    ]
    alone = generations(parts)
    both = generations(data.draw(st.permutations([*parts, *later])))
    assert known(both) == known(alone)
    assert signals_between(alone, both) == []


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(NOW // 1_000_000 + seconds, UTC)


UPDATED = {"order_id": 3, "user_id": 2, "created": "2021-01-01 12:00:00"}


@pytest.mark.parametrize("turn", [1, -1])
def test_a_state_without_its_own_time_never_wins_over_a_live_one(turn: int) -> None:
    old, new = {**UPDATED, "status": "pending"}, {**UPDATED, "status": "completed"}
    live = events(CIKLIK, "updated_checkoutorder", new, 1, imported=False)
    imported = events(CIKLIK, "updated_checkoutorder", old, 2, imported=True)
    reference = Reference()
    for part in [live, imported][::turn]:
        reference.put(part)
    (row,) = reference.tables(LATER)["orders"]
    assert row["status"] == "COMPLETED"
