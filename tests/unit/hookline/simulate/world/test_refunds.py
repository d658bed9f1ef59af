"""Refunds: never more of an order than it had, and consistent in themselves."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.world import Behaviour, Knobs, shops
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import SECOND, Customer, OrderState, Paid, Repayment
from hookline.simulate.world.orders import Order, OrderChange, OrderLives
from hookline.simulate.world.people import ShopNumbers

START = 1_790_000_000_000_000
ALWAYS = Behaviour(
    refunds=1, refunds_again=0.7, cancels=0, tests=0, pays_later=0, discounts=0.5, gift_cards=0.3
)
SHOPS = {f"{shop.source} {shop.format}": shop for shop in shops(Knobs(seed=1, start=START))}


def life(seed: int, shop_of: str) -> list[OrderChange]:
    """All changes of one order, which is refunded where its platform reports refunds."""
    chance, numbers = Random(seed), ShopNumbers(SHOPS[shop_of])  # noqa: S311 - drawn
    lives = OrderLives(chance, ALWAYS, numbers)
    customer = Customer(
        shop=SHOPS[shop_of], number=1, email="b@example.com", name="B B", created_at=START
    )
    order = Order(customer, numbers, START, lives.basket(chance.randrange(1, 20_000)))
    return lives.of(order, lambda: lives.basket(5000), lambda: 3 * SECOND)


def base(state: OrderState) -> Decimal:
    """Goods after the discount, as the prices are."""
    return sum((x.total for x in state.lines if not x.is_gift_card), ZERO) - state.discount


@pytest.mark.parametrize("shop_of", ["spiffy json", "shoprocket envelope"])
@given(seed=st.integers(0, 10**6))
def test_refunds_take_back_no_more_than_was_bought(shop_of: str, seed: int) -> None:
    states = [each for each in life(seed, shop_of) if isinstance(each, OrderState)]
    last = states[-1]
    made = [refund for refund in last.refunds if refund.outcome == "success"]
    assert sum((refund.goods for refund in made), ZERO) <= base(last)
    assert sum((refund.tax or ZERO for refund in made), ZERO) <= last.tax
    assert sum((refund.shipping for refund in made), ZERO) <= last.shipping
    assert sum((refund.money or ZERO for refund in made), ZERO) <= last.total
    ordered = {line.number: line.quantity for line in last.lines}
    for number, units in ordered.items():
        assert sum(refund.units.get(number, 0) for refund in made) <= units
    for refund in last.refunds:
        tax = ZERO if last.is_tax_inside else refund.tax or ZERO
        assert refund.money is None or refund.money >= refund.goods + tax + refund.shipping
        assert bool(refund.units) == bool(refund.goods)
        assert last.placed_at < refund.at <= last.changed_at
        assert refund.money is not None or shop_of.startswith("spiffy")
    if made:
        is_all = sum((refund.goods for refund in made), ZERO) == base(last)
        assert last.paid is (Paid.REFUNDED if is_all else Paid.PARTLY_REFUNDED)


@given(seed=st.integers(0, 10**6))
def test_each_refund_is_in_the_order_from_its_own_change_on(seed: int) -> None:
    seen: dict[int, str] = {}
    for state in life(seed, "spiffy xml"):
        assert isinstance(state, OrderState)
        if state.refund is not None:
            seen[state.refund.number] = state.refund.outcome
        assert {each.number: each.outcome for each in state.refunds} == seen


@given(seed=st.integers(0, 10**6))
def test_the_older_format_reports_refunds_by_status_alone(seed: int) -> None:
    states = [each for each in life(seed, "shoprocket older") if isinstance(each, OrderState)]
    assert all(not state.refunds for state in states)
    assert any(state.paid in (Paid.REFUNDED, Paid.PARTLY_REFUNDED) for state in states)


@given(seed=st.integers(0, 10**6))
def test_transactions_pay_back_more_and_more_but_never_more_than_was_paid(seed: int) -> None:
    changes = life(seed, "ciklik json")
    total = next(each.total for each in changes if isinstance(each, OrderState))
    back = [each.refunded for each in changes if isinstance(each, Repayment)]
    assert back[0] == ZERO
    assert len(back) > 1
    assert back == sorted(set(back))
    assert back[-1] <= total
    assert all(state.refund is None for state in changes if isinstance(state, OrderState))


@pytest.mark.parametrize("shop_of", ["run-free json", "gooten json"])
def test_platforms_without_refunds_report_none(shop_of: str) -> None:
    for seed in range(50):
        assert all(getattr(each, "reason", "") != "refunded" for each in life(seed, shop_of))
