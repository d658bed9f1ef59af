"""Builds the tables from the log beside the live ones, and swaps them.

The shadow tables have their own stored offsets, so a rebuild that was killed can resume. Live
workers go on writing; they wait only while the last records are caught up with.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from psycopg import AsyncConnection, errors

from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.codec import Codec
from schemas.events import Micros
from schemas.topics import CANONICAL, PERMANENT
from sinks.log import Log
from sinks.postgres import applied_erasures, rights
from sinks.postgres.migrate import check, lock_key
from sinks.postgres.session import Database
from sinks.rebuild import swap, table_digest
from sinks.rebuild.shadow_tables import Progress, ShadowTables
from sinks.rebuild.swap import SchemaNames, SwapError
from sinks.store import log_identity, stored_offsets

_MAX_LAG = 5000
"""Records to catch up with while live workers wait: about a second's work."""
_DROP_TRIES = 12

Connection = AsyncConnection[Any]
Result = TypeVar("Result")


class RebuildError(RuntimeError):
    """The tables cannot be rebuilt; the message gives the reason and what to do."""


class _TooFarBehindError(Exception):
    """The live tables are too far ahead to catch up with while their writers wait."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild: records stored, and carts that differ from before.

    ``left``: why the replaced tables still exist, empty where they are dropped.
    """

    records: int
    changed_carts: int
    left: str


class Rebuild:
    """One rebuild. Use as an async context manager: ``build``, then ``swap`` or ``differing``."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], Micros],
        progress: Callable[[Progress], None] = lambda _: None,
        codec: Codec | None = None,
    ) -> None:
        self.names = SchemaNames(settings.sql_schema)
        self._settings, self._clock, self._progress = settings, clock, progress
        self._codec, self._health = codec, Health()
        self._databases: list[Database] = []
        self._live = self._session("swap", statement_timeout="300s", lock_timeout="5s")
        self._leader = self._session("leads")
        self._replaced_logs: frozenset[Partition] = frozenset()

    def _session(self, name: str, **session: str) -> Database:
        database = Database(self._settings, self._health, f"hookline-rebuild-{name}", **session)
        self._databases.append(database)
        return database

    async def __aenter__(self) -> Self:
        try:
            await self._live.run(self._check)
            await self._leader.run(self._lead)
            await topics_admin.check_topics(self._settings)
            codec = self._codec or await load_codec(self._settings, self._health)
            self._kafka = await Log(self._settings).__aenter__()
        except BaseException:
            await self._close()
            raise
        self._shadow = ShadowTables(
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

    async def _check(self, connection: Connection) -> None:
        await check(connection, self.names.live)
        if await rights.owned_by(connection, self.names.live) is None:
            raise RebuildError(
                f"a rebuild makes tables and swaps them, which {connection.info.user} may not:"
                " set HOOKLINE_DATABASE_URL to the URL of the tables' owner for it"
            )

    async def _lead(self, connection: Connection) -> None:
        # Stored offsets keep two rebuilds from storing a record twice; this refuses the second one.
        key = lock_key(self.names.live, "rebuild")
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if await cursor.fetchone() != (True,):
            raise RebuildError("another `hookline rebuild` of these tables runs: wait for it")

    async def build(self, *, resume: bool = False, accept_log: bool = False) -> None:
        """Store the whole log, up to its present end, in the shadow tables.

        ``resume``: go on with the shadow tables of an earlier rebuild. ``accept_log``: accept a
        log other than the one that the live tables were built from. Raises RebuildError,
        SwapError or LogMismatchError before anything is stored.
        """
        for partition, start in (await self._kafka.starts(*PERMANENT)).items():
            if start > 0:
                raise RebuildError(
                    f"{partition.topic}-{partition.number} starts at {start}, earlier records are"
                    " gone: the tables hold more than the log does; nothing was changed"
                )
        held = await self._live.run(stored_offsets.read_all)
        if accept_log:
            cluster_id = await self._kafka.cluster_id()
            self._replaced_logs = frozenset(
                await log_identity.mismatches(self._kafka, held, cluster_id)
            )
        else:
            await log_identity.check_log(self._kafka, held)
        if left := await self._drop_replaced():
            raise RebuildError(left)
        if not resume:
            await self.discard()
        ends = await self._kafka.ends(*CANONICAL)
        await self._shadow.open(ends)
        await self._live.run(lambda c: swap.refuse_foreign_objects(c, self.names))
        _, watermark = await self._live.run(swap.read_progress)
        await self._shadow.apply_watermark(watermark)
        await self._shadow.store(ends)

    async def swap(self) -> Rebuilt:
        """Replace the live tables by the shadow tables, in one transaction."""
        changed = await self._at_same_state(self._exchange)
        records = sum(self._shadow.next_offsets.values())
        return Rebuilt(records, changed or 0, await self._drop_replaced())

    async def differing(self) -> list[str]:
        """Return the tables that differ from the live ones, both as of one moment; swap nothing."""
        comparing = await self._at_same_state(self._snapshot)
        return [] if comparing is None else await comparing

    async def discard(self) -> None:
        """Drop the shadow tables."""
        await self._live.run(lambda c: swap.drop(c, self.names.shadow))

    async def _at_same_state(
        self, work: Callable[[Connection], Awaitable[Result]]
    ) -> Result | None:
        """Run ``work`` at a moment at which both sets of tables hold the same records.

        None where an earlier attempt has committed the swap, but its answer was lost.
        """
        while True:
            await self._shadow.store(await self._kafka.ends(*CANONICAL))
            _, watermark = await self._live.run(swap.read_progress)
            await self._shadow.apply_watermark(watermark)
            await self._shadow.copy_unlogged()
            await self._shadow.take_over_erasures()
            await self._shadow.take_over_contacts()
            try:
                return await self._live.run(lambda c: self._locked(c, work))
            except _TooFarBehindError:
                continue

    async def _locked(
        self, connection: Connection, work: Callable[[Connection], Awaitable[Result]]
    ) -> Result | None:
        if not await swap.exists(connection, self.names.shadow):
            return None
        await swap.lock(connection, self.names)
        stored, watermark = await swap.read_progress(connection)
        built = self._shadow.next_offsets
        wanted = {
            partition: max(offset, built[partition])
            for partition, offset in stored.items()
            if partition not in self._replaced_logs  # offsets of another log cannot be compared
        }
        if sum(end - built[partition] for partition, end in wanted.items()) > _MAX_LAG:
            raise _TooFarBehindError
        await self._shadow.store({**built, **wanted})
        await self._shadow.apply_watermark(watermark)
        entries = await applied_erasures.entries(connection, self.names.live)
        await self._shadow.take_over_erasures(entries)
        await self._shadow.take_over_contacts()
        return await work(connection)

    async def _exchange(self, connection: Connection) -> int:
        await swap.refuse_foreign_objects(connection, self.names)
        await swap.copy_unlogged(connection, self.names)
        changed = await swap.enqueue_changes(connection, self.names, self._clock)
        await swap.exchange(connection, self.names)
        return changed

    async def _snapshot(self, _: Connection) -> "asyncio.Task[list[str]]":
        """Start a comparison that sees this moment even after the live tables have moved on."""
        session = self._session(
            "compare", default_transaction_isolation="repeatable read", statement_timeout="0"
        )
        has_snapshot = asyncio.Event()
        comparing = asyncio.ensure_future(session.run(lambda c: self._compare(c, has_snapshot)))
        waiting = asyncio.ensure_future(has_snapshot.wait())
        await asyncio.wait({comparing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return comparing

    async def _compare(self, connection: Connection, has_snapshot: asyncio.Event) -> list[str]:
        if has_snapshot.is_set():  # a retry would compare with tables that have moved on
            raise RebuildError("the database was not available during the comparison: run it again")
        await connection.execute("SELECT FROM fences")  # takes the snapshot
        has_snapshot.set()
        live = await table_digest.digests(connection, self.names.live)
        rebuilt = await table_digest.digests(connection, self.names.shadow)
        return sorted(name for name in live | rebuilt if live.get(name) != rebuilt.get(name))

    async def _drop_replaced(self) -> str:
        """Drop the replaced tables of a swap; return why they still exist, empty if they do not."""
        for _ in range(_DROP_TRIES):  # each waits for the session's lock_timeout
            try:
                if await self._live.run(lambda c: _dropped(c, self.names.replaced)):
                    return ""
            except SwapError as error:
                return str(error)
        return (
            f"queries still read the replaced tables, schema {self.names.replaced}: end them,"
            " then drop it, or leave it to the next rebuild"
        )


async def _dropped(connection: Connection, schema: str) -> bool:
    try:
        async with connection.transaction():
            await swap.drop(connection, schema)
    except errors.LockNotAvailable:
        return False
    return True
