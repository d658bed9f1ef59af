"""Folded carts written: ``cart_generations``, ``abandoned_carts``, and signals to send."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection

from schemas.events import CartSignal, Micros
from sinks.carts.activity import Generation, Signal, signals
from sinks.postgres.arrays import texts
from sinks.postgres.copy_rows import Table

_SHARED = (
    ("cart_key", "text"), ("generation", "integer"), ("source", "text"), ("shop", "text"),
    ("native_cart_id", "text"), ("customer_key", "text"), ("person_key", "text"),
    ("is_contactable", "boolean"), ("status", "text"), ("detection", "text"),
    ("time_basis", "text"), ("first_seen_at", "timestamptz"),
    ("last_activity_at", "timestamptz"), ("abandoned_at", "timestamptz"),
    ("closed_at", "timestamptz"), ("abandon_count", "integer"), ("item_count", "bigint"),
    ("items", "jsonb"), ("cart_value", "numeric"), ("value_source", "text"),
    ("currency", "text"), ("order_key", "text"), ("link_method", "text"),
    ("time_to_recover", "interval"), ("recovered_value", "numeric"),
    ("item_overlap", "numeric"), ("is_test", "boolean"), ("source_event_id", "uuid"),
    ("raw_partition", "integer"), ("raw_offset", "bigint"),
)  # fmt: skip
GENERATIONS = Table(
    "cart_generations",
    "cart_key",
    (*_SHARED, ("timezone", "text"), ("next_due", "timestamptz"), ("fold", "jsonb")),
)
ABANDONED = Table("abandoned_carts", "cart_key", (*_SHARED, ("detected_at", "timestamptz")))

_BEFORE = """
    SELECT fold FROM cart_generations WHERE cart_key = ANY(%s) ORDER BY cart_key, generation
"""
_DETECTED = """
    SELECT cart_key, generation,
        (extract(epoch FROM abandoned_at) * 1000000)::bigint,
        (extract(epoch FROM detected_at) * 1000000)::bigint
    FROM abandoned_carts WHERE cart_key = ANY(%s)
"""
_NEXT_DUE = """
    UPDATE carts SET next_due = timestamptz 'epoch' + told.due * interval '1 microsecond'
    FROM unnest(%s::text[], %s::bigint[]) AS told (cart_key, due)
    WHERE carts.cart_key = told.cart_key
"""
_OUTBOX = """
    INSERT INTO outbox (signal_id, cart_key, record)
    SELECT told.signal_id, told.cart_key, told.record
    FROM unnest(%s::uuid[], %s::text[], %s::jsonb[])
        WITH ORDINALITY AS told (signal_id, cart_key, record, place)
    WHERE NOT EXISTS (SELECT FROM sent_signals WHERE sent_signals.signal_id = told.signal_id)
    ORDER BY place ON CONFLICT (signal_id) DO NOTHING
"""


async def stored(connection: AsyncConnection[Any], carts: Sequence[str]) -> list[Generation]:
    """The carts' generations as they stand, ordered by cart and generation."""
    cursor = await connection.execute(_BEFORE, [texts(carts)])
    return [msgspec.convert(row[0], Generation) async for row in cursor]


async def write(
    connection: AsyncConnection[Any],
    zones: Mapping[str, str],
    after: Iterable[Generation],
    clock: Callable[[], Micros],
    *,
    tells: bool = True,
) -> set[str]:
    """Put the folded generations in the place of the stored ones; signals into the outbox.

    ``zones``: every cart that was folded -> its shop's zone. Returns the customers whose rows
    in ``abandoned_carts`` changed in number.
    """
    before = await stored(connection, list(zones))
    was, now = _by_cart(before), _by_cart(after)
    changed = [key for key in zones if was.get(key) != now.get(key)]
    due = {
        key: min((row.next_due for row in now.get(key, ()) if row.next_due), default=None)
        for key in zones
    }
    await connection.execute(_NEXT_DUE, [texts(due), list(due.values())])
    if not changed:
        return set()
    rows = [row for key in changed for row in now.get(key, ())]
    old = [row for key in changed for row in was.get(key, ())]
    at = clock()
    detected = await _detected(connection, changed)
    values = [(row, [getattr(row, name) for name, _ in _SHARED]) for row in rows]
    await GENERATIONS.replace(
        connection,
        changed,
        (
            [*own, zones[row.cart_key], row.next_due, msgspec.to_builtins(row)]
            for row, own in values
        ),
    )
    await ABANDONED.replace(
        connection,
        changed,
        (
            [*own, detected.get((row.cart_key, row.generation, row.abandoned_at), at)]
            for row, own in values
            if row.stands
        ),
    )
    if tells:
        await tell(connection, signals(old, rows), at)
    counted = _counted(old) ^ _counted(rows)
    return {customer for _, _, customer in counted if customer is not None}


async def _detected(
    connection: AsyncConnection[Any], carts: list[str]
) -> dict[tuple[str, int, Micros | None], Micros]:
    cursor = await connection.execute(_DETECTED, [texts(carts)])
    return {(key, number, abandoned): at async for key, number, abandoned, at in cursor}


async def tell(
    connection: AsyncConnection[Any], found: Sequence[Signal], detected_at: Micros
) -> None:
    """Put signals into the outbox, in their order; not those that were sent before."""
    if not found:
        return
    records = [_record(signal, detected_at) for signal in found]
    await connection.execute(
        _OUTBOX,
        [
            texts(record.signal_id for record in records),
            texts(record.cart_key for record in records),
            texts(msgspec.json.encode(record).decode() for record in records),
        ],
    )


def _record(signal: Signal, detected_at: Micros) -> CartSignal:
    row = signal.row
    return CartSignal(
        signal_id=signal.signal_id,
        kind=signal.kind,
        cart_key=row.cart_key,
        generation=row.generation,
        source=row.source,
        shop=row.shop,
        customer_key=row.customer_key,
        person_key=row.person_key,
        is_contactable=row.is_contactable,
        abandoned_at=signal.abandoned_at,
        occurred_at=signal.occurred_at,
        detected_at=detected_at,
        cart_value=row.cart_value,
        currency=row.currency,
        item_count=row.item_count,
        order_key=row.order_key,
        recovered_value=row.recovered_value,
        is_test=row.is_test,
        source_event_id=row.source_event_id,
    )


def _by_cart(rows: Iterable[Generation]) -> dict[str, list[Generation]]:
    grouped: dict[str, list[Generation]] = {}
    for row in rows:
        grouped.setdefault(row.cart_key, []).append(row)
    return grouped


def _counted(rows: Iterable[Generation]) -> set[tuple[str, int, str | None]]:
    return {
        (row.cart_key, row.generation, row.customer_key)
        for row in rows
        if row.stands and not row.is_test
    }
