"""Write folded carts: ``cart_generations``, ``abandoned_carts``, and signals to the outbox."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection, sql

from schemas.events import CartSignal, Micros
from sinks.carts.records import Generation, Signal
from sinks.carts.signals import signals_between
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
    ("raw_partition", "integer"), ("raw_offset", "bigint"), ("order_standing", "text"),
)  # fmt: skip
GENERATIONS = Table(
    "cart_generations",
    "cart_key",
    (*_SHARED, ("timezone", "text"), ("next_due", "timestamptz"), ("fold", "jsonb")),
)
ABANDONED = Table("abandoned_carts", "cart_key", (*_SHARED, ("detected_at", "timestamptz")))

_STORED = "SELECT fold FROM {} WHERE cart_key = ANY(%b) ORDER BY cart_key, generation"
_DETECTED = """
    SELECT cart_key, generation,
        (extract(epoch FROM abandoned_at) * 1000000)::bigint,
        (extract(epoch FROM detected_at) * 1000000)::bigint
    FROM abandoned_carts WHERE cart_key = ANY(%b)
"""
_NEXT_DUE = """
    UPDATE carts SET next_due = timestamptz 'epoch' + folded.due * interval '1 microsecond'
    FROM unnest(%b::text[], %s::bigint[]) AS folded (cart_key, due)
    WHERE carts.cart_key = folded.cart_key
"""
_OUTBOX = """
    INSERT INTO outbox (signal_id, cart_key, record)
    SELECT new.signal_id, new.cart_key, new.record
    FROM unnest(%b::uuid[], %b::text[], %b::jsonb[])
        WITH ORDINALITY AS new (signal_id, cart_key, record, number)
    WHERE NOT EXISTS (SELECT FROM sent_signals WHERE sent_signals.signal_id = new.signal_id)
    ORDER BY number ON CONFLICT (signal_id) DO NOTHING
"""


async def stored(
    connection: AsyncConnection[Any], carts: list[str], *schema: str
) -> list[Generation]:
    """Return the carts' stored generations, ordered; ``schema``: other than the session's."""
    query = sql.SQL(_STORED).format(sql.Identifier(*schema, "cart_generations"))
    cursor = await connection.execute(query, [carts])
    return [msgspec.convert(row[0], Generation) async for row in cursor]


async def write(
    connection: AsyncConnection[Any],
    zones: Mapping[str, str],
    after: Iterable[Generation],
    clock: Callable[[], Micros],
    *,
    emit_signals: bool = True,
) -> set[str]:
    """Replace the stored generations of the folded carts; put signals into the outbox.

    ``zones``: every cart that was folded -> its shop's time zone. Returns the customers whose
    number of rows in ``abandoned_carts`` changed.
    """
    before = await stored(connection, list(zones))
    old_rows, new_rows = _by_cart(before), _by_cart(after)
    changed = [key for key in zones if old_rows.get(key) != new_rows.get(key)]
    due = {
        key: min((row.next_due for row in new_rows.get(key, ()) if row.next_due), default=None)
        for key in zones
    }
    await connection.execute(_NEXT_DUE, [list(due), list(due.values())])
    if not changed:
        return set()
    rows = [row for key in changed for row in new_rows.get(key, ())]
    old = [row for key in changed for row in old_rows.get(key, ())]
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
            if row.was_abandoned
        ),
    )
    if emit_signals:
        await enqueue_signals(connection, signals_between(old, rows), at)
    counted = _counted(old) ^ _counted(rows)
    return {customer for _, _, customer in counted if customer is not None}


async def _detected(
    connection: AsyncConnection[Any], carts: list[str]
) -> dict[tuple[str, int, Micros | None], Micros]:
    cursor = await connection.execute(_DETECTED, [carts])
    return {(key, number, abandoned): at async for key, number, abandoned, at in cursor}


async def enqueue_signals(
    connection: AsyncConnection[Any], signals: Sequence[Signal], detected_at: Micros
) -> None:
    """Append signals to the outbox, in their order, except those that were sent before."""
    if not signals:
        return
    records = [_record(signal, detected_at) for signal in signals]
    await connection.execute(
        _OUTBOX,
        [
            [record.signal_id for record in records],
            [record.cart_key for record in records],
            [msgspec.json.encode(record).decode() for record in records],
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
        if row.was_abandoned and not row.is_test
    }
