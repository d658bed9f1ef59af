"""The tables made anew from the log, beside the live ones, and swapped with them.

The rebuilt tables have fences of their own, so a rebuild that was killed goes on where it
stood. Live workers go on writing; they wait only while the last records are caught up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from psycopg import AsyncConnection, errors

from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.registry import load_codec
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.codec import Codec
from schemas.events import Micros
from schemas.topics import CANONICAL
from sinks import log_identity
from sinks.log import Log
from sinks.postgres.migrate import check, lock_key
from sinks.postgres.session import Database
from sinks.rebuild import swap, table_digest
from sinks.rebuild.shadow_tables import Progress, Shadow
from sinks.rebuild.swap import Names, SwapError
from sinks.store import stored_offsets

_CLOSE_ENOUGH = 5000
"""Records that are caught up while live workers wait: about a second's work."""
_DROP_TRIES = 12
_FENCES = "SELECT topic, partition, next_offset, cluster_id, last_event_id FROM fences"

Connection = AsyncConnection[Any]
Result = TypeVar("Result")


class RebuildError(RuntimeError):
    """The tables cannot be rebuilt; the message says why and what to do."""


class BehindError(Exception):
    """The live tables have run too far ahead to be caught up with while they wait."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How a rebuild ended: over how many records, how many carts it shows otherwise.

    ``left``: why the replaced tables still stand, empty where they are gone.
    """

    records: int
    retold: int
    left: str


class Rebuild:
    """One rebuild. Use as an async context manager: ``fold``, then ``swap`` or ``differing``."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], Micros],
        progress: Callable[[Progress], None] = lambda _: None,
        codec: Codec | None = None,
    ) -> None:
        self.names = Names(settings.sql_schema)
        self._settings, self._clock, self._progress = settings, clock, progress
        self._given, self._health = codec, Health()
        self._databases: list[Database] = []
        self._live = self._session("swap", statement_timeout="300s", lock_timeout="5s")
        self._leads = self._session("leads")
        self._strange: frozenset[Partition] = frozenset()

    def _session(self, name: str, **session: str) -> Database:
        database = Database(self._settings, self._health, f"hookline-rebuild-{name}", **session)
        self._databases.append(database)
        return database

    async def __aenter__(self) -> Self:
        try:
            await self._live.run(lambda c: check(c, self._settings.sql_schema))
            await self._leads.run(self._lead)
            await topics_admin.check_topics(self._settings)
            codec = self._given or await load_codec(self._settings, self._health)
            self._kafka = await Log(self._settings).__aenter__()
        except BaseException:
            await self._close()
            raise
        self._shadow = Shadow(
            self._settings, self._health, codec, self._kafka, self._clock, self._progress
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shadow.close()
        await self._kafka.close()
        await self._close()

    async def _close(self) -> None:
        for database in self._databases:
            await database.close()

    async def _lead(self, connection: Connection) -> None:
        # Fences keep two rebuilds from storing a record twice; this keeps them from trying.
        key = lock_key(self.names.live, "rebuild")
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if await cursor.fetchone() != (True,):
            raise RebuildError("another `hookline rebuild` of these tables runs: wait for it")

    async def fold(self, *, resume: bool = False, accept_log: bool = False) -> None:
        """Store the whole log, as far as it goes now, beside the live tables.

        ``resume``: go on with what a rebuild before this one left. ``accept_log``: also where
        the log is another than the one that the live tables were made of. Raises RebuildError,
        SwapError or StrangeLogError before anything is folded.
        """
        for place, start in (await self._kafka.starts(*CANONICAL)).items():
            if start > 0:
                raise RebuildError(
                    f"{place.topic}-{place.number} starts at {start}, what stood before is gone:"
                    " the tables hold more than the log can give again; nothing was changed"
                )
        held = await self._live.run(_fences)
        if accept_log:
            cluster_id = await self._kafka.cluster_id()
            self._strange = frozenset(await log_identity.differences(self._kafka, held, cluster_id))
        else:
            await log_identity.compare(self._kafka, held)
        if left := await self._drop_replaced():
            raise RebuildError(left)
        if not resume:
            await self.forget()
        ends = await self._kafka.ends(*CANONICAL)
        await self._shadow.open(ends)
        await self._live.run(lambda c: swap.refuse_strangers(c, self.names))
        _, watermark = await self._live.run(swap.standing)
        await self._shadow.settle(watermark)
        await self._shadow.store(ends)

    async def swap(self) -> Rebuilt:
        """Put the rebuilt tables in the place of the live ones, in one transaction."""
        retold = await self._meet(self._exchange)
        records = sum(self._shadow.at.values())
        return Rebuilt(records, retold or 0, await self._drop_replaced())

    async def differing(self) -> list[str]:
        """Tables whose rebuilt rows are not the live ones, both as of one moment; swap nothing."""
        comparing = await self._meet(self._snapshot)
        return [] if comparing is None else await comparing

    async def forget(self) -> None:
        """Drop what was rebuilt."""
        await self._live.run(lambda c: swap.drop(c, self.names.shadow))

    async def _meet(self, work: Callable[[Connection], Awaitable[Result]]) -> Result | None:
        """The result of ``work`` at a moment at which both sets of tables stand alike.

        None where the swap was committed before and the answer was lost.
        """
        while True:
            await self._shadow.store(await self._kafka.ends(*CANONICAL))
            _, watermark = await self._live.run(swap.standing)
            await self._shadow.settle(watermark)
            await self._shadow.carry()
            try:
                return await self._live.run(lambda c: self._locked(c, work))
            except BehindError:
                continue

    async def _locked(
        self, connection: Connection, work: Callable[[Connection], Awaitable[Result]]
    ) -> Result | None:
        if not await swap.exists(connection, self.names.shadow):
            return None
        await swap.lock(connection, self.names)
        stored, watermark = await swap.standing(connection)
        at = self._shadow.at
        wanted = {
            place: max(stored[place], at[place]) for place in stored if place not in self._strange
        }
        if sum(end - at[place] for place, end in wanted.items()) > _CLOSE_ENOUGH:
            raise BehindError
        await self._shadow.store({**at, **wanted})
        await self._shadow.settle(watermark)
        return await work(connection)

    async def _exchange(self, connection: Connection) -> int:
        await swap.refuse_strangers(connection, self.names)
        await swap.carry(connection, self.names)
        retold = await swap.tell_differences(connection, self.names, self._clock)
        await swap.rename(connection, self.names)
        return retold

    async def _snapshot(self, _: Connection) -> "asyncio.Task[list[str]]":
        """A comparison that sees this moment, also once the live tables have gone on."""
        session = self._session(
            "compare", default_transaction_isolation="repeatable read", statement_timeout="0"
        )
        seen = asyncio.Event()
        comparing = asyncio.ensure_future(session.run(lambda c: self._compare(c, seen)))
        waiting = asyncio.ensure_future(seen.wait())
        await asyncio.wait({comparing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return comparing

    async def _compare(self, connection: Connection, seen: asyncio.Event) -> list[str]:
        if seen.is_set():
            raise RebuildError("the database was away during the comparison: run it again")
        await connection.execute("SELECT FROM fences")  # the snapshot is taken here
        seen.set()
        live = await table_digest.tables(connection, self.names.live)
        rebuilt = await table_digest.tables(connection, self.names.shadow)
        return sorted(name for name in live | rebuilt if live.get(name) != rebuilt.get(name))

    async def _drop_replaced(self) -> str:
        """Drop the tables of a swap before; why they still stand, if they do."""
        for _ in range(_DROP_TRIES):
            try:
                if await self._live.run(lambda c: _dropped(c, self.names.replaced)):
                    return ""
            except SwapError as error:
                return str(error)
        return (
            f"queries still read the replaced tables, schema {self.names.replaced}: end them,"
            " then drop it, or leave it to the next rebuild"
        )


async def _fences(connection: Connection) -> dict[Partition, stored_offsets.Fence]:
    cursor = await connection.execute(_FENCES)
    return {Partition(row[0], row[1]): stored_offsets.Fence(*row[2:]) async for row in cursor}


async def _dropped(connection: Connection, schema: str) -> bool:
    try:
        async with connection.transaction():
            await swap.drop(connection, schema)
    except errors.LockNotAvailable:
        return False
    return True
