"""Reads an export beside the tables and compares them, in batches of rows."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

from hookline.history.check import slots_of
from hookline.history.compare import (
    CUSTOMER,
    ORDER,
    TABLES,
    Comparison,
    Listed,
    Stored,
    listed,
)
from hookline.history.exports.files import Export
from hookline.history.prepare import UNDATED_CART, Preparer, Refused
from schemas.envelopes import Reject
from schemas.events import Micros
from sinks.merge.last_writer import load
from sinks.store.entity_rows import ENTITIES

Progress = Callable[[str, int, int], None]
_AT_ONCE = 500
_STORED = "SELECT {key}, layers FROM {table} WHERE {key} = ANY(%s)"
_THERE = {
    ORDER: """
        SELECT order_key FROM orders WHERE source = %(source)s AND shop = %(shop)s
        AND placed_at BETWEEN timestamptz 'epoch' + %(first)s * interval '1 microsecond'
            AND timestamptz 'epoch' + %(last)s * interval '1 microsecond'
        AND NOT is_deleted AND NOT is_test ORDER BY order_key
    """,
    CUSTOMER: """
        SELECT customer_key FROM customers WHERE source = %(source)s AND shop = %(shop)s
        AND created_at BETWEEN timestamptz 'epoch' + %(first)s * interval '1 microsecond'
            AND timestamptz 'epoch' + %(last)s * interval '1 microsecond'
        AND NOT is_deleted AND NOT is_test AND NOT is_erased ORDER BY customer_key
    """,
}


def compare(
    connection: psycopg.Connection[Any],
    export: Export,
    preparer: Preparer,
    progress: Progress,
    since: Micros | None = None,
    taken_at: Micros | None = None,
) -> Comparison:
    """Compare the export's objects with the tables.

    ``since``: not those dated before it, and all that are later are expected in the list.
    ``taken_at``: when the list was made, up to when the tables' are expected in it.
    """
    result = Comparison()
    rows = _listed(export, preparer, result, progress, since)
    while batch := list(islice(rows, _AT_ONCE)):
        stored = {table: _stored(connection, table, batch) for table in TABLES}
        for each in batch:
            result.add(each, stored[each.table].get(each.key))
    shop = preparer.shop
    for table in sorted(result.tables & set(_THERE)):
        first, last = result.span.get(table, (since, since))
        bounds = {"first": first, "last": last}
        if since is not None:
            bounds = {"first": since, "last": taken_at or last}
        found = connection.execute(
            _THERE[table].encode(), {"source": shop.source, "shop": shop.id, **bounds}
        )
        result.missing_there += [key for (key,) in found if key not in result.seen]
    return result


def _listed(
    export: Export,
    preparer: Preparer,
    result: Comparison,
    progress: Progress,
    since: Micros | None,
) -> Iterator[Listed]:
    size, read = export.size, 0

    def report(position: int) -> None:
        nonlocal read
        read = position

    for row in export.rows(report):
        result.rows += 1
        if not row.number % 500:
            progress("comparing", read, size)
        prepared = preparer.prepare(row)
        if isinstance(prepared, Refused) and prepared.reason == UNDATED_CART:
            result.other += 1
            continue
        if isinstance(prepared, Refused):
            result.refused[prepared.reason] += 1
            continue
        made = slots_of(preparer.shop, prepared)
        if isinstance(made, Reject):
            result.refused[f"{made.reason} {made.path}".strip()] += 1
            continue
        each = listed(row.number, made.values(), is_change=prepared.is_change)
        if each is None:
            result.other += 1
            continue
        result.tables.add(each.table)
        if since is not None and each.dated_at < since:
            result.before_since += 1
        else:
            yield each


def whole_until(connection: psycopg.Connection[Any]) -> Micros | None:
    """Return the time up to which the tables have all that was received; None: not known yet."""
    row = connection.execute("SELECT (extract(epoch FROM at) * 1000000)::bigint FROM watermark")
    found = row.fetchone()
    return None if found is None else found[0]


def _stored(
    connection: psycopg.Connection[Any], table: str, batch: Iterable[Listed]
) -> dict[str, Stored]:
    keys = [each.key for each in batch if each.table == table]
    if not keys:
        return {}
    query = sql.SQL(_STORED).format(
        key=sql.Identifier(ENTITIES[table].table.key), table=sql.Identifier(table)
    )
    return {key: Stored.of(load(layers)) for key, layers in connection.execute(query, [keys])}
