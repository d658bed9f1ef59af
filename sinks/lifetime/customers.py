"""Lifetime value: what an order is worth, and what a customer's orders come to. Pure.

Times are microseconds UTC, money is ``Decimal`` with four places at most. None = not told.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from schemas.events import Event, Micros, Scope
from sinks.lifetime.orders import (
    NOTHING,
    PLACES,
    TELLS_REFUNDS,
    candidate,
    money,
    order_state,
    renewals,
    standing,
    state_of,
)
from sinks.lifetime.records import (
    CountedOrder,
    CustomerFacts,
    LifetimeRow,
    OrderMoney,
    OrderState,
    Reported,
    Standing,
)
from sinks.merge.last_writer import version

__all__ = [
    "CountedOrder",
    "CustomerFacts",
    "LifetimeRow",
    "OrderMoney",
    "OrderState",
    "Reported",
    "Standing",
    "candidate",
    "customer_rows",
    "money",
    "order_state",
    "renewals",
    "reported_totals",
    "standing",
    "state_of",
]

_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SALES = (Standing.COUNTED, Standing.PENDING, Standing.CANCELLED)


def reported_totals(record: Event) -> list[Reported]:
    """The customer's running totals that ride on a canonical event.

    In the shop's currency where they name none. Totals of another scope are left out.
    """
    meta = record.meta
    return [
        Reported(
            version=version(meta),
            event_id=meta.event_id,
            currency=totals.currency or meta.settings.currency,
            revenue=totals.revenue,
            refunded=totals.refunded,
            orders_count=totals.orders_count,
        )
        for totals in getattr(record, "reported", ())
        if totals.scope is Scope.CUSTOMER
    ]


def customer_rows(
    customer: CustomerFacts,
    orders: Iterable[CountedOrder],
    reported: Iterable[Reported],
    as_of: Micros,
) -> list[LifetimeRow]:
    """The customer's rows, one a currency, ordered by currency; none where none exists.

    Orders and totals without a currency have no row: they stay in ``orders``.
    """
    sales = [order for order in orders if order.money.standing in _SALES]
    told = sorted(reported, key=lambda each: (each.version, each.event_id))
    currencies = sorted(
        {order.currency for order in sales if order.currency is not None}
        | {each.currency for each in told if each.currency is not None}
    )
    complete = _history_complete(customer, len(sales), told)
    home = customer.shop_currency
    if home not in currencies:
        home = next(iter(currencies), None)
    return [
        _row(
            customer,
            currency,
            [order for order in sales if order.currency == currency],
            [each for each in told if each.currency == currency],
            as_of,
            complete=complete,
            is_home=currency == home,
        )
        for currency in currencies
    ]


def _history_complete(customer: CustomerFacts, seen: int, told: Sequence[Reported]) -> bool | None:
    counted = _newest(each.orders_count for each in told)
    if counted is not None and counted > seen:
        return False
    if customer.created_at is None or customer.first_delivery_at is None:
        return None
    return customer.created_at >= customer.first_delivery_at


def _row(
    customer: CustomerFacts,
    currency: str,
    sales: Sequence[CountedOrder],
    told: Sequence[Reported],
    as_of: Micros,
    *,
    complete: bool | None,
    is_home: bool,
) -> LifetimeRow:
    counted = sorted(
        (order for order in sales if order.money.standing is Standing.COUNTED),
        key=lambda order: (order.placed_at, order.order_key),
    )
    worth = [order.money for order in counted]
    all_known = all(each.net is not None for each in worth)
    net = _sum(each.net for each in worth)
    gross = _sum(each.gross for each in worth)
    if all_known:
        net, gross = net or NOTHING, gross or NOTHING
    totals = [each.total for each in worth]
    zone = ZoneInfo(customer.timezone)
    days = _Days([order for order in counted if not order.is_renewal], zone)
    revenue = _newest(each.revenue for each in told)
    first = _day(counted[0].placed_at, zone) if counted else None
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
        discounts=_sum(each.discounts for each in worth),
        taxes=_sum(each.taxes for each in worth),
        shipping=_sum(each.shipping for each in worth),
        gift_cards_sold=_sum(each.gift_cards_sold for each in worth),
        refunded=_sum(each.refunded for each in worth),
        net=net,
        avg_order_value=_mean(net, len(counted)) if all_known else None,
        pending_revenue=_sum(order.money.pending for order in sales) or NOTHING,
        cancelled_count=sum(order.money.standing is Standing.CANCELLED for order in sales),
        subscription_revenue=_sum(order.money.net for order in counted if order.is_renewal),
        active_subscriptions=customer.active_subscriptions if is_home else None,
        abandoned_carts_count=customer.abandoned_carts_count if is_home else None,
        reported_revenue=revenue,
        reported_orders=_newest(each.orders_count for each in told),
        reported_refunded=_newest(each.refunded for each in told),
        reported_delta=(
            None if revenue is None or None in totals else revenue - (_sum(totals) or NOTHING)
        ),
        refunds_observable=(
            all(each.refunds_observable for each in worth)
            if worth
            else customer.source in TELLS_REFUNDS
        ),
        history_complete=complete,
        cohort_month=None if first is None else f"{first:%Y-%m}-01",
        frequency=days.frequency,
        recency=days.recency,
        T=days.age(_day(as_of, zone)),
        monetary=days.monetary,
        as_of=as_of,
        ineligible_reason=_ineligible(days, worth, complete),
    )


class _Days:
    """Order days of the shop's zone, renewals left out."""

    def __init__(self, orders: Iterable[CountedOrder], zone: ZoneInfo) -> None:
        nets: dict[date, Decimal] = {}
        for order in orders:
            day = _day(order.placed_at, zone)
            net = order.money.net
            nets[day] = nets.get(day, NOTHING) + (NOTHING if net is None else net)
        self.nets = dict(sorted(nets.items()))
        self.first = next(iter(self.nets), None)

    @property
    def frequency(self) -> int | None:
        return len(self.nets) - 1 if self.nets else None

    @property
    def recency(self) -> int | None:
        return None if self.first is None else (max(self.nets) - self.first).days

    @property
    def monetary(self) -> Decimal | None:
        """Mean net of the repeat days; a day worth nothing has no say."""
        repeats = [net for day, net in self.nets.items() if day != self.first and net > 0]
        return _mean(sum(repeats, NOTHING), len(repeats))

    def age(self, today: date) -> int | None:
        """Days to ``today``, or to the last order where that is a day ahead of it."""
        return None if self.first is None else (max(today, *self.nets) - self.first).days


def _ineligible(days: _Days, worth: Sequence[OrderMoney], complete: bool | None) -> str | None:
    if days.first is None:
        return "only-renewals" if worth else "no-counted-order"
    unknown = (each.reason for each in worth if each.reason is not None)
    return next(unknown, None if complete else "history-incomplete")


def _day(at: Micros, zone: ZoneInfo) -> date:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone).date()


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what is told; None where nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, NOTHING) if known else None


def _mean(total: Decimal | None, count: int) -> Decimal | None:
    return None if total is None or not count else (total / count).quantize(PLACES)


def _newest(oldest_first: Iterable[_T | None]) -> _T | None:
    newest: _T | None = None
    for value in oldest_first:
        newest = newest if value is None else value
    return newest
