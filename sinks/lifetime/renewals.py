"""Which orders renew a subscription."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from schemas.events import Micros
from sinks.lifetime.order_state import OrderState


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
