"""Link keys: locks that serialize transactions on the same carts, orders and customers.

A key is a row of ``link_keys``, so it also locks entities that have no row yet: otherwise one
worker could fold a cart without its order while another folds the order without its cart.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import AsyncConnection

from schemas.events import Micros

_TAKE = """
    WITH taken AS (
        INSERT INTO link_keys (link_key, is_cart)
        SELECT * FROM unnest(%b::text[], %s::bool[])
        ON CONFLICT (link_key) DO UPDATE SET is_cart = link_keys.is_cart OR excluded.is_cart
        RETURNING link_key, is_cart
    )
    SELECT link_key FROM taken WHERE is_cart
"""
_TAKE_FREE = "SELECT link_key FROM link_keys WHERE link_key = ANY(%b) FOR UPDATE SKIP LOCKED"
_SHOPS = """
    SELECT source, shop, (extract(epoch FROM first_received_at) * 1000000)::bigint
    FROM shops WHERE (source, shop) IN (SELECT * FROM unnest(%b::text[], %b::text[]))
    ORDER BY source, shop
"""
_NEW_SHOP = """
    INSERT INTO shops (source, shop, first_received_at)
    VALUES (%s, %s, timestamptz 'epoch' + %s * interval '1 microsecond')
    ON CONFLICT DO NOTHING
"""
_EXCLUSIVE = """
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
    """Stored rows need keys that are not locked: roll back, then retry with them as well."""

    def __init__(self, keys: frozenset[str]) -> None:
        super().__init__(f"{len(keys)} more keys to lock")
        self.keys = keys


async def take(connection: AsyncConnection[Any], keys: Mapping[str, bool]) -> frozenset[str]:
    """Lock ``keys`` (key -> whether a cart has it) in the one order that avoids deadlocks.

    Returns the keys that a cart has or ever had.
    """
    order = sorted(keys)
    cursor = await connection.execute(_TAKE, [order, [keys[key] for key in order]])
    return frozenset([row[0] async for row in cursor])


async def take_free(
    connection: AsyncConnection[Any], needed: Iterable[str], locked: set[str]
) -> bool:
    """Lock and add to ``locked`` the ``needed`` keys missing there; False where none is missing.

    Taken out of order, but without waiting (SKIP LOCKED), so two transactions cannot deadlock.
    The caller reads again what they guard. Raises MoreKeysError where another transaction holds
    a key or it has no row.
    """
    missing = frozenset(needed) - locked
    if not missing:
        return False
    cursor = await connection.execute(_TAKE_FREE, [sorted(missing)])
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
    connection: AsyncConnection[Any], received: Mapping[tuple[str, str], Micros]
) -> list[str]:
    """Lock the shops' rows, and move first receipts back; taken before the link keys.

    ``received``: (source, shop) -> its earliest receipt in the batch.
    Returns the customers whose ``history_complete`` may change: those created between the new
    and the old first receipt. Their shop is then locked exclusively.
    """
    order = sorted(received)
    cursor = await connection.execute(_SHOPS, _columns(order))
    stored = {(source, shop): at async for source, shop, at in cursor}
    earlier = {shop for shop in order if shop not in stored or received[shop] < stored[shop]}
    changed: list[str] = []
    for shop in order if earlier else ():  # in one order for all transactions
        if shop in earlier:
            changed += await _move_back(connection, shop, received[shop])
        else:
            await share_shops(connection, [shop])
    # Shared with other batches: only an earlier first receipt needs an exclusive lock.
    await share_shops(connection, order)
    return changed


async def share_shops(connection: AsyncConnection[Any], shops: Iterable[tuple[str, str]]) -> None:
    """Lock shops' rows FOR SHARE, so that their first receipts cannot change."""
    await connection.execute(_SHOPS + " FOR SHARE", _columns(sorted(shops)))


def _columns(shops: list[tuple[str, str]]) -> list[list[str]]:
    return [[source for source, _ in shops], [shop for _, shop in shops]]


async def _move_back(
    connection: AsyncConnection[Any], key: tuple[str, str], received: int
) -> list[str]:
    """Store an earlier first receipt; return the customers created since."""
    cursor = await connection.execute(_NEW_SHOP, [*key, received])
    if cursor.rowcount == 1:
        return []
    row = await (await connection.execute(_EXCLUSIVE, key)).fetchone()
    if row is None or row[0] <= received:
        return []
    await connection.execute(_EARLIER, [received, *key])
    between = {"source": key[0], "shop": key[1], "new": received, "old": row[0]}
    cursor = await connection.execute(_BETWEEN, between)
    return [customer async for (customer,) in cursor]
