"""Why a row is wrong: by what happened to the orders and the cart behind it.

Each order that an answer has wrong gets the first kind that fits; a row has the kinds of its
orders. What fits none is shown as such.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import msgspec

from hookline.simulate.payloads import render
from hookline.simulate.truth.orders.rows import KnownOrder
from hookline.simulate.truth.received import Received
from hookline.simulate.world.facts import SECOND
from tests.answers import compare
from tests.answers.answer import Answer, Part, Shop
from tests.answers.compare import CENT, Truth
from tests.answers.deliveries import Delivery, parsed
from tests.answers.pipelines import payloads

ZERO = Fraction(0)
CUSTOMERS, CARTS = "customers", "carts"
KINDS = {
    "late": (
        CUSTOMERS,
        "Late or delivered again: an older state wins, or a refund comes before its order",
    ),
    "reinstated": (CUSTOMERS, "Cancelled and reinstated: the order stays away"),
    "not-taken-back": (CUSTOMERS, "Cancelled or deleted: the order is still counted"),
    "unpaid": (CUSTOMERS, "Not paid yet, or a test: the order is counted"),
    "unknown": (CUSTOMERS, "A part went back and no payload gives how much: a number is a guess"),
    "twice": (CUSTOMERS, "Refunded and then cancelled: it comes off twice"),
    "edited": (CUSTOMERS, "Edited after it was paid: the first amount stays"),
    "gift-card": (CUSTOMERS, "A gift card sold is counted as goods"),
    "failed-refund": (CUSTOMERS, "A refund that failed or is pending comes off"),
    "refund-of-tax": (
        CUSTOMERS,
        "The money of a refund holds tax or shipping: all of it comes off the goods",
    ),
    "refund-overlooked": (CUSTOMERS, "A refund without lines, or without money, is overlooked"),
    "tax-inside": (CUSTOMERS, "The tax is inside the prices, and no field shows it"),
    "other": (CUSTOMERS, "Something else"),
    "echo": (CARTS, "The cart is shown again after it was bought, and taken for another one"),
    "came-back": (CARTS, "Left, then changed: that it had been left is forgotten"),
    "second-cart": (CARTS, "The next cart under the same id goes with the one before"),
    "late-report": (CARTS, "The report of a cart is delivered again after it was bought"),
    "wrong-cart": (CARTS, "Two carts of one customer: the order goes to the wrong one"),
    "unpaid-order": (CARTS, "Bought, and not paid yet: the cart counts as abandoned"),
    "other-cart": (CARTS, "Something else"),
}
"""Kind -> the table in which it shows, and what it is."""


@dataclass(slots=True)
class Found:
    """A kind in one answer. ``rows``: keys of the wrong rows; ``cases``: key -> what is given."""

    rows: set[str] = field(default_factory=set)
    cases: dict[str, Fraction | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Log:
    """How deliveries arrived. ``old_last``: orders whose last delivery was an older state.

    ``shuffled``: orders of which an older state came after a newer one. ``shown``: when each
    cart was last delivered.
    """

    old_last: set[str]
    shuffled: set[str]
    shown: Mapping[str, int]


def log_of(truth: Truth, deliveries: Iterable[Delivery], shops: Mapping[str, Shop]) -> Log:
    """Follow every order's states through the log, repeats included."""
    entities: list[tuple[str, Sequence[Received]]] = []
    for key, order in truth.orders.items():
        entities.append((key, order.life.received))
        entities += [(key, states) for states in order.life.repayments]
    versions: dict[tuple[str, bytes], tuple[int, int]] = {}
    for entity, (_, states) in enumerate(entities):
        for version, each in enumerate(states):
            if (payload := render(each.fact)) is not None:
                body = parsed(payload.body, payload.content_type)
                versions[each.fact.shop.key, msgspec.json.encode(body)] = entity, version
    newest: dict[int, int] = {}
    last: dict[int, int] = {}
    shuffled: set[str] = set()
    shown: dict[str, int] = {}
    for delivery in deliveries:
        found = versions.get((delivery.shop, msgspec.json.encode(delivery.body)))
        if found is not None:
            entity, last[entity] = found
            if last[entity] < newest.get(entity, 0):
                shuffled.add(entities[entity][0])
            newest[entity] = max(newest.get(entity, 0), last[entity])
        cart = payloads.read(delivery, shops[delivery.shop])
        if isinstance(cart, payloads.Cart):
            shown[cart.key] = delivery.received_at
    old_last = {
        entities[entity][0]
        for entity, version in last.items()
        if version < len(entities[entity][1]) - 1
    }
    return Log(old_last, shuffled, shown)


def find(name: str, answer: Answer, truth: Truth, log: Log) -> dict[str, Found]:
    """Return the kinds of all wrong rows of an answer. ``name``: plain, dbt, faust or streaming."""
    found: dict[str, Found] = defaultdict(Found)
    orders_of: dict[str, set[str]] = defaultdict(set)
    for key, order in truth.orders.items():
        if order.customer is not None:
            orders_of[compare.spelled(order.customer)].add(key)
    for key, part in answer.parts.items():
        orders_of[part.customer].add(key)
    for customer, currency in compare.customers(truth, answer).all:
        is_explained = False
        for key in orders_of[customer]:
            known, given_part = truth.orders.get(key), answer.parts.get(key)
            if known is None or is_right(known, given_part):
                continue
            kind = _of_order(name, known, given_part, log)
            found[kind].rows.add(f"{customer} {currency}")
            found[kind].cases[key] = given(given_part)
            is_explained = True
        if not is_explained:
            found["other"].rows.add(f"{customer} {currency}")
    for cart in compare.carts(truth, answer).all:
        kind = _of_cart(name, cart, truth, log)
        found[kind].rows.add(cart)
        found[kind].cases[cart] = answer.carts.get(cart, "neither")
    return dict(found)


def given(part: Part | None) -> Fraction | None:
    """Return what an answer gives for an order; None where it does not count."""
    if part is None or part.net is None:
        return None
    net = Fraction(part.net)
    return net if part.orders or abs(net) >= CENT else None


def right(order: KnownOrder) -> Fraction | None:
    """Return what an order adds; None where it does not count or cannot be known."""
    if not order.money.is_counted or order.money.net is None:
        return None
    return order.money.net.value


def is_right(order: KnownOrder, part: Part | None) -> bool:
    """Whether an answer has an order right."""
    count = part.orders if part is not None else 0
    if count != int(order.money.is_counted):
        return False
    wanted, got = right(order), given(part)
    if wanted is None or got is None:
        return not count and got is None
    return abs(wanted - got) < CENT


def _of_order(name: str, order: KnownOrder, part: Part | None, log: Log) -> str:
    """Name the kind of a wrong order."""
    state, key = order.life.newest, order.key
    counted, reasons = bool(part and part.orders), {each.reason for each in order.life.states}
    by_arrival = name == "plain" or (name == "dbt" and state.shop.source == "ciklik")
    is_taken_back = order.money.standing == "CANCELLED"
    # The streaming view keeps the first event, whatever comes later.
    is_shuffled = name != "streaming" and key in log.shuffled
    causes = (
        ("late", by_arrival and key in log.old_last),
        (
            "reinstated",
            order.money.is_counted and not counted and "reinstated" in reasons and not is_shuffled,
        ),
        ("late", order.money.is_counted and not counted),
        ("late", not order.money.is_counted and counted and key in log.shuffled),
        ("not-taken-back", is_taken_back and counted),
        ("unpaid", not order.money.is_counted and counted),
        ("twice", not counted),
        ("unknown", right(order) is None or given(part) is None),
    )
    found = next((kind for kind, holds in causes if holds), None)
    return found or _of_money(name, order, (given(part) or ZERO) - (right(order) or ZERO), reasons)


def _of_money(name: str, order: KnownOrder, off: Fraction, reasons: set[str]) -> str:
    """Name the kind of a counted order whose amount is off by so much."""
    state, source = order.life.newest, order.life.newest.shop.source
    refunds = [refund for refund, _ in order.life.refunds().values()]
    did_succeed = [each for each in refunds if each.outcome == "success"]
    has_cards = any(line.is_gift_card for line in state.lines)
    is_odd = any(each.money is None or not each.units for each in did_succeed)
    causes = (
        ("edited", "edited" in reasons and name in ("faust", "streaming")),
        ("gift-card", has_cards and off > 0),
        (
            "failed-refund",
            off < 0 and (name, source) == ("dbt", "spiffy") and len(did_succeed) < len(refunds),
        ),
        ("refund-of-tax", off < 0 and bool(order.money.backs)),
        (
            "refund-overlooked",
            off > 0 and bool(did_succeed) and (is_odd or not state.is_tax_inside),
        ),
        # A transaction whose order has not come yet is passed over.
        ("late", off > 0 and name == "faust" and bool(order.life.repayments)),
        ("tax-inside", off > 0 and state.is_tax_inside and bool(state.tax)),
    )
    return next((kind for kind, holds in causes if holds), "other")


def _of_cart(name: str, cart: str, truth: Truth, log: Log) -> str:
    """Name the kind of a wrong cart."""
    lives = truth.lives.get(cart, [])
    states = sorted(truth.states.get(cart, ()), key=lambda each: each.number)
    orders = [life.order for life in lives if life.order is not None]
    shown = log.shown.get(cart, 0)  # a repeat included
    last = max((each.latest for each in states), default=0)
    is_reported = any(life.is_reported for life in lives)
    was_left = truth.carts.get(cart) is not None
    bought_before = [order for order in orders if order.placed_at.last < last]
    causes = (
        ("second-cart", len(lives) > 1),
        ("wrong-cart", is_reported and (bool(bought_before) or not orders)),
        ("late-report", is_reported and any(shown > each.placed_at.last for each in orders)),
        ("echo", bool(bought_before)),
        ("unpaid-order", name == "streaming" and any(not x.money.is_counted for x in orders)),
        ("came-back", was_left and _was_silent(states)),
    )
    return next((kind for kind, holds in causes if holds), "other-cart")


def _was_silent(states: Sequence[Received]) -> bool:
    """Whether the cart was changed after it had been left."""
    return any(
        later.earliest - before.latest >= later.fact.shop.abandon_after * SECOND
        for before, later in pairwise(states)
    )
