"""Live visits: every gap is clearly below or clearly above the limit that decides."""

from collections import defaultdict
from itertools import pairwise

import pytest

from hookline.simulate import world
from hookline.simulate.world import Knobs
from hookline.simulate.world.facts import SECOND, CartState, OrderState

START = 1_790_000_000_000_000
CLEAR = 2.9
"""Seconds; a shop writes whole ones, which shifts an order by less than one."""


def knobs(skew: float) -> Knobs:
    return Knobs(seed=8, start=START, seconds=240, rate=20, live_share=1, shops=3, clock_skew=skew)


def histories(of: Knobs) -> dict[tuple[str, int], list[tuple[float, CartState | OrderState]]]:
    """What happened to each cart: states by our clock, orders by their own time, in seconds."""
    found: defaultdict[tuple[str, int], list[tuple[float, CartState | OrderState]]] = defaultdict(
        list
    )
    for step in world.steps(of):
        fact = step.fact
        if isinstance(fact, CartState):
            found[fact.shop.key, fact.number].append((step.due / SECOND, fact))
        elif isinstance(fact, OrderState) and fact.cart is not None and fact.reason == "placed":
            at = (fact.placed_at - START) / SECOND
            found[fact.shop.key, fact.cart].append((at, fact))
    return {key: sorted(each, key=lambda pair: pair[0]) for key, each in found.items()}


@pytest.mark.parametrize("skew", [0.0, 5.0])
def test_no_gap_is_near_a_limit(skew: float) -> None:
    checked = 0
    for events in histories(knobs(skew)).values():
        shop = events[0][1].shop
        for (before, _), (after, fact) in pairwise(events):
            gap = after - before
            for limit in (shop.abandon_after, shop.expire_after, shop.checkout_grace):
                is_reported = isinstance(fact, OrderState) and fact.shop.source == "shoprocket"
                if not (is_reported and limit != shop.expire_after):
                    assert abs(gap - limit) >= CLEAR, (gap, shop, fact)
            checked += 1
    assert checked > 300


@pytest.mark.parametrize("skew", [0.0, 5.0])
def test_from_the_last_products_to_the_order_no_gap_is_near_the_silence_either(skew: float) -> None:
    for events in histories(knobs(skew)).values():
        filled: float | None = None
        for at, fact in events:
            if isinstance(fact, CartState):
                limit = fact.shop.abandon_after
                if filled is not None and fact.shop.source != "shoprocket":
                    assert abs(at - filled - limit) >= CLEAR
                filled = at if fact.lines else filled
            elif filled is not None and fact.shop.source != "shoprocket":
                assert abs(at - filled - fact.shop.abandon_after) >= CLEAR
                filled = None


def test_orders_come_after_the_cart_by_the_shops_clock_and_are_sent_after_they_are_placed() -> None:
    of = knobs(5.0)
    for step in world.steps(of):
        fact = step.fact
        if isinstance(fact, OrderState) and fact.reason == "placed":
            sent_at = START + step.due + fact.shop.clock_skew
            assert 0 <= sent_at - fact.placed_at < 2 * SECOND


def test_visits_of_every_kind_occur() -> None:
    seen = set()
    for (_, number), events in histories(knobs(0.0)).items():
        shop = events[0][1].shop
        kinds = "".join(
            "o" if isinstance(fact, OrderState) else "c" if fact.lines else "e"
            for _, fact in events
        )
        seen.add(kinds)
        if shop.source == "run-free":
            assert all(fact.customer.number == number for _, fact in events)
        lines = [fact.lines for _, fact in events if isinstance(fact, CartState)]
        if len(lines) >= 3 and lines[0] == lines[2] != lines[1]:
            seen.add("A-B-A")
    assert {"c", "cco", "co", "ce", "ceo", "coco", "A-B-A"} <= seen


def test_a_cart_is_created_once_and_its_order_names_what_is_in_it() -> None:
    shared = orders = 0
    for events in histories(knobs(0.0)).values():
        carts = [fact for _, fact in events if isinstance(fact, CartState)]
        changes = [fact.change for fact in carts]
        assert changes[0] == "created"
        assert "created" not in changes[1:]
        wanted = {line.variant for fact in carts for line in fact.lines}
        for _, fact in events:
            if isinstance(fact, OrderState):
                orders += 1
                shared += bool(wanted & {line.variant for line in fact.lines})
    assert shared > 0.95 * orders > 50
