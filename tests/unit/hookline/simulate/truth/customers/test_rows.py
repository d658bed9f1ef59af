"""What a customer is worth, and since when we know."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span
from hookline.simulate.world.facts import (
    DAY,
    SECOND,
    Change,
    CustomerState,
    Paid,
    SubscriptionState,
)
from tests.simulation.made import (
    CIKLIK,
    GOOTEN,
    LATER,
    NOON,
    SPIFFY,
    D,
    amounts,
    cart,
    customer,
    got,
    in_turn,
    order,
    row_of,
    shop,
    state,
    truth,
)

TABLE = "customer_lifetime_value"


def orders(*days: float, of: Any = SPIFFY, **changes: Any) -> list[Received]:
    """Orders of 20.00, so many days after noon."""
    return [
        got(order(of, number=n, placed_at=NOON + int(day * DAY), **changes), 10 + n)
        for n, day in enumerate(days, start=1)
    ]


def test_of_two_orders_whose_bounds_overlap_either_may_be_the_first_and_the_last() -> None:
    """The answer to one was lost: which attempt was stored, and so its time, is not known."""
    shop_ = replace(GOOTEN, counts_as_sale=True)
    unsure = got(order(shop_, number=1), 1, spread=8 * SECOND)
    row = row_of([unsure, got(order(shop_, number=2), 4)], TABLE)
    assert row["last_order_at"] == Span(NOON + 4 * SECOND, NOON + 9 * SECOND)
    assert row["first_order_at"] == Span(NOON + 1 * SECOND, NOON + 4 * SECOND)


def test_counted_orders_add_up_and_pending_and_cancelled_ones_are_apart() -> None:
    facts = [
        *orders(0, 1),
        got(order(number=8, paid=Paid.PENDING), 20),
        got(order(number=9, paid=Paid.CANCELLED), 21),
        got(order(number=10, is_test=True), 22),
    ]
    row = row_of(facts, TABLE)
    assert amounts(row, "gross", "net", "avg_order_value", "pending_revenue") == (
        D(40), D(40), D(20), D(20),
    )  # fmt: skip
    assert (row["orders_count"], row["cancelled_count"]) == (2, 1)


def test_days_are_those_of_the_shops_zone() -> None:
    tokyo = shop(timezone="Asia/Tokyo")  # a day begins at 15:00 UTC
    row = row_of(orders(0, 0.2, 3, of=tokyo), TABLE)
    assert (row["frequency"], row["recency"]) == (2, 3)
    assert row_of(orders(0, 0.2, 3), TABLE)["frequency"] == 1


def test_t_reaches_from_the_first_day_to_the_watermarks_and_monetary_is_of_repeat_days() -> None:
    row = row_of(orders(0, 3, 3, 5), TABLE, NOON + 10 * DAY)
    assert (row["frequency"], row["recency"], row["t"]) == (2, 5, 10)
    assert amounts(row, "monetary") == (D(30),)
    assert row["as_of"] == Span.at(NOON - 12 * 3600 * SECOND + 10 * DAY)
    assert row["cohort_month"] == date(2026, 3, 1)


def test_renewals_are_in_net_and_in_no_frequency() -> None:
    facts = orders(0, 30, of=CIKLIK, subscription=4)
    row = row_of(facts, TABLE)
    assert (row["frequency"], row["monetary"]) == (0, None)
    assert amounts(row, "net", "subscription_revenue", "renewal_revenue") == (D(40), D(40), D(20))


def test_who_has_only_renewals_is_in_no_cohort_of_predictions() -> None:
    facts = orders(0, of=CIKLIK, subscription=4, is_renewal=True)
    assert row_of(facts, TABLE)["ineligible_reason"] == "only-renewals"


def test_history_is_known_of_who_came_after_the_shops_first_delivery() -> None:
    other = got(state(customer=customer(number=1)), 0)
    late = customer(number=7)
    for created, complete, reason in (
        (NOON + SECOND, True, None),
        (NOON - SECOND, False, "history-incomplete"),
    ):
        who = CustomerState(
            customer=type(late)(
                shop=SPIFFY, number=7, email="b@example.com", name="B", created_at=created
            ),
            shop=SPIFFY, change=Change.CREATED, changed_at=created,
        )  # fmt: skip
        facts = [other, got(who, 2), *orders(1, customer=who.customer)]
        row = row_of(facts, TABLE)
        assert (row["history_complete"], row["ineligible_reason"]) == (complete, reason)
    assert row_of([other, *orders(1)], TABLE)["history_complete"] is None


def test_a_platform_that_counts_more_orders_than_came_knows_more() -> None:
    first = got(state(customer=customer(number=1)), -100)
    counts = state(spent=D("71.50"), orders=3)
    row = row_of([first, got(counts, 1), *orders(1)], TABLE)
    assert (row["history_complete"], row["reported_orders"]) == (False, 3)
    assert amounts(row, "reported_revenue", "reported_delta") == (D("71.50"), D("51.50"))


def test_the_newest_totals_and_consent_of_the_platform_count() -> None:
    newer = state(change=Change.UPDATED, changed_at=NOON + DAY, spent=D(9), accepts_marketing=False)
    older = state(spent=D(5), accepts_marketing=True)
    facts = [got(newer, 1), got(older, 2, 2)]
    assert amounts(row_of(facts, TABLE), "reported_revenue") == (D(9),)


def test_no_row_of_who_ordered_nothing_that_is_a_sale() -> None:
    no_sale = shop("gooten", counts_as_sale=False)
    assert truth([got(state())]).tables[TABLE] == {}
    assert truth(orders(0, of=no_sale)).tables[TABLE] == {}
    assert truth(orders(0, is_test=True)).tables[TABLE] == {}


def test_counts_that_a_platform_cannot_give_are_null() -> None:
    for of, carts, subscriptions in ((SPIFFY, None, None), (GOOTEN, None, None), (CIKLIK, 0, 0)):
        row = row_of(orders(0, of=of), TABLE)
        assert (row["abandoned_carts_count"], row["active_subscriptions"]) == (carts, subscriptions)


@pytest.mark.parametrize(("status", "count"), [("active", 1), ("paused", 0), ("inactive", 0)])
def test_active_subscriptions_and_abandoned_carts_are_counted(status: Any, count: int) -> None:
    made = SubscriptionState(
        customer=customer(CIKLIK), shop=CIKLIK, number=3, change=Change.CREATED,
        created_at=NOON, changed_at=NOON, status=status,
    )  # fmt: skip
    left = got(cart(CIKLIK, is_reported=True), 5)
    row = row_of([got(made), left, *orders(40, of=CIKLIK)], TABLE, LATER + DAY)
    assert (row["active_subscriptions"], row["abandoned_carts_count"]) == (count, 1)


def test_an_order_without_a_net_leaves_the_average_unknown() -> None:
    older = shop("shoprocket", "older")
    facts = [*orders(0, of=older), got(order(older, number=5, paid=Paid.PARTLY_REFUNDED), 30)]
    row = row_of(facts, TABLE)
    assert amounts(row, "net", "avg_order_value") == (D(20), None)
    assert (row["orders_count"], row["ineligible_reason"]) == (2, "refund-unknown")


def test_a_row_is_open_where_its_order_is() -> None:
    ahead = order(changed_at=NOON + 60 * SECOND)
    behind = order(changed_at=NOON + 20 * SECOND, change=Change.UPDATED)
    found = truth(in_turn(ahead, behind))
    assert found.tables["orders"] == {}
    assert "spiffy/sim-1-spiffy/customer:7" in found.undecided.why
