"""Refold carts: read, fold and write the link groups that a transaction touched."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from psycopg import AsyncConnection

from schemas.events import Micros
from sinks.carts.fold import fold
from sinks.carts.links import linked_hash
from sinks.carts.records import Activity, CandidateOrder, CartHistory
from sinks.lifetime.order_money import OrderMoney, candidate_order
from sinks.lifetime.order_state import order_state
from sinks.lifetime.revenue_status import RevenueStatus
from sinks.merge.last_writer import flatten, load
from sinks.store import cart_generations
from sinks.store.entity_locks import take_free
from sinks.store.write_plan import customer_lock_key

# LATERAL looks up the index once for each key: links && keys costs the square of their number.
_CARTS = """
    SELECT cart_key, c.source, c.shop, native_cart_id, c.customer_id, c.email_hash, cart_token,
        c.customer_key, coalesce(p.person_key, c.email_hash), p.is_contactable, c.timezone,
        c.links
    FROM carts c LEFT JOIN customers p USING (customer_key)
    WHERE c.cart_key = ANY(ARRAY(
        SELECT linked.cart_key FROM unnest(%(keys)b::text[]) AS key,
            LATERAL (SELECT cart_key FROM carts WHERE links @> ARRAY[key] OFFSET 0) linked
        UNION SELECT cart_key FROM carts WHERE customer_key = ANY(%(customers)b)
    ))
"""
_ORDERS = """
    SELECT order_key, source, shop, layers, is_renewal, standing, net, pending, links FROM orders
    WHERE order_key = ANY(ARRAY(
        SELECT DISTINCT linked.order_key FROM unnest(%b::text[]) AS key,
            LATERAL (SELECT order_key FROM orders WHERE links @> ARRAY[key] OFFSET 0) linked
    ))
"""
_ACTIVITY = "SELECT cart_key, activity FROM cart_activity WHERE cart_key = ANY(%b)"


@dataclass(slots=True)
class Group:
    """Carts and orders that share fold keys, directly or through each other."""

    carts: dict[str, CartHistory] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    orders: dict[str, CandidateOrder] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    @property
    def locks(self) -> set[str]:
        """Link keys that a transaction must hold to fold the group."""
        owners = (cart.customer_key for cart in self.carts.values())
        return self.keys | {customer_lock_key(owner) for owner in owners if owner is not None}


async def refold(
    connection: AsyncConnection[Any],
    seeds: Iterable[str],
    customers: Iterable[str],
    locked: set[str],
    clock: Callable[[], Micros],
    *,
    emit_signals: bool = True,
) -> set[str]:
    """Refold the carts reached from ``seeds`` (fold keys) and ``customers``; write the changes.

    ``locked``: the keys that this transaction holds; further keys that the group needs are
    added where no other transaction holds them. Raises MoreKeysError otherwise. Returns the
    customers whose number of rows in ``abandoned_carts`` changed.
    """
    group = await _group(connection, set(seeds), sorted(customers))
    while await take_free(connection, group.locks, locked):  # what was read may have changed
        group = await _group(connection, set(seeds), sorted(customers))
    if not group.carts:
        return set()
    # Read under the locks: a sweep that folded these carts before has committed its watermark.
    watermark = await read_watermark(connection)
    activities: dict[str, list[Activity]] = {key: [] for key in group.carts}
    async for key, stored in await connection.execute(_ACTIVITY, [list(group.carts)]):
        activities[key].append(msgspec.convert(stored, Activity))
    histories = [
        replace(cart, activities=tuple(activities[key])) for key, cart in group.carts.items()
    ]
    after = fold(histories, group.orders.values(), watermark)
    return await cart_generations.write(
        connection, group.zones, after, clock, emit_signals=emit_signals
    )


async def read_watermark(connection: AsyncConnection[Any]) -> Micros:
    """Return the watermark in microseconds; 0 before the first barrier has passed."""
    cursor = await connection.execute(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM watermark"
    )
    row = await cursor.fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


async def _group(connection: AsyncConnection[Any], seeds: set[str], customers: list[str]) -> Group:
    group = Group()
    frontier = seeds
    while frontier or customers:
        group.keys |= frontier
        links: set[str] = set()
        parameters = {"keys": sorted(frontier), "customers": customers}
        async for row in await connection.execute(_CARTS, parameters):
            _add_cart(group, row)
            links.update(row[-1])
        customers = []
        if group.carts:  # orders without a cart need no fold
            async for row in await connection.execute(_ORDERS, [sorted(frontier | links)]):
                _add_order(group, row)
                links.update(row[-1])
        frontier = links - group.keys
    return group


def _add_cart(group: Group, row: tuple[Any, ...]) -> None:
    key, source, shop, native, customer_id, email_hash, token, owner, person, consent = row[:10]
    if email_hash is None:  # of an erased person the links have the pseudonym
        email_hash = linked_hash(row[-1])
    group.zones[key] = row[10]
    group.carts[key] = CartHistory(
        cart_key=key,
        source=source,
        shop=shop,
        native_cart_id=native,
        customer_id=customer_id,
        email_hash=email_hash,
        cart_token=token,
        customer_key=owner,
        person_key=person,
        is_contactable=consent,
    )


def _add_order(group: Group, row: tuple[Any, ...]) -> None:
    key, source, shop, layers, is_renewal, standing, net, pending, _ = row
    if key not in group.orders:
        state = order_state(key, source, shop, flatten(load(layers)))
        # As stored: payments may have a part in it.
        money = OrderMoney(revenue_status=RevenueStatus(standing), net=net, pending=pending)
        group.orders[key] = candidate_order(state, money, is_renewal)
