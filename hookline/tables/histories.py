"""Reads carts and orders from the tables as the folds take them. Read-only."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from hookline.tables.queries import Reader
from schemas.events import Micros
from sinks.carts.records import Activity, CandidateOrder, CartHistory, Generation
from sinks.lifetime.order_money import OrderMoney, candidate_order
from sinks.lifetime.order_state import order_state
from sinks.lifetime.revenue_status import RevenueStatus
from sinks.merge.last_writer import Layers, flatten, load

_CARTS = """
    SELECT cart_key, c.source, c.shop, native_cart_id, c.customer_id, c.email_hash, cart_token,
        c.customer_key, coalesce(p.person_key, c.email_hash) AS person_key, p.is_contactable
    FROM carts c LEFT JOIN customers p USING (customer_key)
    WHERE cart_key = ANY(%s) ORDER BY cart_key
"""
_ACTIVITIES = "SELECT cart_key, activity FROM cart_activity WHERE cart_key = ANY(%s)"
_ORDERS = """
    SELECT order_key, source, shop, layers, is_renewal, standing, net, pending FROM orders
    WHERE order_key = ANY(%s) ORDER BY order_key
"""
_LINKS = "SELECT links FROM carts WHERE cart_key = %s"
# One index lookup per key: links && keys costs the square of their number.
_LINKED_CARTS = """
    SELECT linked.cart_key, linked.links FROM unnest(%s::text[]) AS key,
        LATERAL (SELECT cart_key, links FROM carts WHERE links @> ARRAY[key] OFFSET 0) linked
"""
_LINKED_ORDERS = """
    SELECT linked.order_key, linked.links FROM unnest(%s::text[]) AS key,
        LATERAL (SELECT order_key, links FROM orders WHERE links @> ARRAY[key] OFFSET 0) linked
"""
_GENERATIONS = "SELECT fold FROM cart_generations WHERE cart_key = ANY(%s) ORDER BY 1"
_WATERMARK = "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM watermark"


def watermark(reader: Reader) -> Micros:
    """Return the watermark in microseconds; 0 before the first barrier has passed."""
    rows = reader.query(_WATERMARK).rows
    return int(rows[0][0]) if rows and rows[0][0] is not None else 0


def carts(reader: Reader, keys: Sequence[str]) -> list[CartHistory]:
    """Return carts with all their activities."""
    activities: dict[str, list[Activity]] = {key: [] for key in keys}
    for key, stored in reader.query(_ACTIVITIES, [list(keys)]).rows:
        activities[key].append(msgspec.convert(stored, Activity))
    histories = (CartHistory(**row) for row in reader.query(_CARTS, [list(keys)]).as_dicts())
    return [replace(cart, activities=tuple(activities[cart.cart_key])) for cart in histories]


def orders(reader: Reader, keys: Sequence[str]) -> list[CandidateOrder]:
    """Return orders as candidates to close a cart."""
    candidates = []
    for row in reader.query(_ORDERS, [list(keys)]).rows:
        key, source, shop, layers, is_renewal, standing, net, pending = row
        state = order_state(key, source, shop, flatten(load(layers)))
        # As stored: payments may have a part in it.
        money = OrderMoney(revenue_status=RevenueStatus(standing), net=net, pending=pending)
        candidates.append(candidate_order(state, money, is_renewal))
    return candidates


def generations(reader: Reader, cart_keys: Sequence[str]) -> list[Generation]:
    """Return the carts' stored generations, ordered by cart and generation."""
    rows = reader.query(_GENERATIONS, [list(cart_keys)]).rows
    stored = [msgspec.convert(fold, Generation) for (fold,) in rows]
    return sorted(stored, key=lambda row: (row.cart_key, row.generation))


def group(reader: Reader, cart_key: str) -> tuple[list[CartHistory], list[CandidateOrder]]:
    """Return a cart, with all carts and orders that must be folded together with it."""
    cart_keys, order_keys = {cart_key}, set[str]()
    frontier = {key for (own,) in reader.query(_LINKS, [cart_key]).rows for key in own}
    links: set[str] = set()
    while frontier:
        links |= frontier
        reached: set[str] = set()
        for query, keys in ((_LINKED_CARTS, cart_keys), (_LINKED_ORDERS, order_keys)):
            for key, own in reader.query(query, [sorted(frontier)]).rows:
                keys.add(key)
                reached.update(own)
        frontier = reached - links
    return carts(reader, sorted(cart_keys)), orders(reader, sorted(order_keys))


def order_events(reader: Reader, order_keys: Sequence[str]) -> dict[str, Layers]:
    """Return the events that decide each order's state, newest first."""
    rows = reader.query(_ORDERS, [list(order_keys)]).rows
    return {row[0]: load(row[3]) for row in rows}
