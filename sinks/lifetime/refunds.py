"""Refunds: how much of an order's goods was given back."""

from decimal import Decimal

from schemas.events import OrderStatus
from schemas.platforms import providing
from sinks.lifetime.amounts import ZERO, proportion
from sinks.lifetime.goods import gift_cards_sold
from sinks.lifetime.order_state import OrderState

PROVIDES_REFUNDS = providing("refunds")
"""Platforms whose order events give refunds."""


def refunded_without_tax(
    order: OrderState, discounted: Decimal, untaxed: Decimal
) -> Decimal | None:
    """Return the goods part of the refunds, without tax; None where no refund is given.

    ``discounted`` is the price of the goods after discounts, ``untaxed`` the same without tax.
    """
    if order.refunded_goods is not None:
        if untaxed == discounted:
            return order.refunded_goods
        return proportion(order.refunded_goods, untaxed, discounted)
    if order.refunded_total is not None:
        return _goods_share(order, order.refunded_total, discounted, untaxed)
    return untaxed if order.status is OrderStatus.REFUNDED else None


def refunds_observable(order: OrderState) -> bool:
    """Return whether a refund of this order would be seen, with its amount."""
    has_amount = order.refunded_goods is not None or order.refunded_total is not None
    return order.source in PROVIDES_REFUNDS and (
        has_amount or order.status is not OrderStatus.PARTIALLY_REFUNDED
    )


def _goods_share(
    order: OrderState, refund: Decimal, discounted: Decimal, untaxed: Decimal
) -> Decimal:
    total = _order_total(order, discounted)
    share = proportion(refund, untaxed, total) if total else ZERO
    # Faulty payloads give goods above the total, or below zero.
    return max(ZERO, min(share, refund))


def _order_total(order: OrderState, discounted: Decimal) -> Decimal:
    """All that the customer owes: as given, else the sum of the parts that are given."""
    for total in (order.total, order.paid_total):
        if total is not None:
            return total
    tax = ZERO if order.taxes_included else order.tax_total or ZERO
    gift_cards = gift_cards_sold(order.items) or ZERO
    return discounted + tax + gift_cards + (order.shipping_total or ZERO)
