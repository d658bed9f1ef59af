"""Customers of the history: their purchases have the moments of BG/NBD and Gamma-Gamma."""

from collections import Counter, defaultdict
from math import sqrt
from statistics import mean, stdev

from scipy.special import hyp2f1

from hookline.simulate import world
from hookline.simulate.world import Behaviour, Knobs
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import CustomerState, OrderState, SubscriptionState

START = 1_790_000_000_000_000
PLAIN = Behaviour(
    r=0.8, alpha=40.0, a=0.6, b=2.4, p=5.0, q=6.0, gamma=20.0, guests=0, same_person=0, tests=0,
    edits=0, customer_deletions=0, subscribes=0,
)  # fmt: skip
DAYS = 300
CUSTOMERS = 4000


def test_purchases_and_spend_have_the_moments_of_the_model() -> None:
    knobs = Knobs(
        seed=9, start=START, seconds=5000, customers=CUSTOMERS, days=DAYS, live_share=0, entering=0,
        behaviour=PLAIN,
    )  # fmt: skip
    orders: Counter[str] = Counter()
    spend: defaultdict[str, list[float]] = defaultdict(list)
    for step in world.steps(knobs):
        fact = step.fact
        if isinstance(fact, OrderState) and fact.reason == "placed":
            email = fact.customer.email
            orders[email] += 1
            listed = sum((x.total for x in fact.lines if not x.is_gift_card), ZERO)
            tax = fact.tax if fact.is_tax_inside else ZERO
            spend[email].append(float(listed - fact.discount - tax))
    assert len(orders) == CUSTOMERS
    repeats = [count - 1 for count in orders.values()]

    r, alpha, a, b = PLAIN.r, PLAIN.alpha, PLAIN.a, PLAIN.b
    left = (alpha / (alpha + DAYS)) ** r * hyp2f1(r, b, a + b - 1, DAYS / (alpha + DAYS))
    expected = (a + b - 1) / (a - 1) * (1 - left)
    assert abs(mean(repeats) - expected) < 3 * stdev(repeats) / sqrt(CUSTOMERS)
    none = (alpha / (alpha + DAYS)) ** r
    share = sum(1 for each in repeats if each == 0) / CUSTOMERS
    assert abs(share - none) < 3 * sqrt(none * (1 - none) / CUSTOMERS)

    means = [mean(each) for each in spend.values()]
    expected_spend = PLAIN.p * PLAIN.gamma / (PLAIN.q - 1)
    assert abs(mean(means) - expected_spend) < 3 * stdev(means) / sqrt(CUSTOMERS)
    within = [stdev(each) ** 2 / mean(each) ** 2 for each in spend.values() if len(each) >= 10]
    assert abs(mean(within) - 1 / PLAIN.p) < 0.05, "a customer's own orders vary by 1/p"


def test_customers_enter_in_the_first_part_of_the_history() -> None:
    knobs = Knobs(
        seed=2, start=START, seconds=100, customers=500, days=DAYS, live_share=0, entering=0.5,
        behaviour=PLAIN,
    )  # fmt: skip
    entered = [s.fact for s in world.steps(knobs) if isinstance(s.fact, CustomerState)]
    created = [f.customer.created_at for f in entered if f.change == "created"]
    assert min(created) - knobs.history_begins < 5 * 86_400_000_000
    half = knobs.history_begins + DAYS * 86_400_000_000 // 2
    assert half - 5 * 86_400_000_000 < max(created) <= half


def test_the_platforms_running_totals_grow_with_the_orders() -> None:
    knobs = Knobs(seed=4, start=START, seconds=30, customers=600, live_share=0, entering=0)
    newest: dict[tuple[str, int | None], tuple[int, object]] = {}
    compared = 0
    for step in world.steps(knobs):
        fact = step.fact
        if isinstance(fact, CustomerState) and fact.orders is not None:
            key = fact.shop.key, fact.customer.number
            orders, spent = newest.get(key, (0, ZERO))
            assert fact.orders >= orders
            assert fact.spent is not None
            assert fact.spent >= spent  # type: ignore[operator]
            newest[key] = fact.orders, fact.spent
            compared += fact.orders > 0
    assert compared > 20


def test_a_subscription_begins_with_an_order_and_renews_every_month() -> None:
    knobs = Knobs(seed=6, start=START, seconds=30, customers=400, live_share=0, entering=0)
    created: dict[tuple[str, int], int] = {}
    orders: defaultdict[tuple[str, int], list[OrderState]] = defaultdict(list)
    ended: Counter[str] = Counter()
    for step in world.steps(knobs):
        fact = step.fact
        if isinstance(fact, SubscriptionState):
            created.setdefault((fact.shop.key, fact.number), fact.created_at)
            ended[f"{fact.change} {fact.status}"] += 1
        elif isinstance(fact, OrderState) and fact.subscription and fact.reason == "placed":
            key = fact.shop.key, fact.subscription
            assert key in created, "it is reported before the order that names it"
            orders[key].append(fact)
    assert len(orders) == len(created) > 20
    for key, placed in orders.items():
        assert [order.is_renewal for order in placed] == [False] + [True] * (len(placed) - 1)
        gaps = {order.placed_at - created[key] for order in placed}
        assert all(gap % (30 * 86_400_000_000) == 0 for gap in gaps)
    assert {"updated paused", "updated inactive", "deleted inactive"} <= set(ended)
