"""Rebuilt tables put in the place of the live ones, in one transaction.

The schemas change names, so that nothing that reads is waited for and every view, comment
and index comes along. Who writes begins with ``fences`` or ``shops``: both are locked first,
so that a worker's transaction lies wholly before the swap, or finds the new fence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import AsyncConnection, sql

from runtime.stage import Partition
from schemas.events import Micros
from sinks.carts.activity import Generation, signals
from sinks.rebuild.table_digest import FOLDED, VOLATILE
from sinks.store import cart_generations, stored_offsets

REPLACED = frozenset({*FOLDED, "fences", "link_keys"})
"""Tables that a swap replaces. All others outlive it: what was told to others, what the sweep
knows, what operators noted.
"""

_CARRIED = {
    "fences": (("topic", "partition"), ("holder",)),
    "abandoned_carts": (("cart_key", "generation", "abandoned_at"), ()),
    "customer_lifetime_value": (("customer_key", "currency"), ()),
    "sink_rejects": (("topic", "partition", "record_offset"), ()),
}
"""Table -> (columns that name a row, columns beside the volatile ones to take from the live)."""
_AT_ONCE = 500

_CHANGED = """
    SELECT DISTINCT cart_key FROM {live} AS old FULL JOIN {shadow} AS new
        USING (cart_key, generation)
    WHERE old.fold IS DISTINCT FROM new.fold
        AND greatest(old.abandon_count, new.abandon_count) > 0
    ORDER BY cart_key
"""
_FOLDS = "SELECT fold FROM {} WHERE cart_key = ANY(%s) ORDER BY cart_key, generation"
_WATERMARK = "SELECT (extract(epoch FROM at) * 1000)::bigint FROM watermark"
_OURS = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
_OUTSIDE = """
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
    """The tables cannot be swapped; the message says what stands in the way."""


@dataclass(frozen=True, slots=True)
class Names:
    """Schemas: the tables in use, those built beside them, and where the old ones go."""

    live: str

    @property
    def shadow(self) -> str:
        """Built beside."""
        return f"{self.live}_rebuild"

    @property
    def replaced(self) -> str:
        """Where the old tables wait until nobody reads them."""
        return f"{self.live}_replaced"


async def lock(connection: AsyncConnection[Any], names: Names) -> None:
    """Keep every writer of the live tables out until the transaction's end; readers go on."""
    # In the order in which batches and the sweep take them; then whoever else may write.
    for table in ("fences", "shops", "watermark"):
        await connection.execute(_of("LOCK TABLE {} IN EXCLUSIVE MODE", names.live, table))
    tables = await _names(connection, names.live, "AND relkind = 'r'")
    every = sql.SQL(", ").join(sql.Identifier(names.live, name) for name in sorted(tables))
    await connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(every))


async def refuse_strangers(connection: AsyncConnection[Any], names: Names) -> None:
    """Raise SwapError where something that we did not make hangs on the live tables.

    It would go on reading the old ones, and go with them.
    """
    cursor = await connection.execute(_OUTSIDE, [_quoted(names.live)])
    outside = [row[0] async for row in cursor]
    # Identity sequences and indexes have the names that the same migrations give them.
    inside = await _names(connection, names.live) - await _names(connection, names.shadow)
    if strangers := [*outside, *sorted(f"{names.live}.{name}" for name in inside)]:
        raise SwapError(
            f"{', '.join(strangers)}: not made by `hookline migrate`, would be lost with the"
            " tables that a rebuild replaces: drop it, and create it again afterwards"
        )


async def standing(connection: AsyncConnection[Any]) -> tuple[dict[Partition, int], int | None]:
    """Every fence and the watermark (ms) of the tables in the session's search_path."""
    row = await (await connection.execute(_WATERMARK)).fetchone()
    return await stored_offsets.read_all(connection), None if row is None else row[0]


async def carry(connection: AsyncConnection[Any], names: Names) -> None:
    """Give the rebuilt rows what the log does not tell: when a row was found or predicted."""
    for table, (keys, more) in _CARRIED.items():
        columns = (*VOLATILE.get(table, ()), *more)
        same = sql.SQL(" AND ").join(_pair("new.{0} = old.{0}", key) for key in keys)
        differs = sql.SQL(" OR ").join(
            _pair("new.{0} IS DISTINCT FROM old.{0}", name) for name in columns
        )
        await connection.execute(
            sql.SQL("UPDATE {} AS new SET {} FROM {} AS old WHERE {} AND ({})").format(
                sql.Identifier(names.shadow, table),
                sql.SQL(", ").join(_pair("{0} = old.{0}", name) for name in columns),
                sql.Identifier(names.live, table),
                same,
                differs,
            )
        )


async def tell_differences(
    connection: AsyncConnection[Any], names: Names, clock: Callable[[], Micros]
) -> int:
    """Put into the live outbox what the rebuilt carts say and the live ones do not.

    Batches that the rebuild took before a live worker could have left no signal, and carts
    that fold otherwise now are told as any other change. What was sent is not told again.
    Returns how many carts differ.
    """
    query = sql.SQL(_CHANGED).format(
        live=sql.Identifier(names.live, "cart_generations"),
        shadow=sql.Identifier(names.shadow, "cart_generations"),
    )
    changed = [key async for (key,) in await connection.execute(query)]
    for first in range(0, len(changed), _AT_ONCE):
        carts = changed[first : first + _AT_ONCE]
        before = await _folds(connection, names.live, carts)
        after = await _folds(connection, names.shadow, carts)
        await cart_generations.tell(connection, signals(before, after), clock())
    return len(changed)


async def rename(connection: AsyncConnection[Any], names: Names) -> None:
    """Let the schemas change names; grants and the kept tables go over."""
    await _grant(connection, names)
    tables = await _names(connection, names.live, "AND relkind = 'r'") - REPLACED
    kept = sql.SQL(", ").join(sql.Identifier(names.live, name) for name in sorted(tables))
    await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(kept))
    for old, new in ((names.live, names.replaced), (names.shadow, names.live)):
        await connection.execute(
            sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
        )
    for table in sorted(tables):
        await connection.execute(_of("DROP TABLE {}", names.live, table))
        await connection.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                sql.Identifier(names.replaced, table), sql.Identifier(names.live)
            )
        )


async def drop(connection: AsyncConnection[Any], schema: str) -> None:
    """Drop a schema of ours with its tables; SwapError where others hang on it."""
    cursor = await connection.execute(_OUTSIDE, [_quoted(schema)])
    if outside := [row[0] async for row in cursor]:
        raise SwapError(f"{', '.join(outside)} read schema {schema!r}: drop them first")
    await connection.execute(
        sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
    )


async def exists(connection: AsyncConnection[Any], schema: str) -> bool:
    """Whether a schema is there."""
    cursor = await connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [_quoted(schema)])
    return await cursor.fetchone() == (True,)


async def _grant(connection: AsyncConnection[Any], names: Names) -> None:
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


async def _folds(
    connection: AsyncConnection[Any], schema: str, carts: Sequence[str]
) -> list[Generation]:
    query = _of(_FOLDS, schema, "cart_generations")
    cursor = await connection.execute(query, [list(carts)])
    return [msgspec.convert(row[0], Generation) async for row in cursor]


async def _names(connection: AsyncConnection[Any], schema: str, which: str = "") -> set[str]:
    cursor = await connection.execute(f"{_OURS} {which}".encode(), [_quoted(schema)])
    return {row[0] async for row in cursor}


def _of(text: str, schema: str, table: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(schema, table))


def _pair(text: str, name: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(name))


def _quoted(schema: str) -> str:
    return f'"{schema}"'
