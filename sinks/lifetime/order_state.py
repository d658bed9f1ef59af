"""The newest state of an order, typed, as the money rules take it; which orders are renewals."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from schemas.events import Change, LineItem, Micros, Order, OrderStatus
from schemas.keys import customer_key, entity_key
from sinks.carts.links import fold_keys
from sinks.merge.event_fields import FIRST


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """An order with each field as the newest event gives it. Times are microseconds UTC.

    ``currency`` and ``taxes_included`` are the payload's, else the shop's settings;
    ``placed_at`` is when the order was placed, else when it was created, else when its first
    event occurred. ``created_successful_transactions`` is given by its CREATED event only.
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
    }
    for name in ("currency", "taxes_included"):
        if values.get(name) is None:
            values[name] = settings.get(name)
    return msgspec.convert(values, OrderState)


def order_state_of_event(order_key: str, order: Order) -> OrderState:
    """Build the state of an order that has this one event only. Equals ``order_state`` of it."""
    source, shop, _ = order_key.split("/", 2)
    meta, customer, settings = order.meta, order.customer, order.meta.settings
    placed = order.placed_at if order.placed_at is not None else order.created_at
    taxes_included = order.taxes_included
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
        taxes_included if taxes_included is not None else settings.taxes_included,
        order.cancelled_at,
        settings.counts_as_sale,
        meta.is_test,
        order.is_draft is True,
        meta.change is Change.DELETED,
        order.successful_transactions if meta.change is Change.CREATED else None,
        settings.timezone,
    )


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
