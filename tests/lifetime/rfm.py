"""Recency, frequency and monetary value of a customer, in days of the shop's zone."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from schemas.events import Micros
from sinks.lifetime.amounts import ZERO
from tests.lifetime.records import CustomerOrder
from tests.lifetime.sums import mean

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(at: Micros, zone: ZoneInfo) -> date:
    """Return the calendar day of an instant in the shop's zone."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone).date()


class OrderDays:
    """The days on which a customer ordered, with the net of each. All figures None without one.

    ``orders`` are counted ones, renewals left out.
    """

    def __init__(self, orders: Iterable[CustomerOrder], zone: ZoneInfo) -> None:
        net_of: dict[date, Decimal] = {}
        for order in orders:
            day = day_of(order.placed_at, zone)
            net_of[day] = net_of.get(day, ZERO) + (order.money.net or ZERO)
        self._net_of = net_of
        self.first = min(net_of, default=None)

    @property
    def frequency(self) -> int | None:
        """Days with an order after the first such day."""
        return len(self._net_of) - 1 if self._net_of else None

    @property
    def recency(self) -> int | None:
        """Days from the first order to the last."""
        return None if self.first is None else (max(self._net_of) - self.first).days

    @property
    def monetary(self) -> Decimal | None:
        """Mean net of the repeat days; days without a positive net do not count."""
        repeats = [net for day, net in self._net_of.items() if day != self.first and net > 0]
        return mean(sum(repeats, ZERO), len(repeats))

    def age(self, today: date) -> int | None:
        """Days from the first order to ``today``, or to the last order if that is later."""
        return None if self.first is None else (max(today, *self._net_of) - self.first).days
