"""Locks that order transactions touching the same carts, orders and customers.

A key locks also where its rows do not exist yet: else one worker folds a cart without its
order while another folds the order without its cart, and both commit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import AsyncConnection

from sinks.postgres.arrays import texts
from sinks.store.write_plan import Shop

_TAKE = """
    WITH taken AS (
        INSERT INTO link_keys (link_key, is_cart)
        SELECT * FROM unnest(%s::text[], %s::bool[])
        ON CONFLICT (link_key) DO UPDATE SET is_cart = link_keys.is_cart OR excluded.is_cart
        RETURNING link_key, is_cart
    )
    SELECT link_key FROM taken WHERE is_cart
"""
_TAKE_FREE = "SELECT link_key FROM link_keys WHERE link_key = ANY(%s) FOR UPDATE SKIP LOCKED"
_SHOPS = """
    SELECT source, shop, (extract(epoch FROM first_received_at) * 1000000)::bigint
    FROM shops WHERE (source, shop) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
    ORDER BY source, shop
"""
_NEW_SHOP = """
    INSERT INTO shops (source, shop, first_received_at)
    VALUES (%s, %s, timestamptz 'epoch' + %s * interval '1 microsecond')
    ON CONFLICT DO NOTHING
"""
_ALONE = """
    SELECT (extract(epoch FROM first_received_at) * 1000000)::bigint
    FROM shops WHERE source = %s AND shop = %s FOR UPDATE
"""
_EARLIER = """
    UPDATE shops SET first_received_at = timestamptz 'epoch' + %s * interval '1 microsecond'
    WHERE source = %s AND shop = %s
"""
_BETWEEN = """
    SELECT customer_key FROM customers
    WHERE source = %(source)s AND shop = %(shop)s
      AND created_at >= timestamptz 'epoch' + %(new)s * interval '1 microsecond'
      AND created_at < timestamptz 'epoch' + %(old)s * interval '1 microsecond'
"""


class MoreKeysError(Exception):
    """Stored rows name keys that are not locked: roll back, and start again with them too."""

    def __init__(self, keys: frozenset[str]) -> None:
        super().__init__(f"{len(keys)} more keys to lock")
        self.keys = keys


async def take(connection: AsyncConnection[Any], keys: Mapping[str, bool]) -> frozenset[str]:
    """Lock ``keys`` (key -> whether a cart carries it) in one order for all transactions.

    Returns those of them that a cart carries, now or ever before.
    """
    order = sorted(keys)
    cursor = await connection.execute(_TAKE, [texts(order), [keys[key] for key in order]])
    return frozenset([row[0] async for row in cursor])


async def take_free(
    connection: AsyncConnection[Any], needed: Iterable[str], locked: set[str]
) -> bool:
    """Lock what of ``needed`` is not in ``locked`` yet, and put it there; False: nothing to do.

    Out of order, but without waiting: so no two transactions wait for each other. What they
    guard must be read again. Raises MoreKeysError where one is held by somebody else or has no
    row yet.
    """
    missing = frozenset(needed) - locked
    if not missing:
        return False
    cursor = await connection.execute(_TAKE_FREE, [texts(sorted(missing))])
    if missing - {key async for (key,) in cursor}:
        raise MoreKeysError(missing)
    locked |= missing
    return True


def require(needed: Iterable[str], locked: Iterable[str]) -> None:
    """Raise MoreKeysError unless all ``needed`` keys are locked."""
    missing = frozenset(needed) - frozenset(locked)
    if missing:
        raise MoreKeysError(missing)


async def take_shops(
    connection: AsyncConnection[Any], shops: Mapping[tuple[str, str], Shop]
) -> list[str]:
    """Hold the shops' rows, earlier first receipts noted; taken before the link keys.

    Returns the customers whose history looks otherwise now: those created between the new
    and the old first receipt. Their shop is held alone then, so nobody else reads it.
    """
    order = sorted(shops)
    names = [texts(source for source, _ in order), texts(shop for _, shop in order)]
    cursor = await connection.execute(_SHOPS, names)
    known = {(source, shop): at async for source, shop, at in cursor}
    told = {place: shop.first_received_at for place, shop in shops.items()}
    earlier = {place for place in order if place not in known or told[place] < known[place]}
    changed: list[str] = []
    for place in order if earlier else ():  # in one order for all transactions
        if place in earlier:
            changed += await _earlier(connection, place, told[place])
        else:
            await share_shops(connection, [place])
    # Shared with other batches: only an earlier first receipt needs the shop alone.
    await share_shops(connection, order)
    return changed


async def share_shops(connection: AsyncConnection[Any], shops: Iterable[tuple[str, str]]) -> None:
    """Hold shops' rows beside others who do: their first receipts stay as they are."""
    order = sorted(shops)
    names = [texts(source for source, _ in order), texts(shop for _, shop in order)]
    await connection.execute(_SHOPS + " FOR SHARE", names)


async def _earlier(
    connection: AsyncConnection[Any], place: tuple[str, str], told: int
) -> list[str]:
    cursor = await connection.execute(_NEW_SHOP, [*place, told])
    if cursor.rowcount == 1:
        return []
    row = await (await connection.execute(_ALONE, place)).fetchone()
    if row is None or row[0] <= told:
        return []
    await connection.execute(_EARLIER, [told, *place])
    between = {"source": place[0], "shop": place[1], "new": told, "old": row[0]}
    cursor = await connection.execute(_BETWEEN, between)
    return [customer async for (customer,) in cursor]
