"""Input and output of the customer rules. Times are microseconds UTC; None is not given."""

from dataclasses import dataclass
from decimal import Decimal

from schemas.events import Micros
from sinks.lifetime.order_money import OrderMoney


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerOrder:
    """An order of the customer, in any revenue status. ``is_renewal`` comes from ``renewals``."""

    order_key: str
    placed_at: Micros
    currency: str | None
    money: OrderMoney
    is_renewal: bool
    names_subscription: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """What is known of a customer apart from orders and reported totals.

    ``whole_since`` is when the shop's first delivery was received, or back to when its history
    was imported. Counts without money belong to the row in ``shop_currency``. ``timezone`` is the
    shop's.
    """

    customer_key: str
    source: str
    shop: str
    timezone: str
    shop_currency: str | None
    created_at: Micros | None
    whole_since: Micros | None
    active_subscriptions: int | None = None
    abandoned_carts_count: int | None = None
    person_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeRow:
    """A row of ``customer_lifetime_value`` without the predicted columns.

    ``frequency``, ``recency`` and ``T`` are whole days of the shop's zone as of ``as_of``;
    ``cohort_month`` is the month's first day, ``2026-11-01``.
    """

    customer_key: str
    currency: str
    source: str
    shop: str
    person_key: str | None
    first_order_at: Micros | None
    last_order_at: Micros | None
    orders_count: int
    gross: Decimal | None
    discounts: Decimal | None
    taxes: Decimal | None
    shipping: Decimal | None
    gift_cards_sold: Decimal | None
    refunded: Decimal | None
    net: Decimal | None
    avg_order_value: Decimal | None
    pending_revenue: Decimal
    cancelled_count: int
    subscription_revenue: Decimal | None
    renewal_revenue: Decimal | None
    active_subscriptions: int | None
    abandoned_carts_count: int | None
    reported_revenue: Decimal | None
    reported_orders: int | None
    reported_refunded: Decimal | None
    reported_delta: Decimal | None
    net_less_reported_refunds: Decimal | None
    refunds_observable: bool
    history_complete: bool | None
    cohort_month: str | None
    frequency: int | None
    recency: int | None
    T: int | None
    monetary: Decimal | None
    as_of: Micros
    ineligible_reason: str | None
