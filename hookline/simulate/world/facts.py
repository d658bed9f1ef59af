"""What shops know: customers, carts, orders, refunds. No platform's spelling, no table's rule.

The world makes these, payloads are rendered from them, and the truth is computed from them:
neither of the two sees the other. Times are microseconds since the epoch (UTC), as the shop's
clock shows them; money is ``Decimal``, of one unit for a price, of the whole line or order else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

Micros = int
Money = Decimal

SECOND: Micros = 1_000_000
DAY: Micros = 86_400 * SECOND


class Change(StrEnum):
    """What happened to the entity; of two states of one time the later member is the newer."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Paid(StrEnum):
    """How far an order is in terms of money, as its shop sees it."""

    PENDING = "pending"
    PAID = "paid"
    PARTLY_REFUNDED = "partly-refunded"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedShop:
    """A shop and its settings; durations are whole seconds.

    ``format``: ``json`` or ``xml`` (Spiffy), ``older`` or ``envelope`` (Shoprocket), else ``json``.
    ``clock_skew``: how far its clock is ahead of ours, in microseconds.
    """

    source: str
    id: str
    format: str
    secret: str
    currency: str
    timezone: str
    abandon_after: int
    expire_after: int
    checkout_grace: int
    taxes_included: bool | None = None
    counts_as_sale: bool = True
    clock_skew: Micros = 0

    @property
    def key(self) -> str:
        """``source/shop``, the prefix of its entities' keys."""
        return f"{self.source}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer of one shop. ``number`` is the platform's id; None: a guest, known by address."""

    shop: SimulatedShop
    number: int | None
    email: str
    name: str
    created_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a cart or an order. ``price`` is of one unit, before discounts."""

    number: int
    product: int
    variant: int
    sku: str
    title: str
    price: Money
    quantity: int
    is_gift_card: bool = False

    @property
    def total(self) -> Money:
        """The line before discounts."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund as the shop made it.

    ``units``: line number -> units taken back. ``goods``: what these lines are worth in the
    order's prices, 0 without lines. ``tax``: of these lines, where the platform gives it.
    ``money``: what was paid back in all, None where no transaction is given.
    """

    number: int
    at: Micros
    outcome: Literal["success", "pending", "failure"]
    units: Mapping[int, int]
    goods: Money
    tax: Money | None
    shipping: Money
    money: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order after one change; each state is the whole order.

    ``reason``: placed, paid, edited, cancelled, reinstated, refunded, fulfilled or deleted.
    ``discount`` comes off the goods, in the order's prices; ``tax`` is inside the prices or to be
    added; ``total`` is what the customer paid. ``refund``: the one that this change made.
    """

    customer: Customer
    shop: SimulatedShop
    number: int
    change: Change
    reason: str
    placed_at: Micros
    changed_at: Micros
    paid: Paid
    lines: tuple[Line, ...]
    discount: Money
    tax: Money
    is_tax_inside: bool
    shipping: Money
    total: Money
    refunds: tuple[Refund, ...] = ()
    refund: Refund | None = None
    cancelled_at: Micros | None = None
    cart: int | None = None
    subscription: int | None = None
    is_renewal: bool = False
    is_test: bool = False
    is_fulfilled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CartState:
    """A cart after one change. ``is_reported``: the platform reports it as abandoned."""

    customer: Customer
    shop: SimulatedShop
    number: int
    change: Change
    opened_at: Micros
    changed_at: Micros
    lines: tuple[Line, ...]
    is_reported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """A customer after one change. ``accepts_marketing`` None: not given.

    ``spent`` and ``orders``: the platform's own running totals, None where it gives none.
    """

    customer: Customer
    shop: SimulatedShop
    change: Change
    changed_at: Micros
    accepts_marketing: bool | None = None
    spent: Money | None = None
    orders: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionState:
    """A subscription after one change; ``status``: active, paused or inactive."""

    customer: Customer
    shop: SimulatedShop
    number: int
    change: Change
    created_at: Micros
    changed_at: Micros
    status: Literal["active", "paused", "inactive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repayment:
    """A platform's transaction that names its order, where orders tell no refunds (Ciklik)."""

    customer: Customer
    shop: SimulatedShop
    number: int
    change: Change
    order: int
    created_at: Micros
    changed_at: Micros
    amount: Money
    refunded: Money


Fact = OrderState | CartState | CustomerState | SubscriptionState | Repayment


@dataclass(frozen=True, slots=True)
class Step:
    """A fact, and when the shop sends it: microseconds since the run began."""

    due: Micros
    fact: Fact


def entity_key(fact: Fact) -> tuple[str, str, int | str]:
    """Return (shop, kind, number): facts with one key are changes of one entity."""
    match fact:
        case OrderState():
            return fact.shop.key, "order", fact.number
        case CartState():
            return fact.shop.key, "cart", fact.number
        case SubscriptionState():
            return fact.shop.key, "subscription", fact.number
        case Repayment():
            return fact.shop.key, "transaction", fact.number
        case CustomerState():
            return fact.shop.key, "customer", fact.customer.number or fact.customer.email
