"""The steps of a run: the same for a seed, in order, as many as asked, complete."""

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import islice

from hookline.simulate import world
from hookline.simulate.payloads import render
from hookline.simulate.world import Knobs
from hookline.simulate.world.facts import (
    CartState,
    CustomerState,
    OrderState,
    Repayment,
    Step,
    SubscriptionState,
    entity_key,
)

START = 1_790_000_000_000_000
KNOBS = Knobs(seed=11, start=START, seconds=60, rate=60)
_DIGEST = """
from tests.unit.hookline.simulate.world.test_agenda import KNOBS, digest
print(digest(KNOBS))
"""


def digest(knobs: Knobs) -> str:
    """The hash of all steps and of their bytes."""
    made = hashlib.sha256()
    for step in world.steps(knobs):
        made.update(repr(step).encode())
        payload = render(step.fact)
        made.update(b"-" if payload is None else payload.body)
    return made.hexdigest()


def test_the_same_seed_gives_the_same_steps_and_bytes_in_another_process_too() -> None:
    first = digest(KNOBS)
    assert digest(KNOBS) == first
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    other = subprocess.run(
        [sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True, env=environment
    )
    assert other.stdout.strip() == first


def test_another_seed_gives_other_steps() -> None:
    other = Knobs(seed=12, start=START, seconds=60, rate=60)
    assert [*islice(world.steps(other), 50)] != [*islice(world.steps(KNOBS), 50)]


def test_steps_are_in_the_order_of_due_within_the_run_and_as_many_as_the_rate_says() -> None:
    due = [step.due for step in world.steps(KNOBS)]
    assert due == sorted(due)
    assert due[0] >= 0
    assert due[-1] < KNOBS.length
    for number in range(6):
        of_ten_seconds = sum(1 for each in due if each // 10_000_000 == number)
        assert 550 <= of_ten_seconds <= 650


def test_a_run_of_millions_begins_at_once() -> None:
    day = Knobs(seed=1, start=START, seconds=86_400, rate=10_000)
    assert len([*islice(world.steps(day), 100)]) == 100


def test_changes_of_one_entity_are_sent_in_the_order_of_their_times() -> None:
    newest: dict[tuple[str, str, int | str], tuple[int, Step]] = {}
    for step in world.steps(KNOBS):
        key = entity_key(step.fact)
        at = step.fact.changed_at
        assert at >= newest.get(key, (0, step))[0], (newest[key][1], step)
        newest[key] = at, step


def test_given_customers_are_exactly_so_many() -> None:
    knobs = Knobs(seed=3, start=START, seconds=20, customers=300, live_share=0.4)
    known: set[tuple[str, int | str]] = set()
    for step in world.steps(knobs):
        customer = step.fact.customer
        known.add((customer.shop.key, customer.number or customer.email))
    assert len(known) == 300


def test_numbers_of_orders_belong_to_one_customer_of_one_shop() -> None:
    owners: dict[tuple[str, int], set[str]] = defaultdict(set)
    creations: Counter[tuple[str, int]] = Counter()
    for step in world.steps(KNOBS):
        if isinstance(step.fact, OrderState):
            key = step.fact.shop.key, step.fact.number
            owners[key].add(step.fact.customer.email)
            creations[key] += step.fact.reason == "placed"
    assert all(len(emails) == 1 for emails in owners.values())
    assert set(creations.values()) == {1}


def test_everything_happens_that_shops_have() -> None:
    knobs = Knobs(seed=5, start=START, seconds=60, rate=500)
    facts = [step.fact for step in world.steps(knobs)]
    assert {type(fact) for fact in facts} == {
        OrderState, CartState, CustomerState, SubscriptionState, Repayment,
    }  # fmt: skip
    orders = [fact for fact in facts if isinstance(fact, OrderState)]
    assert {order.reason for order in orders} == {
        "placed", "paid", "edited", "cancelled", "reinstated", "refunded", "fulfilled", "deleted",
    }  # fmt: skip
    assert {order.is_tax_inside for order in orders if order.tax} == {True, False}
    assert {order.customer.number is None for order in orders} == {True, False}
    assert any(line.is_gift_card for order in orders for line in order.lines)
    assert any(order.discount and order.shipping and order.is_test for order in orders)
    assert any(order.is_renewal for order in orders)
    outcomes = {each.refund.outcome for each in orders if each.refund}
    assert outcomes == {"success", "pending", "failure"}
    shops_of: defaultdict[str, set[str]] = defaultdict(set)
    for order in orders:
        shops_of[order.customer.email].add(order.shop.key)
    assert max(map(len, shops_of.values())) > 1
    consents = {fact.accepts_marketing for fact in facts if isinstance(fact, CustomerState)}
    assert consents == {True, False, None}
    carts = [fact for fact in facts if isinstance(fact, CartState)]
    assert {(cart.is_reported, bool(cart.lines)) for cart in carts} == {
        (True, True), (False, True), (False, False),
    }  # fmt: skip
