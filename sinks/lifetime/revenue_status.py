"""Whether an order counts as revenue."""

from enum import StrEnum

from schemas.events import OrderStatus
from schemas.platforms import providing
from sinks.lifetime.order_state import OrderState

PROVIDES_PAYMENTS = providing("payments")
"""Platforms whose order status shows whether the order was paid."""


class RevenueStatus(StrEnum):
    """Whether an order is revenue: the column ``standing`` of ``orders``."""

    COUNTED = "COUNTED"
    PENDING = "PENDING"
    CANCELLED = "CANCELLED"
    TEST = "TEST"
    DRAFT = "DRAFT"
    NOT_A_SALE = "NOT_A_SALE"


_BY_ORDER_STATUS = {
    OrderStatus.PLACED: RevenueStatus.COUNTED,
    OrderStatus.PAID: RevenueStatus.COUNTED,
    OrderStatus.COMPLETED: RevenueStatus.COUNTED,
    OrderStatus.PARTIALLY_REFUNDED: RevenueStatus.COUNTED,
    OrderStatus.REFUNDED: RevenueStatus.COUNTED,
    OrderStatus.PENDING: RevenueStatus.PENDING,
    OrderStatus.UNKNOWN: RevenueStatus.PENDING,
    OrderStatus.CANCELLED: RevenueStatus.CANCELLED,
    OrderStatus.DELETED: RevenueStatus.CANCELLED,
}


def revenue_status(order: OrderState) -> RevenueStatus:
    """Classify an order. Tests, drafts and orders that are no sales are so in every status."""
    if order.is_test:
        return RevenueStatus.TEST
    if order.is_draft:
        return RevenueStatus.DRAFT
    if not order.counts_as_sale:
        return RevenueStatus.NOT_A_SALE
    if order.deleted or order.cancelled_at is not None:
        return RevenueStatus.CANCELLED
    status = _BY_ORDER_STATUS[order.status]
    if order.source not in PROVIDES_PAYMENTS and status is not RevenueStatus.CANCELLED:
        return RevenueStatus.COUNTED  # its statuses are stages of production, not of payment
    return status
