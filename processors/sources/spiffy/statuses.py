"""Spiffy Stores' statuses: one list for JSON and XML. A text on no list is UNKNOWN, and kept."""

from processors.sources.statuses import folded, status_list
from schemas.events import OrderStatus, PaymentStatus, ShipmentStatus

_ORDERS = status_list(
    {
        OrderStatus.PENDING: "pending, authorized, partially paid",
        OrderStatus.PAID: "paid",
        OrderStatus.PARTIALLY_REFUNDED: "partially refunded",
        OrderStatus.REFUNDED: "refunded",
        OrderStatus.CANCELLED: "voided",
    }
)
_TRANSACTIONS = status_list(
    {
        PaymentStatus.SUCCEEDED: "success",
        PaymentStatus.PENDING: "pending",
        PaymentStatus.FAILED: "failure, error",
    }
)
_PARCELS = status_list(
    {
        ShipmentStatus.CANCELLED: "cancelled",
        ShipmentStatus.DELIVERED: "delivered",
        ShipmentStatus.SHIPPED: "in transit, out for delivery, success",
    }
)


def order_status(given: str | None) -> OrderStatus:
    """Classify a ``financial_status``."""
    return _ORDERS.get(folded(given), OrderStatus.UNKNOWN)


def transaction_status(given: str | None) -> PaymentStatus:
    """Classify a refund's transaction; one without a status was made: the order reports it."""
    if given is None:
        return PaymentStatus.SUCCEEDED
    return _TRANSACTIONS.get(folded(given), PaymentStatus.UNKNOWN)


def parcel_status(given: str | None) -> ShipmentStatus:
    """Classify a fulfilment's ``shipment_status`` or ``status``."""
    return _PARCELS.get(folded(given), ShipmentStatus.UNKNOWN)
