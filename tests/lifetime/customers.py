"""The rows of ``customer_lifetime_value``: one for each customer and currency."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from schemas.events import Micros
from sinks.lifetime.amounts import ZERO, sum_given
from sinks.lifetime.order_money import OrderMoney
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS
from sinks.lifetime.refunds import PROVIDES_REFUNDS
from sinks.lifetime.reported_totals import ReportedTotal
from sinks.lifetime.revenue_status import RevenueStatus
from tests.lifetime.records import CustomerFacts, CustomerOrder, LifetimeRow
from tests.lifetime.rfm import OrderDays, day_of
from tests.lifetime.sums import mean, newest_given, oldest_first

_SALES = (RevenueStatus.COUNTED, RevenueStatus.PENDING, RevenueStatus.CANCELLED)


def customer_rows(
    customer: CustomerFacts,
    orders: Iterable[CustomerOrder],
    reported: Iterable[ReportedTotal],
    as_of: Micros,
) -> list[LifetimeRow]:
    """Return the customer's rows, ordered by currency; none without a sale or a reported total.

    Orders and totals without a currency are in no row; the orders stay in ``orders``.
    """
    sales = [order for order in orders if order.money.revenue_status in _SALES]
    totals = oldest_first(reported)
    currencies = sorted(
        {order.currency for order in sales if order.currency is not None}
        | {total.currency for total in totals if total.currency is not None}
    )
    complete = _history_complete(customer, len(sales), totals)
    home = customer.shop_currency
    if home not in currencies:  # exactly one row holds the counts without money
        home = next(iter(currencies), None)
    return [
        _row(
            customer,
            currency,
            [order for order in sales if order.currency == currency],
            [total for total in totals if total.currency == currency],
            as_of,
            complete=complete,
            is_home=currency == home,
        )
        for currency in currencies
    ]


def _history_complete(
    customer: CustomerFacts, orders_seen: int, totals: Sequence[ReportedTotal]
) -> bool | None:
    """Return whether all orders of the customer were seen; None where it cannot be known."""
    platform_count = newest_given([total.orders_count for total in totals])
    if platform_count is not None and platform_count > orders_seen:
        return False
    if customer.created_at is None or customer.whole_since is None:
        return None
    return customer.created_at >= customer.whole_since


def _row(
    customer: CustomerFacts,
    currency: str,
    sales: Sequence[CustomerOrder],
    totals: Sequence[ReportedTotal],
    as_of: Micros,
    *,
    complete: bool | None,
    is_home: bool,
) -> LifetimeRow:
    counted = sorted(
        (order for order in sales if order.money.revenue_status is RevenueStatus.COUNTED),
        key=lambda order: (order.placed_at, order.order_key),
    )
    money = [order.money for order in counted]
    net, gross = sum_given(each.net for each in money), sum_given(each.gross for each in money)
    all_known = all(each.net is not None for each in money)
    if all_known:
        net, gross = net or ZERO, gross or ZERO
    zone = ZoneInfo(customer.timezone)
    days = OrderDays([order for order in counted if not order.is_renewal], zone)
    reported_revenue = newest_given([total.revenue for total in totals])
    reported_refunded = newest_given([total.refunded for total in totals])
    return LifetimeRow(
        customer_key=customer.customer_key,
        currency=currency,
        source=customer.source,
        shop=customer.shop,
        person_key=customer.person_key,
        first_order_at=counted[0].placed_at if counted else None,
        last_order_at=counted[-1].placed_at if counted else None,
        orders_count=len(counted),
        gross=gross,
        discounts=sum_given(each.discounts for each in money),
        taxes=sum_given(each.taxes for each in money),
        shipping=sum_given(each.shipping for each in money),
        gift_cards_sold=sum_given(each.gift_cards_sold for each in money),
        refunded=sum_given(each.refunded for each in money),
        net=net,
        avg_order_value=mean(net, len(counted)) if all_known else None,
        pending_revenue=sum_given(order.money.pending for order in sales) or ZERO,
        cancelled_count=sum(
            order.money.revenue_status is RevenueStatus.CANCELLED for order in sales
        ),
        subscription_revenue=sum_given(
            order.money.net for order in counted if order.names_subscription
        ),
        renewal_revenue=sum_given(order.money.net for order in counted if order.is_renewal),
        active_subscriptions=customer.active_subscriptions if is_home else None,
        abandoned_carts_count=customer.abandoned_carts_count if is_home else None,
        reported_revenue=reported_revenue,
        reported_orders=newest_given([total.orders_count for total in totals]),
        reported_refunded=reported_refunded,
        reported_delta=_reported_delta(reported_revenue, money),
        net_less_reported_refunds=(
            _net_less_reported(net, reported_refunded, money)
            if all_known and customer.source in REFUNDS_FROM_PAYMENTS
            else None
        ),
        refunds_observable=(
            all(each.refunds_observable for each in money)
            if money
            else customer.source in PROVIDES_REFUNDS
        ),
        history_complete=complete,
        cohort_month=f"{day_of(counted[0].placed_at, zone):%Y-%m}-01" if counted else None,
        frequency=days.frequency,
        recency=days.recency,
        T=days.age(day_of(as_of, zone)),
        monetary=days.monetary,
        as_of=as_of,
        ineligible_reason=_ineligible_reason(days, money, complete),
    )


def _reported_delta(reported: Decimal | None, money: Sequence[OrderMoney]) -> Decimal | None:
    """Compare the reported revenue with the orders' totals; None where one is not given."""
    totals = [each.total for each in money]
    if reported is None or None in totals:
        return None
    return reported - (sum_given(totals) or ZERO)


def _net_less_reported(
    net: Decimal | None, reported: Decimal | None, money: Sequence[OrderMoney]
) -> Decimal | None:
    """Return the net less the refunds that the platform reports and no payment gives."""
    if net is None or reported is None:
        return None
    effects = [effect for each in money for effect in each.refund_effects if effect.is_counted]
    returned = sum(((each.goodwill or ZERO) + (each.goods or ZERO) for each in effects), ZERO)
    return net - max(reported - returned, ZERO)


def _ineligible_reason(
    days: OrderDays, money: Sequence[OrderMoney], complete: bool | None
) -> str | None:
    """Return why the row is in no cohort and no prediction, None where it may be."""
    if days.first is None:
        return "only-renewals" if money else "no-counted-order"
    without_net = (each.reason for each in money if each.net is None)
    return next(without_net, None if complete else "history-incomplete")
