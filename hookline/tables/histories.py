"""What the tables keep of carts and orders, read as the folds take it; nothing is written."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from hookline.tables.queries import Rows
from schemas.events import Micros
from sinks.carts.activity import Activity, CandidateOrder, CartHistory, Generation
from sinks.lifetime.customers import candidate, money, order_state
from sinks.merge.last_writer import Layers, flatten, load

_CARTS = """
    SELECT cart_key, c.source, c.shop, native_cart_id, c.customer_id, c.email_hash, cart_token,
        c.customer_key, coalesce(p.person_key, c.email_hash) AS person_key, p.is_contactable
    FROM carts c LEFT JOIN customers p USING (customer_key)
    WHERE cart_key = ANY(%s) ORDER BY cart_key
"""
_ACTIVITIES = "SELECT cart_key, activity FROM cart_activity WHERE cart_key = ANY(%s)"
_ORDERS = """
    SELECT order_key, source, shop, layers, is_renewal FROM orders
    WHERE order_key = ANY(%s) ORDER BY order_key
"""
_LINKS = "SELECT links FROM carts WHERE cart_key = %s"
# One look into the index for each key: links && keys costs the square of their number.
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


class Asks(Protocol):
    """Answers queries, as ``rows.Reader`` does."""

    def ask(self, query: str, arguments: Sequence[Any] | None = None) -> Rows:
        """The answer to a query."""


def watermark(reader: Asks) -> Micros:
    """The watermark in microseconds; 0 before the first barrier has passed."""
    rows = reader.ask(_WATERMARK).rows
    return int(rows[0][0]) if rows and rows[0][0] is not None else 0


def carts(reader: Asks, keys: Sequence[str]) -> list[CartHistory]:
    """Carts with all their activities."""
    activities: dict[str, list[Activity]] = {key: [] for key in keys}
    for key, stored in reader.ask(_ACTIVITIES, [list(keys)]).rows:
        activities[key].append(msgspec.convert(stored, Activity))
    histories = (CartHistory(**row) for row in reader.ask(_CARTS, [list(keys)]).as_dicts())
    return [replace(cart, activities=tuple(activities[cart.cart_key])) for cart in histories]


def orders(reader: Asks, keys: Sequence[str]) -> list[CandidateOrder]:
    """Orders as ones that may close a cart."""
    found = []
    for key, source, shop, layers, is_renewal in reader.ask(_ORDERS, [list(keys)]).rows:
        state = order_state(key, source, shop, flatten(load(layers)))
        found.append(candidate(state, money(state), is_renewal))
    return found


def generations(reader: Asks, cart_keys: Sequence[str]) -> list[Generation]:
    """The carts' generations as they stand, ordered by cart and generation."""
    rows = reader.ask(_GENERATIONS, [list(cart_keys)]).rows
    found = [msgspec.convert(fold, Generation) for (fold,) in rows]
    return sorted(found, key=lambda row: (row.cart_key, row.generation))


def group(reader: Asks, cart_key: str) -> tuple[list[CartHistory], list[CandidateOrder]]:
    """A cart and all carts and orders that must be folded together with it."""
    cart_keys, order_keys = {cart_key}, set[str]()
    frontier = {key for (own,) in reader.ask(_LINKS, [cart_key]).rows for key in own}
    links: set[str] = set()
    while frontier:
        links |= frontier
        found: set[str] = set()
        for query, keys in ((_LINKED_CARTS, cart_keys), (_LINKED_ORDERS, order_keys)):
            for key, own in reader.ask(query, [sorted(frontier)]).rows:
                keys.add(key)
                found.update(own)
        frontier = found - links
    return carts(reader, sorted(cart_keys)), orders(reader, sorted(order_keys))


def order_events(reader: Asks, order_keys: Sequence[str]) -> dict[str, Layers]:
    """What decides each order's state, newest event first."""
    rows = reader.ask(_ORDERS, [list(order_keys)]).rows
    return {key: load(layers) for key, _, _, layers, _ in rows}
