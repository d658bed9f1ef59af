"""Ciklik's statuses: of orders, of boxes, and of transactions, which have flags instead."""

from decimal import Decimal

from processors.sources.statuses import folded, status_list
from schemas.events import OrderStatus, PaymentStatus, ShipmentStatus

_ORDERS = status_list(
    {
        OrderStatus.COMPLETED: "completed",
        OrderStatus.PENDING: "pending, in creation, in process, need action",
        OrderStatus.CANCELLED: "failed, canceled, cancelled",
    }
)
_BOXES = status_list(
    {
        ShipmentStatus.NEW: "created, scheduled, pending",
        ShipmentStatus.SHIPPED: "shipped",
        ShipmentStatus.DELIVERED: "delivered",
        ShipmentStatus.CANCELLED: "canceled, cancelled",
    }
)


def order_status(given: str | None) -> OrderStatus:
    """Classify an order; a text that is not on the list is UNKNOWN."""
    return _ORDERS.get(folded(given), OrderStatus.UNKNOWN)


def box_status(given: str | None) -> ShipmentStatus:
    """Classify a box likewise."""
    return _BOXES.get(folded(given), ShipmentStatus.UNKNOWN)


def transaction_status(
    is_paid: bool | None,
    is_refunded: bool | None,
    amount: Decimal | None,
    refunded_amount: Decimal | None,
) -> PaymentStatus:
    """Classify a transaction by its flags and amounts; UNKNOWN where none is given."""
    is_all_back = bool(refunded_amount) and refunded_amount == amount
    if is_refunded or is_all_back:
        return PaymentStatus.REFUNDED
    if is_paid or refunded_amount:
        return PaymentStatus.SUCCEEDED
    return PaymentStatus.UNKNOWN if is_paid is None else PaymentStatus.PENDING
