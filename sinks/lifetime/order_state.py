"""The newest state of an order, typed, as the money rules take it; which orders are renewals."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from schemas.events import (
    Change,
    LineItem,
    Micros,
    Order,
    OrderStatus,
    PaymentStatus,
)
from schemas.keys import customer_key, entity_key
from sinks.carts.links import fold_keys
from sinks.lifetime.payment_refunds import PaymentRefund, RefundedStep, refunded_steps
from sinks.merge.event_fields import (
    FIRST,
    FIRST_REFUND,
    FIRST_REFUNDED,
    FIRST_STATUS_REFUNDED,
    REFUND,
)


class RefundState(msgspec.Struct, frozen=True, gc=False):
    """One refund of an order, newest state. ``name``: its id, else its position as ``#0``.

    ``at``: when it was made, else when an event first gave it. Amounts as in ``Refund``.
    """

    name: str
    at: Micros
    refund_id: str | None = None
    status: PaymentStatus = PaymentStatus.UNKNOWN
    amount: Decimal | None = None
    goods: Decimal | None = None
    tax: Decimal | None = None
    shipping: Decimal | None = None


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """An order with each field as the newest event gives it. Times are microseconds UTC.

    ``currency`` is the payload's, else the shop's; ``taxes_included`` is the payload's alone,
    ``shop_taxes_included`` the setting. ``refunds`` are gathered over all events (``refunds_given``
    if any event gave a list), ``refunded_steps`` are the running totals in the order of their
    amounts. ``payments`` are not in the order's events: the caller adds them. ``status_listed``
    is False where the newest status text is on no list. ``placed_at`` is when the order was
    placed, else when it was created, else when its first event occurred.
    ``created_successful_transactions`` is given by its CREATED event only.
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
    shop_taxes_included: bool | None = None
    refunds: tuple[RefundState, ...] = ()
    refunds_given: bool = False
    refunded_steps: tuple[RefundedStep, ...] = ()
    first_refunded_at: Micros | None = None
    status_listed: bool | None = None
    payments: tuple[PaymentRefund, ...] = ()

    @property
    def customer_key(self) -> str | None:
        """Key of the customer that the order names."""
        return customer_key(self.source, self.shop, self.customer_id, self.email_hash)

    @property
    def subscription_key(self) -> str | None:
        """Key of the subscription that the order names."""
        if self.subscription_id is None:
            return None
        return entity_key(self.source, self.shop, "subscription", self.subscription_id)

    @property
    def fold_keys(self) -> frozenset[str]:
        """Link keys under which the order is folded together with carts."""
        identifiers = {
            "customer_id": self.customer_id,
            "email_hash": self.email_hash,
            "cart_token": self.cart_token,
            "cart_id": self.cart_id,
        }
        return fold_keys(self.source, self.shop, identifiers)


def order_state(order_key: str, source: str, shop: str, fields: Mapping[str, Any]) -> OrderState:
    """Build an order's state from its flattened layers."""
    settings = fields["settings"]
    placed = (fields.get(name) for name in ("placed_at", "created_at", FIRST))
    values = {
        **fields,
        "order_key": order_key,
        "source": source,
        "shop": shop,
        "placed_at": next(at for at in placed if at is not None),
        "is_draft": fields.get("is_draft") is True,
        "counts_as_sale": settings["counts_as_sale"],
        "timezone": settings["timezone"],
        "shop_taxes_included": settings.get("taxes_included"),
        "first_refunded_at": fields.get(FIRST_STATUS_REFUNDED),
        "refunded_steps": refunded_steps(fields, FIRST_REFUNDED),
        "refunds": [
            {
                **refund,
                "name": (name := key.removeprefix(REFUND)),
                "at": refund.get("refunded_at", fields[FIRST_REFUND + name]),
            }
            for key, refund in sorted(fields.items())
            if key.startswith(REFUND)
        ],
    }
    if values.get("currency") is None:
        values["currency"] = settings.get("currency")
    return msgspec.convert(values, OrderState)


def order_state_of_event(order_key: str, order: Order) -> OrderState:
    """Build the state of an order that has this one event only. Equals ``order_state`` of it."""
    source, shop, _ = order_key.split("/", 2)
    meta, customer, settings = order.meta, order.customer, order.meta.settings
    placed = order.placed_at if order.placed_at is not None else order.created_at
    # By position: msgspec looks each keyword up among all fields.
    return OrderState(
        order_key,
        source,
        shop,
        placed if placed is not None else meta.occurred_at,
        order.status,
        None if customer is None else customer.customer_id,
        None if customer is None else customer.email_hash,
        order.cart_id,
        order.cart_token,
        order.subscription_id,
        order.currency if order.currency is not None else settings.currency,
        order.items,
        order.items_total,
        order.discount_total,
        order.tax_total,
        order.shipping_total,
        order.total,
        order.paid_total,
        order.refunded_total,
        order.refunded_goods,
        order.taxes_included,
        order.cancelled_at,
        settings.counts_as_sale,
        meta.is_test,
        order.is_draft is True,
        meta.change is Change.DELETED,
        order.successful_transactions if meta.change is Change.CREATED else None,
        settings.timezone,
        settings.taxes_included,
        _refunds(order) if order.refunds else (),
        order.refunds is not None,
        ((order.refunded_total, meta.occurred_at),) if order.refunded_total else (),
        meta.occurred_at if order.status is OrderStatus.REFUNDED else None,
        _status_listed(order),
    )


def _refunds(order: Order) -> tuple[RefundState, ...]:
    states = {}
    for number, refund in enumerate(order.refunds or ()):
        name = f"#{number}" if refund.refund_id is None else refund.refund_id
        at = order.meta.occurred_at if refund.refunded_at is None else refund.refunded_at
        states[name] = RefundState(
            name, at, refund.refund_id, refund.status, refund.amount, refund.goods, refund.tax,
            refund.shipping,
        )  # fmt: skip
    return tuple(states[name] for name in sorted(states))


def _status_listed(order: Order) -> bool | None:
    if order.status is not OrderStatus.UNKNOWN:
        return True
    return None if order.status_word is None else False


def renewals(orders: Iterable[OrderState]) -> frozenset[str]:
    """Return the keys of the renewals among all orders that name the same subscriptions.

    A renewal names a subscription that an older order names, or its CREATED event gives more
    than one successful transaction. Tests and drafts make no other order a renewal.
    """
    keys: set[str] = set()
    by_subscription: defaultdict[tuple[str, str, str], list[OrderState]] = defaultdict(list)
    for order in orders:
        if order.subscription_id is None:
            continue
        if (order.created_successful_transactions or 0) > 1:
            keys.add(order.order_key)
        by_subscription[order.source, order.shop, order.subscription_id].append(order)
    for subscribed in by_subscription.values():
        keys.update(_later_than_first(subscribed))
    return frozenset(keys)


def _later_than_first(orders: Sequence[OrderState]) -> list[str]:
    """Return the keys of the orders after the first purchase of one subscription."""
    purchases = [order for order in orders if not (order.is_test or order.is_draft)]
    if not purchases:
        return []
    first = min(map(_placing, purchases))
    return [order.order_key for order in orders if _placing(order) > first]


def _placing(order: OrderState) -> tuple[Micros, str]:
    return order.placed_at, order.order_key
