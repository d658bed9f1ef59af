"""What a customer's orders come to: the rows of customer_lifetime_value."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Customer, ReportedTotals, Scope
from sinks.lifetime.order_money import OrderMoney
from sinks.lifetime.reported_totals import ReportedTotal, reported_totals
from sinks.lifetime.revenue_status import RevenueStatus
from tests.lifetime.customers import customer_rows
from tests.lifetime.records import CustomerFacts, CustomerOrder, LifetimeRow
from tests.unit.sinks.merge.test_last_writer import meta

D = Decimal


def on(text: str) -> int:
    """Microseconds of an ISO time in UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


AS_OF = on("2026-03-01T12:00")
WHO = CustomerFacts(
    customer_key="spiffy/johns/customer:1",
    source="spiffy",
    shop="johns",
    timezone="UTC",
    shop_currency="USD",
    created_at=on("2026-01-01T00:00"),
    whole_since=on("2026-01-01T00:00"),
    active_subscriptions=2,
    abandoned_carts_count=3,
)


def counted(net: str | None, **changes: Any) -> OrderMoney:
    amount = None if net is None else D(net)
    return msgspec.structs.replace(
        OrderMoney(
            revenue_status=RevenueStatus.COUNTED,
            gross=amount,
            net=amount,
            total=amount,
            refunds_observable=True,
        ),
        **changes,
    )


def order(key: str, day: str, money: OrderMoney, **changes: Any) -> CustomerOrder:
    placed = on(day if "T" in day else f"{day}T10:00")
    made = CustomerOrder(
        order_key=key, placed_at=placed, currency="USD", money=money, is_renewal=False
    )
    return replace(made, **changes)


def reported(at: int, **figures: Any) -> ReportedTotal:
    blank = ReportedTotal(
        version=(at, 2, 0, 0, 0),
        event_id=str(at),
        currency="USD",
        revenue=None,
        refunded=None,
        orders_count=None,
    )
    return replace(blank, **figures)


def only(
    *orders: CustomerOrder, reported: tuple[ReportedTotal, ...] = (), **facts: Any
) -> LifetimeRow:
    [row] = customer_rows(replace(WHO, **facts), orders, reported, AS_OF)
    return row


PENDING = OrderMoney(revenue_status=RevenueStatus.PENDING, pending=D("12.00"))
CANCELLED = OrderMoney(revenue_status=RevenueStatus.CANCELLED, gross=D(0), net=D(0))


def test_run_free_customer_1_before_and_after_the_second_order() -> None:
    worth = counted("104.00", gross=D("130.00"), discounts=D("26.00"), taxes=D("8.32"))
    first, second = order("448725", "2026-01-01", worth), order("448726", "2026-01-20", worth)

    def figures(row: LifetimeRow) -> tuple[object, ...]:
        return row.gross, row.discounts, row.taxes, row.shipping, row.net, row.orders_count

    one = (D("130.00"), D("26.00"), D("8.32"), None, D("104.00"), 1)
    two = (D("260.00"), D("52.00"), D("16.64"), None, D("208.00"), 2)
    assert (one, two) == (figures(only(first)), figures(only(first, second)))


def test_a_renewal_is_in_net_and_in_subscription_revenue_but_in_no_rfm() -> None:
    row = only(
        order("a", "2026-01-01", counted("50")),
        order("b", "2026-02-01", counted("30"), is_renewal=True),
    )
    assert (D(80), D(30), 2, 0, 0, None) == (
        row.net,
        row.renewal_revenue,
        row.orders_count,
        row.frequency,
        row.recency,
        row.monetary,
    )


def test_a_customer_of_nothing_but_renewals_has_no_rfm() -> None:
    row = only(order("a", "2026-01-01", counted("0"), is_renewal=True))
    assert (D(0), None, None, None, "only-renewals") == (
        row.net,
        row.frequency,
        row.recency,
        row.T,
        row.ineligible_reason,
    )


def test_pending_revenue_is_not_net() -> None:
    row = only(order("a", "2026-01-01", PENDING))
    assert (D("12.00"), D(0), 0, None, None) == (
        row.pending_revenue,
        row.net,
        row.orders_count,
        row.first_order_at,
        row.avg_order_value,
    )


def test_cancelled_orders_are_counted_apart_and_contribute_nothing() -> None:
    row = only(order("a", "2026-01-01", counted("50")), order("b", "2026-01-05", CANCELLED))
    assert (D(50), 1, 1, D(50), on("2026-01-01T10:00")) == (
        row.net,
        row.orders_count,
        row.cancelled_count,
        row.avg_order_value,
        row.last_order_at,
    )


@pytest.mark.parametrize(
    "revenue_status", [RevenueStatus.TEST, RevenueStatus.DRAFT, RevenueStatus.NOT_A_SALE]
)
def test_tests_drafts_and_no_sales_make_no_row(revenue_status: RevenueStatus) -> None:
    orders = [order("a", "2026-01-01", OrderMoney(revenue_status=revenue_status))]
    assert customer_rows(WHO, orders, [], AS_OF) == []


def test_a_reported_total_alone_makes_a_row() -> None:
    row = only(reported=(reported(1, revenue=D(70), orders_count=3),))
    assert (0, D(70), 3, False) == (
        row.orders_count,
        row.reported_revenue,
        row.reported_orders,
        row.history_complete,
    )


def test_currencies_have_rows_of_their_own_and_moneyless_counts_on_the_shops() -> None:
    rows = customer_rows(
        WHO,
        [
            order("a", "2026-01-01", counted("50")),
            order("b", "2026-01-01", counted("40"), currency="EUR"),
            order("c", "2026-01-01", counted("30"), currency=None),
        ],
        [],
        AS_OF,
    )
    assert [("EUR", D(40), None, None), ("USD", D(50), 2, 3)] == [
        (row.currency, row.net, row.active_subscriptions, row.abandoned_carts_count) for row in rows
    ]


def test_an_order_without_net_leaves_the_others_sum_and_gives_the_reason() -> None:
    row = only(
        order("a", "2026-01-01", counted("50")),
        order("b", "2026-01-02", counted(None, reason="tax-unknown")),
    )
    assert (D(50), None, 2, "tax-unknown") == (
        row.net,
        row.avg_order_value,
        row.orders_count,
        row.ineligible_reason,
    )


def test_net_of_nothing_but_unknown_orders_is_null() -> None:
    row = only(order("a", "2026-01-01", counted(None, reason="tax-unknown")))
    assert (row.net, row.gross) == (None, None)


def test_reported_totals_are_the_newest_of_each_figure_and_never_summed() -> None:
    row = only(
        order("a", "2026-01-01", counted("50", total=D("60"))),
        reported=(
            reported(2, revenue=D(90)),
            reported(1, revenue=D(70), refunded=D(5), orders_count=1),
        ),
    )
    assert (D(90), D(5), 1, D(30)) == (
        row.reported_revenue,
        row.reported_refunded,
        row.reported_orders,
        row.reported_delta,
    )


def test_reported_delta_is_null_where_a_total_is_not_given() -> None:
    orders = order("a", "2026-01-01", counted("50", total=None))
    assert only(orders, reported=(reported(1, revenue=D(90)),)).reported_delta is None


@pytest.mark.parametrize(
    ("facts", "reported_orders", "expected"),
    [
        ({}, None, True),
        ({}, 1, True),
        ({}, 2, False),
        ({"created_at": on("2025-12-31T23:59")}, None, False),
        ({"created_at": None}, None, None),
        ({"created_at": None}, 2, False),
        ({"created_at": None}, 1, None),
        ({"whole_since": None}, None, None),
    ],
)
def test_history_complete(
    facts: dict[str, Any], reported_orders: int | None, expected: bool | None
) -> None:
    row = only(
        order("a", "2026-01-01", counted("50")),
        reported=(reported(1, orders_count=reported_orders),),
        **facts,
    )
    reason = None if expected else "history-incomplete"
    assert (expected, reason) == (row.history_complete, row.ineligible_reason)


def test_refunds_are_observable_only_if_every_counted_order_gives_them() -> None:
    seen = order("a", "2026-01-01", counted("50"))
    unseen = order("b", "2026-01-02", counted("50", refunds_observable=False))
    assert (only(seen).refunds_observable, only(seen, unseen).refunds_observable) == (True, False)


def test_days_and_months_are_the_shops() -> None:
    late = order("a", "2026-01-31T23:30", counted("50"))
    later = order("b", "2026-02-01T00:30", counted("50"))
    paris, utc = only(late, later, timezone="Europe/Paris"), only(late, later)
    assert (
        paris.cohort_month,
        paris.frequency,
        utc.cohort_month,
        utc.frequency,
    ) == ("2026-02-01", 0, "2026-01-01", 1)


def test_rfm_counts_days_and_repeat_days_net() -> None:
    row = only(
        order("a", "2026-01-01", counted("500")),
        order("b", "2026-01-11T08:00", counted("10")),
        order("c", "2026-01-11T09:00", counted("20")),
        order("d", "2026-01-21", counted("50")),
        order("e", "2026-01-31", counted("0")),
    )
    assert (3, 30, 59, D(40), AS_OF) == (
        row.frequency,
        row.recency,
        row.T,
        row.monetary,
        row.as_of,
    )


def test_monetary_is_null_at_frequency_0() -> None:
    row = only(order("a", "2026-01-01", counted("500")))
    assert (row.frequency, row.monetary) == (0, None)


def test_only_customer_scope_totals_are_the_customers() -> None:
    record = Customer(
        meta=meta(),
        customer_id="1",
        reported=(
            ReportedTotals(scope=Scope.SUBSCRIPTION, revenue=D(1)),
            ReportedTotals(scope=Scope.CUSTOMER, revenue=D(2), currency="EUR", orders_count=4),
        ),
    )
    assert [("EUR", D(2), 4)] == [
        (each.currency, each.revenue, each.orders_count) for each in reported_totals(record)
    ]


amounts = st.decimals(-1000, 1000, places=4)
moneys = st.one_of(
    st.just(CANCELLED),
    st.just(OrderMoney(revenue_status=RevenueStatus.TEST)),
    st.builds(
        lambda pending: OrderMoney(revenue_status=RevenueStatus.PENDING, pending=pending), amounts
    ),
    st.builds(
        lambda net, discounts, refunded: OrderMoney(
            revenue_status=RevenueStatus.COUNTED,
            gross=net + discounts + refunded,
            discounts=discounts,
            refunded=refunded,
            net=net,
        ),
        amounts,
        amounts,
        amounts,
    ),
    st.just(OrderMoney(revenue_status=RevenueStatus.COUNTED, reason="tax-unknown")),
)
orders_ = st.lists(
    st.builds(
        CustomerOrder,
        order_key=st.uuids().map(str),
        placed_at=st.integers(0, AS_OF),
        currency=st.sampled_from(["USD", "EUR", None]),
        money=moneys,
        is_renewal=st.booleans(),
    ),
    max_size=8,
)


def _all(amounts_: list[Decimal | None]) -> Decimal:
    return sum((each for each in amounts_ if each is not None), D(0))


@given(orders_, st.randoms(use_true_random=False))
def test_rows_depend_on_no_order_and_add_up_to_the_orders(
    orders: list[CustomerOrder], random: Random
) -> None:
    rows = customer_rows(WHO, orders, [], AS_OF)
    shuffled = random.sample(orders, len(orders))
    assert rows == customer_rows(WHO, shuffled, [], AS_OF)
    for row in rows:
        if row.net is not None:
            parts = row.net + (row.discounts or 0) + (row.refunded or 0)
            assert row.gross == parts
    unattributed = [each.money for each in orders if each.currency is None]
    for name in ("gross", "discounts", "refunded", "net"):
        whole = _all([getattr(each.money, name) for each in orders])
        table = _all([getattr(row, name) for row in rows])
        assert whole == table + _all([getattr(each, name) for each in unattributed])


@given(orders_)
def test_rfm_stays_within_its_bounds(orders: list[CustomerOrder]) -> None:
    for row in customer_rows(WHO, orders, [], AS_OF):
        if row.frequency is not None and row.recency is not None and row.T is not None:
            assert 0 <= row.frequency <= row.recency <= row.T
            assert row.frequency or row.monetary is None
