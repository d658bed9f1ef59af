"""What time alone changes: silent carts closed, days since a first order counted on."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from psycopg import AsyncConnection

from runtime import logs
from schemas.events import Micros
from sinks.store import cart_groups, customer_projection, entity_locks
from sinks.store.entity_locks import MoreKeysError
from sinks.store.write_plan import lock_of

log = logs.get("hookline.sinks.closing")

_CHUNK = 500
_AT_ONCE = 1000
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
Result = TypeVar("Result")


class Runs(Protocol):
    """Gives work a transaction: the result, or None where it may not work here."""

    async def run(
        self, work: Callable[[AsyncConnection[Any]], Awaitable[Result]], /
    ) -> Result | None:
        """The result of ``work`` in one transaction."""


async def close_due(
    runs: Runs, watermark: Micros, clock: Callable[[], Micros], *, tells: bool = True
) -> int:
    """Fold the carts that are due anew; return how many there were."""
    closed = 0
    while due := await runs.run(lambda connection: _due(connection, watermark)):
        extra: frozenset[str] = frozenset()
        while True:
            chunk = _Chunk(due, extra, clock, tells)
            try:
                done = await runs.run(chunk.fold)
            except MoreKeysError as error:
                extra |= error.keys
            else:
                break
        if not done:
            return closed
        closed += len(due)
        again = await runs.run(lambda connection: _due(connection, watermark))
        if again == due:
            log.error("carts stay due after a fold", carts=len(due), first=due[0][0])
            return closed
    return closed


async def refresh(runs: Runs, clock: Callable[[], Micros]) -> bool:
    """Sum customers up anew whose rows speak of another day than the watermark's.

    The days since a first order go on without any event. False where it may not work here.
    """
    last = ""
    while True:
        stale = await runs.run(partial(_stale, last))
        if stale is None:
            return False
        if not stale:
            return True
        await runs.run(_Chunk(stale, frozenset(), clock, tells=False).sum_up)
        last = stale[-1][0]


class _Chunk:
    """Some carts, or some customers, in one transaction: (key, source, shop) each."""

    def __init__(
        self,
        rows: Sequence[tuple[str, str, str]],
        extra: frozenset[str],
        clock: Callable[[], Micros],
        tells: bool,
    ) -> None:
        self._keys = [key for key, _, _ in rows]
        self._shops = {(source, shop) for _, source, shop in rows}
        self._extra, self._clock, self._tells = extra, clock, tells

    async def fold(self, connection: AsyncConnection[Any]) -> bool:
        """Fold the carts anew under the locks that batches take."""
        await entity_locks.share_shops(connection, self._shops)
        wanted = dict.fromkeys(self._extra, False) | dict.fromkeys(self._keys, True)
        carried, locked = await entity_locks.take(connection, wanted), set(wanted)
        customers = await cart_groups.refold(
            connection, carried, (), locked, self._clock, tells=self._tells
        )
        entity_locks.require(map(lock_of, customers), locked)
        await customer_projection.recompute(connection, customers)
        return True

    async def sum_up(self, connection: AsyncConnection[Any]) -> bool:
        """Sum the customers up anew."""
        await entity_locks.share_shops(connection, self._shops)
        await entity_locks.take(connection, {lock_of(key): False for key in self._keys})
        await customer_projection.recompute(connection, self._keys)
        return True


async def _due(connection: AsyncConnection[Any], watermark: Micros) -> list[tuple[str, str, str]]:
    cursor = await connection.execute(_DUE, [watermark, _CHUNK])
    return [(row[0], row[1], row[2]) async for row in cursor]


async def _stale(last: str, connection: AsyncConnection[Any]) -> list[tuple[str, str, str]]:
    cursor = await connection.execute(_STALE, [last, _AT_ONCE])
    return [(row[0], row[1], row[2]) async for row in cursor]
