"""Shoprocket's statuses: one list for both formats."""

from typing import Any, NamedTuple

from processors.sources.readers.fields import text
from processors.sources.statuses import folded, status_list
from schemas.events import OrderStatus, PaymentStatus

_ORDERS = status_list(
    {
        OrderStatus.PENDING: "pending, payment pending",
        OrderStatus.PAID: "paid, processing, completed, disputed",
        OrderStatus.PARTIALLY_REFUNDED: "partially refunded",
        OrderStatus.REFUNDED: "refunded",
        OrderStatus.CANCELLED: "failed, canceled, cancelled, voided",
    }
)
"""A disputed order was paid: its money counts until a refund is given."""

_OF_FULFILMENT = frozenset(
    map(
        folded,
        ("fulfilled", "partially fulfilled", "shipped", "delivered", "failed delivery", "returned"),
    )
)
"""Statuses that describe the fulfilment and nothing about money."""

_REFUNDS = status_list(
    {
        PaymentStatus.SUCCEEDED: "succeeded, success, successful, completed, complete, processed, "
        "refunded, partially refunded, paid",
        PaymentStatus.PENDING: "pending, processing, requested, requires action",
        PaymentStatus.FAILED: "failed, failure, error, declined, rejected",
        PaymentStatus.CANCELLED: "canceled, cancelled, voided",
    }
)


class NativeStatus(NamedTuple):
    """An order's status; its text, unless that describes the fulfilment; the fulfilment's text."""

    status: OrderStatus
    text: str | None
    fulfilment: str | None
    attributes: dict[str, str]


def order_status(data: dict[str, Any], key: str, fulfilment_key: str, path: str) -> NativeStatus:
    """Read an order's status from ``key``; a text that is not on the list is UNKNOWN and kept.

    A text about the fulfilment counts as the fulfilment's status where none is given, else it
    is kept as an attribute.
    """
    given, fulfilment = text(data, key, path), text(data, fulfilment_key, path)
    if folded(given) not in _OF_FULFILMENT:
        status = _ORDERS.get(folded(given), OrderStatus.UNKNOWN)
        return NativeStatus(status, given, fulfilment, {})
    kept = {key: given} if given and fulfilment else {}
    return NativeStatus(OrderStatus.UNKNOWN, None, fulfilment or given, kept)


def refund_status(given: str | None) -> PaymentStatus:
    """Classify a refund; one without a status was made, since the order reports it."""
    if given is None:
        return PaymentStatus.SUCCEEDED
    return _REFUNDS.get(folded(given), PaymentStatus.UNKNOWN)
