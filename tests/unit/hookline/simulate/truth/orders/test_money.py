"""What an order is worth, rule by rule."""

import pytest

from hookline.simulate.world.facts import DAY, Change, OrderState, Paid, Repayment, SimulatedShop
from tests.simulation.made import (
    CIKLIK,
    ENVELOPE,
    GOOTEN,
    NOON,
    OLDER,
    RUN_FREE,
    SPIFFY,
    D,
    amounts,
    customer,
    got,
    in_turn,
    line,
    order,
    refund,
    row_of,
    shop,
)

_MONEY = ("gross", "discounts", "refunded", "net")


def money(*states: OrderState) -> tuple[D | None, ...]:
    return amounts(row_of(in_turn(*states), "orders"), *_MONEY)


def test_net_is_gross_less_discounts_less_refunded() -> None:
    back = refund(units={1: 1}, goods=D(9), money=D(9))
    after = order(discount=D(2), refunds=(back,), paid=Paid.PARTLY_REFUNDED)
    assert money(after) == (D(20), D(2), D(9), D(9))


def test_tax_inside_comes_off_gross_and_discounts_in_proportion() -> None:
    inside = order(discount=D(8), tax=D(2), is_tax_inside=True)
    assert money(inside) == (D("16.6667"), D("6.6667"), D(0), D(10))


def test_tax_outside_is_in_no_part_of_the_net() -> None:
    row = row_of([got(order(tax=D(4), shipping=D(5)))], "orders")
    assert amounts(row, "net", "taxes", "shipping", "counted_total") == (D(20), D(4), D(5), D(29))


def test_gift_cards_sold_are_no_goods() -> None:
    card = line(2, "25.00", is_gift_card=True)
    row = row_of([got(order(lines=(line(), card)))], "orders")
    assert amounts(row, "gross", "net", "gift_cards_sold") == (D(10), D(10), D(25))


def test_a_discount_above_the_goods_leaves_a_net_of_nothing_and_says_so() -> None:
    row = row_of([got(order(discount=D(30)))], "orders")
    assert amounts(row, "gross", "discounts", "net") == (D(20), D(20), D(0))
    assert row["reason"] == "discount-exceeds-goods"


@pytest.mark.parametrize("paid", [Paid.PAID, Paid.PARTLY_REFUNDED, Paid.REFUNDED])
def test_what_was_paid_is_revenue(paid: Paid) -> None:
    assert row_of([got(order(paid=paid))], "orders")["standing"] == "COUNTED"


def test_an_order_that_waits_for_its_money_is_pending_with_what_it_would_be_worth() -> None:
    row = row_of([got(order(paid=Paid.PENDING))], "orders")
    assert row["standing"] == "PENDING"
    assert amounts(row, "pending", "net", "gross") == (D(20), None, None)


@pytest.mark.parametrize("of", [RUN_FREE, shop("gooten", counts_as_sale=True)])
def test_platforms_whose_status_is_not_about_money_have_nothing_pending(of: SimulatedShop) -> None:
    assert row_of([got(order(of, paid=Paid.PENDING))], "orders")["standing"] == "COUNTED"


def test_a_cancelled_order_is_worth_nothing_until_it_is_reinstated() -> None:
    gone = order(change=Change.UPDATED, changed_at=NOON + DAY, paid=Paid.CANCELLED)
    back = order(change=Change.UPDATED, changed_at=NOON + 2 * DAY, reason="reinstated")
    assert money(order(), gone) == (D(0), None, None, D(0))
    assert money(order(), gone, back) == (D(20), D(0), D(0), D(20))


def test_a_deleted_order_is_worth_nothing() -> None:
    gone = order(change=Change.DELETED, changed_at=NOON + DAY, reason="deleted")
    row = row_of(in_turn(order(), gone), "orders")
    assert (row["standing"], amounts(row, "net")) == ("CANCELLED", (D(0),))


def test_a_fulfilment_partner_repeats_sales_and_tests_are_none() -> None:
    no_sale = shop("gooten", counts_as_sale=False)
    assert row_of([got(order(no_sale))], "orders")["standing"] == "NOT_A_SALE"
    assert row_of([got(order(is_test=True))], "orders")["standing"] == "TEST"
    assert row_of([got(order(RUN_FREE, is_test=True))], "orders")["standing"] == "COUNTED"


def test_what_a_platform_does_not_give_is_null() -> None:
    given = ("taxes", "shipping", "gift_cards_sold", "refunded", "counted_total")
    run_free = row_of([got(order(RUN_FREE, tax=D(1)))], "orders")
    assert amounts(run_free, *given) == (D(1), None, D(0), None, None)
    gooten = row_of([got(order(GOOTEN, shipping=D(3)))], "orders")
    assert amounts(gooten, *given) == (None, D(3), None, None, D(23))
    assert amounts(row_of([got(order(SPIFFY))], "orders"), "refunded") == (D(0),)
    assert amounts(row_of([got(order(ENVELOPE))], "orders"), "refunded") == (None,)


def test_a_part_of_which_no_amount_is_given_leaves_the_net_unknown() -> None:
    row = row_of([got(order(OLDER, paid=Paid.PARTLY_REFUNDED))], "orders")
    assert amounts(row, *_MONEY) == (None, None, None, None)
    assert (row["reason"], row["refunds_observable"]) == ("refund-unknown", False)


def test_all_of_which_no_amount_is_given_takes_off_all() -> None:
    assert money(order(OLDER, paid=Paid.REFUNDED)) == (D(20), D(0), D(20), D(0))


def test_a_platform_without_tax_cannot_take_it_out_of_the_prices() -> None:
    row = row_of([got(order(GOOTEN, is_tax_inside=True))], "orders")
    assert (row["reason"], row["net"]) == ("tax-unknown", None)


def test_transactions_that_give_money_back_take_off_the_goods_share() -> None:
    def repaid(refunded: str, change: Change) -> Repayment:
        return Repayment(
            customer=customer(CIKLIK), shop=CIKLIK, number=9, change=change, order=1,
            created_at=NOON, changed_at=NOON, amount=D(25), refunded=D(refunded),
        )  # fmt: skip

    facts = [
        got(order(CIKLIK, shipping=D(5))),
        got(repaid("0", Change.CREATED), 2),
        got(repaid("5.00", Change.UPDATED), 3, 2),
        got(repaid("10.00", Change.UPDATED), 4, 3),
    ]
    assert amounts(row_of(facts, "orders"), "refunded", "net") == (D(8), D(12))
