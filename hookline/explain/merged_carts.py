"""Carts that another cart of the same person took over: ``daily_cart_rates`` counts them once."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from hookline.tables import histories
from hookline.tables.queries import Reader
from schemas.events import LineItem, Micros
from sinks.carts.records import SECOND, Activity, CartStatus, Detection, Generation

_EMPTIED_BEFORE = 30 * 60 * SECOND
"""How long after a cart was emptied another one may show its items."""
_OF_PERSON = """
    SELECT fold FROM cart_generations
    WHERE source = %s AND shop = %s AND coalesce(person_key, customer_key) = %s
    ORDER BY cart_key, generation
"""


def merged_into(reader: Reader, rows: Iterable[Generation]) -> dict[tuple[str, int], str]:
    """Return (cart key, generation) -> the cart that took it over, for those that were."""
    found: dict[tuple[str, int], str] = {}
    for row in rows:
        person = row.person_key or row.customer_key
        if person is None:
            continue
        stored = reader.query(_OF_PERSON, [row.source, row.shop, person]).rows
        others = [msgspec.convert(fold, Generation) for (fold,) in stored]
        others = [other for other in others if other.cart_key != row.cart_key]
        carts = histories.carts(reader, sorted({other.cart_key for other in others}))
        activities = {cart.cart_key: cart.activities for cart in carts}
        for other in others:
            if took_over(row, other, activities[other.cart_key]):
                found.setdefault((row.cart_key, row.generation), other.cart_key)
    return found


def took_over(row: Generation, other: Generation, activities: Iterable[Activity]) -> bool:
    """Return whether ``other``, a cart of the same person, held all items of ``row`` in time.

    In time is after the last activity of ``row``, and before it would have been called abandoned
    or within 30 minutes after it was emptied. ``activities``: those of the other cart.
    """
    before, last = _merged_before(row), row.last_activity_at
    if row.order_key is not None or before is None or last is None:
        return False
    if not counts_in_rates(row) or not counts_in_rates(other):
        return False
    if other.first_seen_at >= before or (other.last_activity_at or 0) <= last:
        return False
    return any(
        last < each.at < before and each.items is not None and _holds(each.items, row.items or ())
        for each in activities
    )


def counts_in_rates(row: Generation) -> bool:
    """Return whether the generation is in the denominator of the rates, if it is not merged."""
    return row.detection is Detection.TIMER and not row.is_test and (row.item_count or 0) >= 1


def _merged_before(row: Generation) -> Micros | None:
    if row.status is CartStatus.EMPTIED:
        return None if row.closed_at is None else row.closed_at + _EMPTIED_BEFORE
    return row.next_due if row.status is CartStatus.ACTIVE else row.abandoned_at


def _holds(items: Sequence[LineItem], wanted: Sequence[LineItem]) -> bool:
    held = _units(items)
    return all(held[goods] >= count for goods, count in _units(wanted).items())


def _units(items: Sequence[LineItem]) -> Counter[str | None]:
    units: Counter[str | None] = Counter()
    for line in items:
        names = (line.variant_id, line.product_id, line.sku, line.name)
        goods = next((name for name in names if name is not None), None)
        units[goods] += 1 if line.quantity is None else line.quantity
    return units
