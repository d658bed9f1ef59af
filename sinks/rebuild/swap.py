"""Replaces the live tables by the rebuilt ones, in one transaction.

The schemas exchange their names, so that the swap waits for no reader, and views, comments and
indexes come along. Every writer locks ``fences`` or ``shops`` first, and so does the swap: a
worker's transaction commits before it, or finds the new stored offset.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql

from runtime.stage import Partition
from schemas.events import Micros
from sinks.carts.signals import signals_between
from sinks.rebuild.table_digest import DERIVED, VOLATILE
from sinks.store import cart_generations, stored_offsets

_COPIED_WHOLE = ("dead_letter_counts", "watermark")
"""Not in the log for good, but read by views: a view cannot move to the table that is kept."""

REPLACED = frozenset({*DERIVED, *_COPIED_WHOLE, "fences", "link_keys"})
"""Tables that a swap replaces; it keeps the outbox and what operators recorded."""

_COPIED = {
    "fences": (("topic", "partition"), ("holder",)),
    "abandoned_carts": (("cart_key", "generation", "abandoned_at"), ()),
    "customer_lifetime_value": (("customer_key", "currency"), ()),
    "sink_rejects": (("topic", "partition", "record_offset"), ()),
}
"""Table -> (its key, columns to copy from the live table in addition to the volatile ones)."""
_AT_ONCE = 500

_CHANGED = """
    SELECT DISTINCT cart_key FROM {live} AS old FULL JOIN {shadow} AS new
        USING (cart_key, generation)
    WHERE old.fold IS DISTINCT FROM new.fold
        AND greatest(old.abandon_count, new.abandon_count) > 0
    ORDER BY cart_key
"""
_WATERMARK = "SELECT (extract(epoch FROM at) * 1000)::bigint FROM watermark"
_RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
_DEPENDENTS = """
    SELECT DISTINCT format('%%I.%%I', ns.nspname, rel.relname)
    FROM pg_depend dep
    JOIN pg_class ours ON ours.oid = dep.refobjid AND dep.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_rewrite rule ON rule.oid = dep.objid AND dep.classid = 'pg_rewrite'::regclass
    LEFT JOIN pg_constraint fk ON fk.oid = dep.objid AND dep.classid = 'pg_constraint'::regclass
    JOIN pg_class rel ON rel.oid = coalesce(rule.ev_class, fk.conrelid)
    JOIN pg_namespace ns ON ns.oid = rel.relnamespace
    WHERE ours.relnamespace = to_regnamespace(%s) AND rel.relnamespace <> ours.relnamespace
    ORDER BY 1
"""
_GRANTS = """
    SELECT rel.relname, granted.privilege_type, who.rolname, granted.is_grantable
    FROM pg_class rel CROSS JOIN aclexplode(rel.relacl) granted
    LEFT JOIN pg_roles who ON who.oid = granted.grantee
    WHERE rel.relnamespace = to_regnamespace(%s) AND rel.relkind IN ('r', 'v')
        AND granted.grantee <> rel.relowner
    UNION ALL
    SELECT NULL, granted.privilege_type, who.rolname, granted.is_grantable
    FROM pg_namespace ns CROSS JOIN aclexplode(ns.nspacl) granted
    LEFT JOIN pg_roles who ON who.oid = granted.grantee
    WHERE ns.oid = to_regnamespace(%s) AND granted.grantee <> ns.nspowner
"""


class SwapError(RuntimeError):
    """The tables cannot be swapped; the message names what prevents it."""


@dataclass(frozen=True, slots=True)
class SchemaNames:
    """Names of the schemas: of the live tables, the shadow tables, and the replaced ones."""

    live: str

    @property
    def shadow(self) -> str:
        """Of the tables built beside the live ones."""
        return f"{self.live}_rebuild"

    @property
    def replaced(self) -> str:
        """Of the old tables, until nobody reads them."""
        return f"{self.live}_replaced"


async def lock(connection: AsyncConnection[Any], names: SchemaNames) -> None:
    """Block every writer of the live tables until the transaction ends; readers go on."""
    # In the order in which batches and the sweep lock them; then the tables of other writers.
    for table in ("fences", "shops", "watermark"):
        await connection.execute(_on("LOCK TABLE {} IN EXCLUSIVE MODE", names.live, table))
    tables = _list(names.live, await _tables(connection, names.live))
    await connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(tables))


async def refuse_foreign_objects(connection: AsyncConnection[Any], names: SchemaNames) -> None:
    """Raise SwapError where objects that no migration made depend on the live tables.

    They would go on reading the old tables, and be dropped with them.
    """
    cursor = await connection.execute(_DEPENDENTS, [_quoted(names.live)])
    outside = [row[0] async for row in cursor]
    # Identity sequences and indexes have the names that the same migrations give them.
    inside = await _relations(connection, names.live) - await _relations(connection, names.shadow)
    if foreign := [*outside, *sorted(f"{names.live}.{name}" for name in inside)]:
        raise SwapError(
            f"{', '.join(foreign)}: not made by `hookline migrate`, would be lost with the"
            " tables that a rebuild replaces: drop it, and create it again afterwards"
        )


async def read_progress(
    connection: AsyncConnection[Any],
) -> tuple[dict[Partition, int], int | None]:
    """Return all stored offsets and the watermark (ms) of the session's schema."""
    row = await (await connection.execute(_WATERMARK)).fetchone()
    return await stored_offsets.next_offsets(connection), None if row is None else row[0]


async def copy_unlogged(connection: AsyncConnection[Any], names: SchemaNames) -> None:
    """Copy what the log does not hold from the live rows: detection times and predictions."""
    for table, (keys, more) in _COPIED.items():
        columns = (*VOLATILE.get(table, ()), *more)
        same = sql.SQL(" AND ").join(_on("new.{0} = old.{0}", key) for key in keys)
        differs = sql.SQL(" OR ").join(
            _on("new.{0} IS DISTINCT FROM old.{0}", name) for name in columns
        )
        await connection.execute(
            sql.SQL("UPDATE {} AS new SET {} FROM {} AS old WHERE {} AND ({})").format(
                sql.Identifier(names.shadow, table),
                sql.SQL(", ").join(_on("{0} = old.{0}", name) for name in columns),
                sql.Identifier(names.live, table),
                same,
                differs,
            )
        )


async def enqueue_changes(
    connection: AsyncConnection[Any], names: SchemaNames, clock: Callable[[], Micros]
) -> int:
    """Put the signals of carts that the rebuild changes into the live outbox.

    A batch that the rebuild stored before a live worker did has given no signal yet, and carts
    that are folded differently now are signalled like any other change. Signals that were sent
    before are left out. Returns how many carts differ.
    """
    query = sql.SQL(_CHANGED).format(
        live=sql.Identifier(names.live, "cart_generations"),
        shadow=sql.Identifier(names.shadow, "cart_generations"),
    )
    changed = [key async for (key,) in await connection.execute(query)]
    for first in range(0, len(changed), _AT_ONCE):
        carts = changed[first : first + _AT_ONCE]
        before = await cart_generations.stored(connection, carts, names.live)
        after = await cart_generations.stored(connection, carts, names.shadow)
        await cart_generations.enqueue_signals(connection, signals_between(before, after), clock())
    return len(changed)


async def exchange(connection: AsyncConnection[Any], names: SchemaNames) -> None:
    """Exchange the names of the schemas; grants and the kept tables move over."""
    await _grant(connection, names)
    for table in _COPIED_WHOLE:
        await connection.execute(_on("DELETE FROM {}", names.shadow, table))
        await connection.execute(
            sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
                sql.Identifier(names.shadow, table), sql.Identifier(names.live, table)
            )
        )
    kept = await _tables(connection, names.live) - REPLACED
    await connection.execute(
        sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(_list(names.live, kept))
    )
    for old, new in ((names.live, names.replaced), (names.shadow, names.live)):
        await connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
        )
    # The shadow's own outbox and the like give way to the live ones.
    for table in sorted(kept):
        await connection.execute(_on("DROP TABLE {}", names.live, table))
        await connection.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                sql.Identifier(names.replaced, table), sql.Identifier(names.live)
            )
        )


async def drop(connection: AsyncConnection[Any], schema: str) -> None:
    """Drop one of these schemas with its tables. Raises SwapError where others depend on it."""
    cursor = await connection.execute(_DEPENDENTS, [_quoted(schema)])
    if outside := [row[0] async for row in cursor]:
        raise SwapError(f"{', '.join(outside)} read schema {schema!r}: drop them first")
    await connection.execute(
        sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
    )


async def exists(connection: AsyncConnection[Any], schema: str) -> bool:
    """Return whether a schema exists."""
    cursor = await connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [_quoted(schema)])
    return await cursor.fetchone() == (True,)


async def _grant(connection: AsyncConnection[Any], names: SchemaNames) -> None:
    live = _quoted(names.live)
    cursor = await connection.execute(_GRANTS, [live, live])
    for relation, privilege, role, grantable in await cursor.fetchall():
        on = (
            sql.SQL("SCHEMA {}").format(sql.Identifier(names.shadow))
            if relation is None
            else sql.Identifier(names.shadow, relation)
        )
        await connection.execute(
            sql.SQL("GRANT {} ON {} TO {}{}").format(
                sql.SQL(privilege),
                on,
                sql.SQL("PUBLIC") if role is None else sql.Identifier(role),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )


async def _relations(connection: AsyncConnection[Any], schema: str, where: str = "") -> set[str]:
    cursor = await connection.execute(_RELATIONS + where, [_quoted(schema)])
    return {row[0] async for row in cursor}


async def _tables(connection: AsyncConnection[Any], schema: str) -> set[str]:
    return await _relations(connection, schema, " AND relkind = 'r'")


def _list(schema: str, tables: set[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(schema, name) for name in sorted(tables))


def _on(text: str, *name: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(*name))


def _quoted(schema: str) -> str:
    return f'"{schema}"'
