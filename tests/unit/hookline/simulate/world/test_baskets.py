"""What is in orders: worth what was drawn, to the cent."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.world import Behaviour
from hookline.simulate.world.baskets import ZERO, Basket, Baskets, cart_line, money

ALL = Behaviour(discounts=1, taxed=1, shipped=1, gift_cards=1)
INSIDE = st.sampled_from([None, True, False])


def baskets(seed: int, *, is_inside: bool | None) -> Baskets:
    return Baskets(Random(seed), ALL, source="spiffy", is_inside=is_inside, has_cards=True)  # noqa: S311


def adds_up(basket: Basket) -> bool:
    """Whether what is paid is the sum of the parts, each of two decimals."""
    listed = sum((line.total for line in basket.lines), ZERO)
    tax = ZERO if basket.is_tax_inside else basket.tax
    amounts = [basket.total, basket.tax, basket.discount, *(line.price for line in basket.lines)]
    assert all(amount.as_tuple().exponent == -2 and amount >= 0 for amount in amounts)
    return basket.total == listed - basket.discount + tax + basket.shipping


def goods(basket: Basket) -> int:
    """Goods - discount, without tax and gift cards, in cents."""
    listed = sum((line.total for line in basket.lines if not line.is_gift_card), ZERO)
    inside = basket.tax if basket.is_tax_inside else ZERO
    return int((listed - basket.discount - inside).scaleb(2))


@given(st.integers(1, 10**7), st.integers(0, 10**6), INSIDE)
def test_an_order_is_worth_its_spend_to_the_cent(
    spend: int,
    seed: int,
    is_inside: bool | None,
) -> None:
    basket = baskets(seed, is_inside=is_inside).of_spend(spend, 5)
    assert goods(basket) == spend
    assert adds_up(basket)
    assert [line.number for line in basket.lines] == [*range(5, 5 + len(basket.lines))]
    assert is_inside in (None, basket.is_tax_inside)


@given(st.integers(0, 10**6), st.integers(1, 5), INSIDE)
def test_the_order_of_a_cart_has_its_lines(
    seed: int,
    count: int,
    is_inside: bool | None,
) -> None:
    chance = Random(seed)  # noqa: S311 - drawn
    lines = tuple(cart_line(chance, "spiffy", number, number) for number in range(count))
    basket = baskets(seed, is_inside=is_inside).of_lines(lines)
    assert basket.lines[:count] == lines
    assert adds_up(basket)
    assert goods(basket) > 0


def test_what_a_platform_does_not_have_is_never_drawn() -> None:
    chance = Random(1)  # noqa: S311 - a seed repeats it
    plain = Baskets(
        chance,
        ALL,
        source="gooten",
        is_inside=False,
        has_tax=False,
        has_shipping=False,
        has_units=False,
    )
    for spend in range(1, 2000, 7):
        basket = plain.of_spend(spend, 1)
        assert (basket.tax, basket.shipping) == (ZERO, ZERO)
        assert all(line.quantity == 1 and not line.is_gift_card for line in basket.lines)


def test_cents_are_amounts_of_two_decimals() -> None:
    assert [str(money(cents)) for cents in (0, 5, 1200)] == ["0.00", "0.05", "12.00"]
