"""Rates of carts by day, and carts that were merged."""

from datetime import date
from fractions import Fraction
from typing import Any

from hookline.simulate.world.facts import SECOND, Paid
from tests.simulation.made import (
    CIKLIK,
    NOON,
    RUN_FREE,
    SPIFFY,
    cart,
    customer,
    got,
    line,
    order,
    truth,
)

ONE, TWO = (line(1),), (line(1), line(2))
DAY = ("spiffy", "sim-1-spiffy", date(2026, 3, 1))


def rates(*received: Any) -> dict[Any, Any]:
    return dict(truth(received).tables["daily_cart_rates"])


def test_carts_count_on_the_day_on_which_they_were_first_seen() -> None:
    paid = got(order(number=1, cart=1, placed_at=NOON + 90 * SECOND), 91)
    gone = got(order(number=2, cart=2, placed_at=NOON + 90 * SECOND, paid=Paid.CANCELLED), 92)
    bought = got(order(number=3, cart=3, placed_at=NOON + 30 * SECOND), 31)
    carts = [got(cart(SPIFFY, ONE, number), number / 10) for number in (1, 2, 3)]
    row = rates(*carts, paid, gone, bought)[DAY]
    assert (row["carts"], row["abandoned"], row["recovered"]) == (3, 2, 1)
    assert (row["abandonment_rate"], row["recovery_rate"]) == (Fraction(2, 3), Fraction(1, 2))


def test_recovery_is_unknown_where_no_order_of_the_shop_names_a_cart() -> None:
    [no_order] = rates(got(cart())).values()
    [no_link] = rates(got(cart()), got(order(), 2)).values()
    assert (no_order["recovered"], no_link["recovered"], no_link["recovery_rate"]) == (
        0,
        None,
        None,
    )


def test_carts_that_the_platform_reports_have_no_rate() -> None:
    assert rates(got(cart(CIKLIK, is_reported=True))) == {}


def test_a_cart_that_another_one_of_the_person_held_in_time_counts_once() -> None:
    mine, again = (customer(RUN_FREE, number, "me@example.com") for number in (1, 2))
    first = got(cart(RUN_FREE, ONE, customer=mine), 0)
    held = got(cart(RUN_FREE, TWO, customer=again), 20)
    late = got(cart(RUN_FREE, TWO, customer=again), 100)
    [together] = rates(first, held).values()
    [apart] = rates(first, late).values()
    assert (together["carts"], apart["carts"]) == (1, 2)
