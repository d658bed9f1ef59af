"""What the money rules take and give. Times are microseconds UTC; None = not told."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.events import LineItem, Micros, OrderStatus
from schemas.keys import customer_key, entity_key
from sinks.carts.links import fold_keys
from sinks.merge.last_writer import Version


class Standing(StrEnum):
    """What an order is as money."""

    COUNTED = "COUNTED"
    PENDING = "PENDING"
    CANCELLED = "CANCELLED"
    TEST = "TEST"
    DRAFT = "DRAFT"
    NOT_A_SALE = "NOT_A_SALE"


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """An order's newest state, of what ``merge.flatten`` gives.

    ``currency`` is the payload's, else the shop's; ``taxes_included`` the payload's word, else
    the shop's setting; ``placed_at`` the placement, else the creation, else when the first
    event happened. ``created_successful_transactions`` is what its CREATED event told.
    """

    order_key: str
    source: str
    shop: str
    placed_at: Micros
    status: OrderStatus = OrderStatus.UNKNOWN
    customer_id: str | None = None
    email_hash: str | None = None
    cart_id: str | None = None
    cart_token: str | None = None
    subscription_id: str | None = None
    currency: str | None = None
    items: tuple[LineItem, ...] | None = None
    items_total: Decimal | None = None
    discount_total: Decimal | None = None
    tax_total: Decimal | None = None
    shipping_total: Decimal | None = None
    total: Decimal | None = None
    paid_total: Decimal | None = None
    refunded_total: Decimal | None = None
    refunded_goods: Decimal | None = None
    taxes_included: bool | None = None
    cancelled_at: Micros | None = None
    counts_as_sale: bool = True
    is_test: bool = False
    is_draft: bool = False
    deleted: bool = False
    created_successful_transactions: int | None = None
    timezone: str = "UTC"

    @property
    def customer_key(self) -> str | None:
        """The customer that it names."""
        return customer_key(self.source, self.shop, self.customer_id, self.email_hash)

    @property
    def subscription_key(self) -> str | None:
        """The subscription that it names."""
        if self.subscription_id is None:
            return None
        return entity_key(self.source, self.shop, "subscription", self.subscription_id)

    @property
    def fold_keys(self) -> frozenset[str]:
        """The link keys by which it is folded together with carts."""
        return fold_keys(
            self.source,
            self.shop,
            customer_id=self.customer_id,
            email_hash=self.email_hash,
            cart_token=self.cart_token,
            cart_id=self.cart_id,
        )


class OrderMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What an order is worth: columns of ``orders``.

    Filled for COUNTED; gross and net 0 for CANCELLED; None for every other standing: so plain
    sums over ``orders`` are the table's sums. ``pending`` is what the net of a PENDING order
    would be. ``total`` has tax and shipping in. net + discounts + refunded = gross where net is
    told (None counting as 0). ``reason`` says why a COUNTED or PENDING order has no net:
    ``tax-unknown``, ``items-unknown``.
    """

    standing: Standing
    gross: Decimal | None = None
    discounts: Decimal | None = None
    taxes: Decimal | None = None
    shipping: Decimal | None = None
    gift_cards_sold: Decimal | None = None
    refunded: Decimal | None = None
    net: Decimal | None = None
    pending: Decimal | None = None
    total: Decimal | None = None
    refunds_observable: bool = False
    reason: str | None = None

    @property
    def value(self) -> Decimal | None:
        """The newest net, of a pending order what it would be (``recovered_value``)."""
        return self.pending if self.standing is Standing.PENDING else self.net


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedOrder:
    """An order as the customer's fold takes it: a row of ``orders``, ``money`` worked out.

    ``is_renewal`` comes from ``renewals``.
    """

    order_key: str
    placed_at: Micros
    currency: str | None
    money: OrderMoney
    is_renewal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A running total of customer scope, as one event told it."""

    version: Version
    event_id: str
    currency: str | None
    revenue: Decimal | None
    refunded: Decimal | None
    orders_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """What is known of a customer beside orders and totals.

    ``first_delivery_at`` is received_at of the shop's first delivery; ``shop_currency`` where
    counts without money sit; ``timezone`` that of the shop (newest event).
    """

    customer_key: str
    source: str
    shop: str
    timezone: str
    shop_currency: str | None
    created_at: Micros | None
    first_delivery_at: Micros | None
    active_subscriptions: int | None = None
    abandoned_carts_count: int | None = None
    person_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeRow:
    """A row of ``customer_lifetime_value``, predicted columns apart.

    frequency, recency and T are whole days of the shop's zone; ``cohort_month`` is its first
    day, ``2026-11-01``; ``as_of`` the instant they speak of.
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
    active_subscriptions: int | None
    abandoned_carts_count: int | None
    reported_revenue: Decimal | None
    reported_orders: int | None
    reported_refunded: Decimal | None
    reported_delta: Decimal | None
    refunds_observable: bool
    history_complete: bool | None
    cohort_month: str | None
    frequency: int | None
    recency: int | None
    T: int | None
    monetary: Decimal | None
    as_of: Micros
    ineligible_reason: str | None
