"""Generations of carts: silence, orders, emptying, echoes, reports. Limits: 60, 600 and 30 s."""

from collections.abc import Sequence
from typing import Any

import pytest

from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span
from hookline.simulate.world.facts import SECOND, Change, OrderState, Paid
from tests.simulation.made import (
    CIKLIK,
    ENVELOPE,
    LATER,
    NOON,
    RUN_FREE,
    SPIFFY,
    D,
    amount,
    cart,
    customer,
    got,
    line,
    order,
    row_of,
    truth,
)

ONE, TWO = (line(1),), (line(1), line(2))


def seen(*carts: tuple[float, tuple[Any, ...]], of: Any = SPIFFY) -> list[Received]:
    """States of one cart: seconds after noon, and its lines."""
    return [got(cart(of, lines), at, number) for number, (at, lines) in enumerate(carts, 1)]


def bought(at: float, of: Any = SPIFFY, **changes: Any) -> Received:
    """An order that names the cart, placed so many seconds after noon."""
    given = {"cart": 5, "placed_at": NOON + int(at * SECOND), **changes}
    return got(order(of, **given), at + 1)


def generations(received: Sequence[Received], as_of: int = LATER) -> list[tuple[str, int]]:
    rows = truth(received, as_of).tables["cart_generations"].values()
    return [(row["status"], row["abandon_count"]) for row in rows]


@pytest.mark.parametrize(
    ("as_of", "status"), [(59, "ACTIVE"), (61, "ABANDONED"), (599, "ABANDONED"), (602, "EXPIRED")]
)
def test_a_silent_cart_is_abandoned_and_expires(as_of: int, status: str) -> None:
    row = row_of(seen((0, ONE)), "cart_generations", NOON + as_of * SECOND)
    assert row["status"] == status
    assert row["abandoned_at"] == (None if status == "ACTIVE" else Span.at(NOON + 60 * SECOND))


def test_an_order_converts_a_cart_and_recovers_an_abandoned_one() -> None:
    assert generations([*seen((0, ONE)), bought(30)]) == [("CONVERTED", 0)]
    row = row_of([*seen((0, ONE)), bought(100)], "abandoned_carts")
    assert (row["status"], row["link_method"]) == ("RECOVERED", "cart-token")
    assert row["time_to_recover"] == Span.at(40 * SECOND)
    assert (amount(row["recovered_value"]), row["item_overlap"]) == (D(20), 1)


def test_activity_after_silence_goes_on_with_the_cart() -> None:
    assert generations(seen((0, ONE), (100, TWO))) == [("EXPIRED", 2)]
    assert generations([*seen((0, ONE), (100, TWO)), bought(120)]) == [("RECOVERED", 1)]


def test_an_order_after_the_expiry_closes_nothing() -> None:
    assert generations([*seen((0, ONE)), bought(700)]) == [("EXPIRED", 1)]


def test_an_emptied_cart_is_closed_by_an_order_within_the_grace_alone() -> None:
    assert generations([*seen((0, ONE), (10, ())), bought(35)]) == [("CONVERTED", 0)]
    assert generations([*seen((0, ONE), (10, ())), bought(50)]) == [("EMPTIED", 0)]


def test_items_within_the_grace_after_an_emptying_are_the_same_generation() -> None:
    assert generations(seen((0, ONE), (10, ()), (30, TWO))) == [("EXPIRED", 1)]
    assert generations(seen((0, ONE), (10, ()), (50, TWO))) == [("EMPTIED", 0), ("EXPIRED", 1)]


def test_emptying_is_no_activity_and_leaves_the_content() -> None:
    row = row_of(seen((0, ONE), (10, ())), "cart_generations")
    assert row["last_activity_at"] == Span.at(NOON)
    assert (row["closed_at"], row["item_count"]) == (Span.at(NOON + 10 * SECOND), 1)


def test_an_empty_cart_opens_none() -> None:
    assert generations(seen((0, ()))) == []


@pytest.mark.parametrize("lines", [ONE, ()])
def test_an_echo_of_what_was_bought_opens_none(lines: tuple[Any, ...]) -> None:
    assert generations([*seen((0, TWO), (20, lines)), bought(10)]) == [("CONVERTED", 0)]


def test_what_the_order_has_is_an_echo_and_what_it_has_not_is_a_new_cart() -> None:
    three = (line(3),)
    with_it = bought(10, lines=(line(1), line(3)))
    assert generations([*seen((0, ONE), (20, three)), with_it]) == [("CONVERTED", 0)]
    without = [*seen((0, ONE), (20, three)), bought(10)]
    assert generations(without) == [("CONVERTED", 0), ("EXPIRED", 1)]


def test_an_echo_after_the_grace_is_a_new_cart() -> None:
    facts = [*seen((0, TWO), (50, ONE)), bought(10)]
    assert generations(facts) == [("CONVERTED", 0), ("EXPIRED", 1)]


def test_an_order_shortly_before_a_cart_closes_it_at_once() -> None:
    assert generations([*seen((200, ONE)), bought(0)]) == [("CONVERTED", 0)]
    assert generations([*seen((400, ONE)), bought(0)]) == [("EXPIRED", 1)]


def test_the_earliest_order_closes_the_cart_and_a_second_one_none() -> None:
    facts = [*seen((0, ONE)), bought(100, number=2), bought(80)]
    row = row_of(facts, "abandoned_carts")
    assert row["order_key"] == "spiffy/sim-1-spiffy/order:1"


@pytest.mark.parametrize("changes", [{"is_test": True}, {"cart": None}, {"cart": 6}])
def test_tests_and_orders_that_name_no_cart_close_none(changes: dict[str, Any]) -> None:
    assert generations([*seen((0, ONE)), bought(30, **changes)]) == [("EXPIRED", 1)]


def test_a_renewal_closes_no_cart() -> None:
    reported = got(cart(CIKLIK, is_reported=True))
    facts = [reported, bought(30, CIKLIK, subscription=1, is_renewal=True)]
    assert generations(facts) == [("EXPIRED", 1)]


def test_a_cancelled_order_has_recovered_nothing() -> None:
    row = row_of([*seen((0, ONE)), bought(100, paid=Paid.CANCELLED)], "abandoned_carts")
    assert (row["status"], row["order_standing"]) == ("RECOVERED", "CANCELLED")
    assert amount(row["recovered_value"]) == D(0)


def test_a_customers_cart_is_closed_by_the_customers_orders() -> None:
    facts = [*seen((0, ONE), of=RUN_FREE), bought(100, RUN_FREE, cart=None)]
    row = row_of(facts, "abandoned_carts")
    assert (row["link_method"], row["cart_value"]) == ("customer-id", None)


def test_a_reported_cart_is_abandoned_when_it_is_reported_and_first_seen_when_it_was_made() -> None:
    row = row_of([got(cart(ENVELOPE, opened_at=NOON - 1800 * SECOND, is_reported=True), 9)],
        "abandoned_carts", NOON + 10 * SECOND)  # fmt: skip
    assert (row["first_seen_at"], row["abandoned_at"]) == (
        Span.at(NOON - 1800 * SECOND), Span.at(NOON + 9 * SECOND),
    )  # fmt: skip
    assert (row["status"], row["detection"], row["last_activity_at"]) == (
        "ABANDONED", "PLATFORM", None,
    )  # fmt: skip


def test_an_order_between_creation_and_report_recovers_without_a_time() -> None:
    reported = got(cart(CIKLIK, opened_at=NOON - 1800 * SECOND, is_reported=True), 9)
    row = row_of([reported, bought(-600, CIKLIK, cart=None)], "abandoned_carts")
    assert (row["status"], row["time_to_recover"]) == ("RECOVERED", None)


def test_another_customer_of_the_address_is_somebody_else_and_a_guest_is_not() -> None:
    reported = got(cart(CIKLIK, is_reported=True), 9)
    other = customer(CIKLIK, 8, "buyer7@example.com")
    guest = customer(CIKLIK, None, "buyer7@example.com")
    assert generations([reported, bought(20, CIKLIK, customer=other)]) == [("EXPIRED", 1)]
    row = row_of([reported, bought(20, CIKLIK, customer=guest)], "abandoned_carts")
    assert (row["status"], row["link_method"]) == ("RECOVERED", "email-hash")


def test_an_equal_state_soon_after_is_a_repeated_delivery_and_a_swap_is_none() -> None:
    row = row_of(seen((0, ONE), (30, ONE)), "cart_generations", NOON + 50 * SECOND)
    assert row["last_activity_at"] == Span.at(NOON)
    swapped = row_of(seen((0, ONE), (10, TWO), (20, ONE)), "cart_generations")
    assert swapped["last_activity_at"] == Span.at(NOON + 20 * SECOND)


def test_what_the_bounds_of_a_receipt_leave_open_is_shown_and_not_compared() -> None:
    lost_answer = got(cart(), 0, spread=5 * SECOND)
    found = truth([lost_answer, bought(62)])
    assert found.tables["cart_generations"] == {}
    [*_, why] = found.undecided.why.values()
    assert "abandoned" in why


def test_a_late_state_changes_nothing_that_was_known() -> None:
    facts: list[Received] = [*seen((0, ONE), (100, TWO)), bought(120)]
    gone = got(order(cart=5, placed_at=NOON + 120 * SECOND, change=Change.UPDATED), 300, 2)
    assert isinstance(gone.fact, OrderState)
    assert generations([*facts, gone]) == generations(facts)
