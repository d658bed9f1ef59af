"""Shadow tables: built beside the live ones by the same code, with their own stored offsets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from runtime.health import Health
from runtime.registry.newer_schemas import NewerSchemas
from runtime.settings import Settings
from runtime.stage import Batch, MovedError, Partition
from schemas.codec import Codec
from schemas.events import Micros
from schemas.json_records.erasures import Entry
from schemas.topics import CONTACTS
from sinks.erasure.apply_entries import apply_all
from sinks.log import Log
from sinks.postgres import applied_erasures
from sinks.postgres.migrate import migrate
from sinks.postgres.session import Database
from sinks.rebuild import contacts, swap
from sinks.rebuild.swap import SchemaNames
from sinks.store import log_identity, stored_offsets
from sinks.store.batch_writer import Writer
from sinks.watermark import due_carts

_BATCH = 2000
_SESSIONS = 3
_SAVE_WATERMARK = """
    INSERT INTO watermark (at, state)
    VALUES (timestamptz 'epoch' + %s * interval '1 millisecond', '{}')
    ON CONFLICT (is_only) DO UPDATE SET at = excluded.at
"""


class ConcurrentWriterError(RuntimeError):
    """Another process writes the shadow tables."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``stored`` of ``total`` records are in the tables; ``waiting``: for what, or empty."""

    stored: int
    total: int
    waiting: str


class ShadowTables:
    """The tables of ``names.shadow``, and the sessions that write them in parallel.

    ``next_offsets``: partition -> offset to read next; everything below it is in the tables.
    """

    def __init__(
        self,
        settings: Settings,
        health: Health,
        codec: Codec,
        kafka: Log,
        clock: Callable[[], Micros],
        progress: Callable[[Progress], None],
    ) -> None:
        self._settings, self._names = settings, SchemaNames(settings.sql_schema)
        self._health, self._kafka, self._clock = health, kafka, clock
        self._progress = progress
        self._databases = [
            Database(settings, health, f"hookline-rebuild-{number}", schema=self._names.shadow)
            for number in range(_SESSIONS)
        ]
        self._main = self._databases[0]
        self._idle_writers: asyncio.Queue[Writer] = asyncio.Queue()
        learn = NewerSchemas(settings, health, codec).learn
        for database in self._databases:
            writer = Writer(database, codec, clock, emit_signals=False, learn=learn)
            self._idle_writers.put_nowait(writer)
        self._cluster_id: str | None = None
        self.next_offsets: dict[Partition, int] = {}

    async def open(self, ends: Mapping[Partition, int]) -> None:
        """Create the tables where they do not exist, and read how far they are.

        Raises LogMismatchError where they were built from another log.
        """
        await asyncio.to_thread(migrate, self._settings, self._names.shadow)
        held = await self._main.run(
            lambda c: stored_offsets.take_over(c, list(ends), self._main.name)
        )
        self._cluster_id = await log_identity.check_log(self._kafka, held)
        starts = await self._kafka.starts(CONTACTS)
        await self._main.run(lambda c: stored_offsets.skip_trimmed(c, starts))
        stored = await self._main.run(stored_offsets.next_offsets)
        self.next_offsets = {partition: stored[partition] for partition in held}
        await self.take_over_erasures()

    async def store(self, ends: Mapping[Partition, int]) -> None:
        """Store the log's records below ``ends``. Raises ConcurrentWriterError."""
        self._report(ends)
        async for fetched in self._kafka.read(self.next_offsets, ends):
            work = (self._store(partition, records, ends) for partition, records in fetched.items())
            for ended in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(ended, BaseException):
                    raise ended
        for partition, end in ends.items():  # a log may end with transaction markers
            if (start := self.next_offsets[partition]) < end:
                await self._write(Batch(partition, [], start, end, 0, lambda: True), ends)

    async def apply_watermark(self, watermark: int | None) -> None:
        """Bring the tables to a watermark (ms): fold silent carts, refresh customers."""
        await self._main.run(lambda c: c.execute(_SAVE_WATERMARK, [watermark]))
        if watermark is not None:
            await due_carts.fold_due(self._main, watermark * 1000, self._clock, emit_signals=False)
            await due_carts.refresh_customers(self._main)

    async def copy_unlogged(self) -> None:
        """Copy what the log does not hold from the live tables."""
        await self._main.run(lambda c: swap.copy_unlogged(c, self._names))

    async def take_over_erasures(self, given: Sequence[Entry] | None = None) -> None:
        """Apply to the shadow tables what is applied to the live ones.

        ``given``: read by the session that has locked the live tables. Another would queue behind
        a sink that waits there to apply an entry, and both behind that session.
        """

        async def entries(connection: AsyncConnection[Any]) -> Sequence[Entry]:
            if given is not None:
                return given
            return await applied_erasures.entries(connection, self._names.live)

        await apply_all(self._main, entries, self._clock)

    async def take_over_contacts(self) -> None:
        """Lay the log's contact data over that of the live tables, which are its record."""
        await self._main.run(lambda c: contacts.take_over(c, self._names))

    async def close(self) -> None:
        """Close the sessions."""
        for database in self._databases:
            await database.close()

    async def _store(
        self, partition: Partition, records: list[Any], ends: Mapping[Partition, int]
    ) -> None:
        for first in range(0, len(records), _BATCH):
            chunk = records[first : first + _BATCH]
            start, end = self.next_offsets[partition], chunk[-1].offset + 1
            batch = Batch(partition, chunk, start, end, 0, lambda: True)
            await self._write(batch, ends)

    async def _write(self, batch: Batch, ends: Mapping[Partition, int]) -> None:
        partition = batch.partition
        writer = await self._idle_writers.get()
        try:
            await writer.store([batch], self._cluster_id)
        except MovedError as error:
            name = f"{partition.topic}-{partition.number}"
            raise ConcurrentWriterError(f"{name}: {error}") from error
        finally:
            self._idle_writers.put_nowait(writer)
        self.next_offsets[partition] = batch.end
        self._report(ends)

    def _report(self, ends: Mapping[Partition, int]) -> None:
        waiting = "; ".join(self._health.unmet.values())
        self._progress(Progress(sum(self.next_offsets.values()), sum(ends.values()), waiting))
