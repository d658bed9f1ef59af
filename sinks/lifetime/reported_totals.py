"""Running totals that a platform reports of its customers."""

from dataclasses import dataclass
from decimal import Decimal

from schemas.events import Event, Scope
from schemas.platforms import PLATFORMS
from sinks.merge.last_writer import Version, version

COUNTS_NO_ORDERS = frozenset(name for name, row in PLATFORMS.items() if not row.totals_count_orders)
"""Platforms whose counts are of transactions: events of early adapters give them as orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedTotal:
    """A customer's running totals as one event gives them. None is not given."""

    version: Version
    event_id: str
    currency: str | None
    revenue: Decimal | None
    refunded: Decimal | None
    orders_count: int | None


def reported_totals(record: Event) -> list[ReportedTotal]:
    """Return the customer's totals in an event, in the shop's currency where they name none.

    Totals of another scope, such as a subscription's, are left out, and counts of transactions.
    """
    meta = record.meta
    return [
        ReportedTotal(
            version=version(meta),
            event_id=meta.event_id,
            currency=totals.currency or meta.settings.currency,
            revenue=totals.revenue,
            refunded=totals.refunded,
            orders_count=None if meta.source in COUNTS_NO_ORDERS else totals.orders_count,
        )
        for totals in getattr(record, "reported", ())
        if totals.scope is Scope.CUSTOMER
    ]
