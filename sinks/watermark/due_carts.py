"""What changes with time alone: carts that fall silent, and the days since a first order."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, LiteralString, Protocol, TypeVar

from psycopg import AsyncConnection

from runtime import logs
from schemas.events import Micros
from sinks.store import cart_groups, customer_projection, entity_locks
from sinks.store.entity_locks import MoreKeysError
from sinks.store.write_plan import customer_lock_key

log = logs.get("hookline.sinks.due_carts")

_CARTS_AT_ONCE = 500
_CUSTOMERS_AT_ONCE = 1000
_DUE = """
    SELECT cart_key, source, shop FROM carts
    WHERE next_due <= timestamptz 'epoch' + %s * interval '1 microsecond'
    ORDER BY next_due, cart_key LIMIT %s
"""
_STALE = """
    SELECT v.customer_key, v.source, v.shop FROM customer_lifetime_value v, watermark w
    WHERE v.customer_key > %s AND v.as_of IS DISTINCT FROM date_trunc('day', w.at, 'UTC')
    ORDER BY v.customer_key LIMIT %s
"""
Row = tuple[str, str, str]
"""(key, source, shop) of a cart or a customer."""
Connection = AsyncConnection[Any]
Result = TypeVar("Result")


class Transactions(Protocol):
    """Runs work in a transaction: a ``Database``, or a ``Leader`` while it leads."""

    async def run(self, work: Callable[[Connection], Awaitable[Result]], /) -> Result | None:
        """Return the result of ``work`` in one transaction, None where another process leads."""


async def fold_due(
    transactions: Transactions,
    watermark: Micros,
    clock: Callable[[], Micros],
    *,
    emit_signals: bool = True,
) -> int:
    """Fold the carts that silence changes up to the watermark; return how many there were."""
    folded = 0
    read_due = partial(_rows, _DUE, watermark, _CARTS_AT_ONCE)
    due = await transactions.run(read_due)
    while due and await _fold_locked(transactions, due, clock, emit_signals):
        folded += len(due)
        previous, due = due, await transactions.run(read_due)
        if due == previous:
            log.error("carts stay due after a fold", carts=len(due), first=due[0][0])
            break
    return folded


async def refresh_customers(transactions: Transactions) -> bool:
    """Recompute the customers with rows as of another day than the watermark's.

    Days since a first order pass without any event. False where another process leads.
    """
    last = ""
    while True:
        stale = await transactions.run(partial(_rows, _STALE, last, _CUSTOMERS_AT_ONCE))
        if stale is None:
            return False
        if not stale:
            return True
        await transactions.run(partial(_recompute, stale))
        last = stale[-1][0]


async def _fold_locked(
    transactions: Transactions,
    carts: Sequence[Row],
    clock: Callable[[], Micros],
    emit_signals: bool,
) -> bool | None:
    """Fold carts in one transaction; start over with more locks where the fold needs them."""
    extra: frozenset[str] = frozenset()
    while True:
        try:
            return await transactions.run(partial(_fold, carts, extra, clock, emit_signals))
        except MoreKeysError as error:
            extra |= error.keys


async def _fold(
    carts: Sequence[Row],
    extra: frozenset[str],
    clock: Callable[[], Micros],
    emit_signals: bool,
    connection: Connection,
) -> bool:
    # The same locks in the same order as a batch takes them, so that neither deadlocks.
    await entity_locks.share_shops(connection, _shops(carts))
    wanted = dict.fromkeys(extra, False) | {key: True for key, _, _ in carts}
    carried, locked = await entity_locks.take(connection, wanted), set(wanted)
    customers = await cart_groups.refold(
        connection, carried, (), locked, clock, emit_signals=emit_signals
    )
    entity_locks.require(map(customer_lock_key, customers), locked)
    await customer_projection.recompute(connection, customers)
    return True


async def _recompute(customers: Sequence[Row], connection: Connection) -> bool:
    keys = [key for key, _, _ in customers]
    await entity_locks.share_shops(connection, _shops(customers))
    await entity_locks.take(connection, {customer_lock_key(key): False for key in keys})
    await customer_projection.recompute(connection, keys)
    return True


async def _rows(query: LiteralString, bound: Any, limit: int, connection: Connection) -> list[Row]:
    return await (await connection.execute(query, [bound, limit])).fetchall()


def _shops(rows: Sequence[Row]) -> set[tuple[str, str]]:
    return {(source, shop) for _, source, shop in rows}
