"""Rows of ``customer_lifetime_value``, without predictions: one per customer and currency.

A shop has one currency here, so each customer has one row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

from hookline.simulate.truth.amounts import NOTHING, Amount, total, total_given
from hookline.simulate.truth.customers.people import Known
from hookline.simulate.truth.days import day_of, midnight_before, month_of
from hookline.simulate.truth.names import CustomerKey
from hookline.simulate.truth.orders.rows import KnownOrder
from hookline.simulate.truth.platforms import Gives, gives
from hookline.simulate.truth.spans import Span, UndecidedError, earliest, latest
from hookline.simulate.world.facts import Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """A customer with its orders that are sales, and what was counted elsewhere."""

    key: CustomerKey
    known: Known
    orders: tuple[KnownOrder, ...]
    first_receipt: Span
    abandoned_carts: int
    subscriptions: int

    @property
    def gives(self) -> Gives:
        """What the platform gives."""
        return gives(self.known.shop)

    @property
    def counted(self) -> list[KnownOrder]:
        """The orders that are revenue, by time."""
        counted = [order for order in self.orders if order.money.is_counted]
        return sorted(counted, key=lambda order: (order.placed_at.first, order.key))


def has_row(facts: CustomerFacts) -> bool:
    """Whether the customer has a row: an order that is a sale, or a total that is reported."""
    return bool(facts.orders) or facts.known.spent is not None


def customer_row(facts: CustomerFacts, as_of: Micros) -> Mapping[str, Any]:
    """Return the customer's row. ``as_of``: the watermark. Raises UndecidedError."""
    counted = facts.counted
    nets = [order.money.net for order in counted]
    is_known = None not in nets
    net, gross = total_given(nets), total_given(order.money.gross for order in counted)
    subscribed = [order for order in counted if order.state.subscription is not None]
    has_subscriptions = facts.gives.subscriptions
    row: dict[str, Any] = {
        "source": facts.known.shop.source,
        "shop": facts.known.shop.id,
        "person_key": facts.known.person,
        "first_order_at": _first(counted),
        "last_order_at": _last(counted),
        "orders_count": len(counted),
        "gross": gross or (NOTHING if is_known else None),
        "discounts": total_given(order.money.discounts for order in counted),
        "taxes": total_given(order.taxes for order in counted),
        "shipping": total_given(order.shipping for order in counted),
        "gift_cards_sold": total_given(order.gift_cards_sold for order in counted),
        "refunded": total_given(order.money.refunded for order in counted),
        "net": net or (NOTHING if is_known else None),
        "avg_order_value": net.mean(len(counted)) if net and is_known else None,
        "pending_revenue": _pending(facts.orders),
        "cancelled_count": sum(order.money.standing == "CANCELLED" for order in facts.orders),
        "subscription_revenue": total_given(
            order.money.net for order in subscribed if has_subscriptions
        ),
        "renewal_revenue": total_given(order.money.net for order in counted if order.is_renewal),
        "active_subscriptions": facts.subscriptions if has_subscriptions else None,
        "abandoned_carts_count": facts.abandoned_carts if facts.gives.counts_carts else None,
        "refunds_observable": all(order.money.observable for order in counted)
        if counted
        else facts.gives.reports_refunds,
        "history_complete": history_complete(facts),
        "as_of": Span.at(midnight_before(as_of)),
        **_reported(facts),
        **_days(facts, as_of),
    }
    row["ineligible_reason"] = _ineligible(facts, row)
    return row


def _first(counted: list[KnownOrder]) -> Span | None:
    return reduce(earliest, (order.placed_at for order in counted)) if counted else None


def _last(counted: list[KnownOrder]) -> Span | None:
    return reduce(latest, (order.placed_at for order in counted)) if counted else None


def _pending(orders: Iterable[KnownOrder]) -> Amount:
    waiting = (order.money.net for order in orders if order.money.standing == "PENDING")
    return total_given(waiting) or NOTHING


def _reported(facts: CustomerFacts) -> dict[str, Any]:
    """Return what the platform itself counts, and how far that is from the orders' totals."""
    spent = facts.known.spent
    totals = [order.counted_total for order in facts.counted]
    delta = None
    if spent is not None and None not in totals:
        delta = Amount.of(spent) - (total_given(totals) or NOTHING)
    counts = facts.known.orders if facts.gives.counts_orders else None
    # Ciklik's users give what was paid back beside what was paid: in the simulated shops nothing.
    is_refund_given = spent is not None and facts.known.shop.source == "ciklik"
    nets = [order.money.net for order in facts.counted]
    net = None if None in nets else total_given(nets) or NOTHING
    return {
        "reported_revenue": None if spent is None else Amount.of(spent),
        "reported_orders": counts,
        "reported_refunded": NOTHING if is_refund_given else None,
        "reported_delta": delta,
        "net_less_reported_refunds": net if is_refund_given else None,
    }


def history_complete(facts: CustomerFacts) -> bool | None:
    """Return whether all orders of the customer are known; None where nothing shows it.

    False where the platform counts more orders than came, or the customer is older than the
    shop's first delivery.
    """
    claimed = facts.known.orders if facts.gives.counts_orders else None
    if claimed is not None and claimed > len(facts.orders):
        return False
    created = facts.known.created_at
    if created is None:
        return None
    made = Span.at(created)
    if made.first >= facts.first_receipt.last:
        return True
    if made.last < facts.first_receipt.first:
        return False
    raise UndecidedError(f"whether {facts.key} is older than its shop's first delivery")


def order_days(facts: CustomerFacts) -> dict[date, Amount]:
    """Return the net of each day with an order, renewals apart, by day."""
    days: dict[date, Amount] = {}
    for order in facts.counted:
        if not order.is_renewal:
            day = day_of(order.placed_at, order.state.shop.timezone, order.key)
            days[day] = days.get(day, NOTHING) + (order.money.net or NOTHING)
    return days


def _days(facts: CustomerFacts, as_of: Micros) -> dict[str, Any]:
    """Return cohort, frequency, recency, T and the mean of the repeat days."""
    zone = facts.known.shop.timezone
    all_days = [day_of(order.placed_at, zone, order.key) for order in facts.counted]
    days = order_days(facts)
    row: dict[str, Any] = {
        "cohort_month": month_of(min(all_days)) if all_days else None,
        **dict.fromkeys(("frequency", "recency", "t", "monetary")),
    }
    if not days:
        return row
    first, last = min(days), max(days)
    today = day_of(Span.at(midnight_before(as_of)), zone, "the watermark")
    repeats = [net for day, net in days.items() if day > first and net.value > 0]
    return row | {
        "frequency": len(days) - 1,
        "recency": (last - first).days,
        "t": (max(today, last) - first).days,
        "monetary": total(repeats).mean(len(repeats)) if repeats else None,
    }


def _ineligible(facts: CustomerFacts, row: Mapping[str, Any]) -> str | None:
    """Return why the customer is in no cohort and no prediction."""
    if row["frequency"] is None:
        return "only-renewals" if facts.counted else "no-counted-order"
    reasons = [order.money.reason for order in facts.counted if order.money.net is None]
    if reasons:
        return reasons[0]
    return None if row["history_complete"] else "history-incomplete"
