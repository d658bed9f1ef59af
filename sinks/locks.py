"""Locks that order transactions touching the same carts, orders and customers.

A key locks also where its rows do not exist yet: else one worker folds a cart without its
order while another folds the order without its cart, and both commit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import AsyncConnection

from sinks.plan import Shop

_TAKE = """
    WITH taken AS (
        INSERT INTO link_keys (link_key, is_cart)
        SELECT * FROM unnest(%s::text[], %s::bool[])
        ON CONFLICT (link_key) DO UPDATE SET is_cart = link_keys.is_cart OR excluded.is_cart
        RETURNING link_key, is_cart
    )
    SELECT link_key FROM taken WHERE is_cart
"""
_SHOPS = """
    SELECT source, shop, (extract(epoch FROM first_received_at) * 1000000)::bigint
    FROM shops WHERE (source, shop) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
    ORDER BY source, shop FOR SHARE
"""
_EARLIER = """
    INSERT INTO shops (source, shop, first_received_at)
    VALUES (%s, %s, timestamptz 'epoch' + %s * interval '1 microsecond')
    ON CONFLICT (source, shop) DO UPDATE
    SET first_received_at = least(shops.first_received_at, excluded.first_received_at)
    RETURNING (extract(epoch FROM first_received_at) * 1000000)::bigint
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
    cursor = await connection.execute(_TAKE, [order, [keys[key] for key in order]])
    return frozenset([row[0] async for row in cursor])


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
    stale = await _first_receipts(connection, order)
    earlier = [
        at for at in order if at not in stale or shops[at].first_received_at < stale[at]
    ]
    changed: list[str] = []
    for source, shop in earlier:
        told = shops[source, shop].first_received_at
        cursor = await connection.execute(_EARLIER, [source, shop, told])
        await cursor.fetchone()
        old = stale.get((source, shop))
        if old is not None:
            between = {"source": source, "shop": shop, "new": told, "old": old}
            cursor = await connection.execute(_BETWEEN, between)
            changed += [row[0] async for row in cursor]
    return changed


async def _first_receipts(
    connection: AsyncConnection[Any], order: list[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    cursor = await connection.execute(
        _SHOPS, [[source for source, _ in order], [shop for _, shop in order]]
    )
    return {(source, shop): at async for source, shop, at in cursor}
