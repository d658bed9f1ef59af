"""Gooten's statuses of items, which are those of parcels too."""

from collections.abc import Iterable

from processors.sources.statuses import folded, status_list
from schemas.events import LineItem, ShipmentStatus

_PROGRESS = status_list(
    {
        ShipmentStatus.NEW: "new, pending, hold, hold by image issue, image issue, "
        "needs customization, needs personalization, needs manual approval, ready for image dl, "
        "address issue, vendor api issue, payment issue, payment processing, pre-payment, "
        "accounting issue",
        ShipmentStatus.IN_PRODUCTION: "ready for print, printing, in production, "
        "manually in production, ready for accounting, out for delivery",
        ShipmentStatus.SHIPPED: "shipped",
        ShipmentStatus.DELIVERED: "delivered",
        ShipmentStatus.CANCELLED: "cancelled, canceled, canceled refunded, cancelled refunded, "
        "billed refunded",
    }
)
"""Statuses of items. "Out for delivery" means packed: it comes before "shipped"."""
_TEST = "test"


def progress(status: str | None) -> ShipmentStatus:
    """Map an item's status; a text that is not on the list is UNKNOWN."""
    return _PROGRESS.get(folded(status), ShipmentStatus.UNKNOWN)


def is_cancelled(status: str | None) -> bool:
    """Return whether an item is cancelled, with or without its money back."""
    return progress(status) is ShipmentStatus.CANCELLED


def is_test(status: str | None) -> bool:
    """Return whether an item's status marks a test."""
    return folded(status) == _TEST


def is_unlisted(status: str | None) -> bool:
    """Return whether an item's status is given and on no list."""
    return bool(status) and progress(status) is ShipmentStatus.UNKNOWN and not is_test(status)


def common_status(lines: Iterable[LineItem]) -> str | None:
    """Return the status of all lines, as the first one spells it; None if they differ."""
    statuses = [line.status_word for line in lines]
    return statuses[0] if len({folded(status) for status in statuses}) == 1 else None
