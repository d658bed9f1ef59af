"""Link keys: locks that serialize transactions on the same carts, orders and customers.

A key is a row of ``link_keys``, so it also locks entities that have no row yet: otherwise one
worker could fold a cart without its order while another folds the order without its cart.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import AsyncConnection

from schemas.events import Micros
from sinks.lifetime.history import ShopHistory, Statement

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
_FACTS = """
    (extract(epoch FROM first_received_at) * 1000000)::bigint, history_version,
    (extract(epoch FROM history_from) * 1000000)::bigint
"""
_SHOPS = f"""
    SELECT source, shop, {_FACTS}
    FROM shops WHERE (source, shop) IN (SELECT * FROM unnest(%b::text[], %b::text[]))
    ORDER BY source, shop
"""  # noqa: S608 - only names of this module are put in
_NEW_SHOP = "INSERT INTO shops (source, shop) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_EXCLUSIVE = f"""
    SELECT {_FACTS} FROM shops WHERE source = %s AND shop = %s FOR UPDATE
"""  # noqa: S608
_CHANGED = """
    UPDATE shops SET
        first_received_at = timestamptz 'epoch' + %s::bigint * interval '1 microsecond',
        history_version = %s::bigint[],
        history_from = timestamptz 'epoch' + %s::bigint * interval '1 microsecond'
    WHERE source = %s AND shop = %s
"""
_BETWEEN = """
    SELECT customer_key FROM customers
    WHERE source = %(source)s AND shop = %(shop)s
      AND created_at >= coalesce(
        timestamptz 'epoch' + %(first)s::bigint * interval '1 microsecond', '-infinity')
      AND created_at < coalesce(
        timestamptz 'epoch' + %(last)s::bigint * interval '1 microsecond', 'infinity')
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
    connection: AsyncConnection[Any], shown: Mapping[tuple[str, str], ShopHistory]
) -> list[str]:
    """Lock the shops' rows, and store what the batch shows of them; before the link keys.

    ``shown``: (source, shop) -> what the events of the batch show of the shop's history.
    Returns the customers whose ``history_complete`` may change: those created between the new
    and the old time since when it is whole. Their shop is then locked exclusively.
    """
    order = sorted(shown)
    cursor = await connection.execute(_SHOPS, _columns(order))
    stored = {(source, shop): _history(*facts) async for source, shop, *facts in cursor}
    news = {
        shop for shop in order if shop not in stored or stored[shop] | shown[shop] != stored[shop]
    }
    changed: list[str] = []
    for shop in order if news else ():  # in one order for all transactions
        if shop in news:
            changed += await _store_shop(connection, shop, shown[shop])
        else:
            await share_shops(connection, [shop])
    # Shared with other batches: only what is new of a shop needs an exclusive lock.
    await share_shops(connection, order)
    return changed


async def share_shops(connection: AsyncConnection[Any], shops: Iterable[tuple[str, str]]) -> None:
    """Lock shops' rows FOR SHARE, so that their first receipts cannot change."""
    await connection.execute(_SHOPS + " FOR SHARE", _columns(sorted(shops)))


def _columns(shops: list[tuple[str, str]]) -> list[list[str]]:
    return [[source for source, _ in shops], [shop for _, shop in shops]]


def _history(
    first: Micros | None, version: list[int] | None, history_from: Micros | None
) -> ShopHistory:
    if version is None or history_from is None:
        return ShopHistory(first)
    return ShopHistory(first, Statement((version[0], version[1], version[2]), history_from))


async def _store_shop(
    connection: AsyncConnection[Any], key: tuple[str, str], shown: ShopHistory
) -> list[str]:
    """Store what is new of a shop; return the customers that it may concern."""
    is_new = (await connection.execute(_NEW_SHOP, key)).rowcount == 1
    row = await (await connection.execute(_EXCLUSIVE, key)).fetchone()
    before = ShopHistory() if row is None else _history(*row)
    after = before | shown
    if after == before:
        return []
    stated = after.stated
    facts = [
        after.first_received_at,
        None if stated is None else list(stated.version),
        None if stated is None else stated.history_from,
    ]
    await connection.execute(_CHANGED, [*facts, *key])
    old, new = before.whole_since, after.whole_since
    if is_new or old == new:
        return []
    # Nothing was known where there was no such time: the history of all customers is now known.
    ends = sorted((old, new)) if old is not None and new is not None else [None, None]
    between = {"source": key[0], "shop": key[1], "first": ends[0], "last": ends[1]}
    cursor = await connection.execute(_BETWEEN, between)
    return [customer async for (customer,) in cursor]
