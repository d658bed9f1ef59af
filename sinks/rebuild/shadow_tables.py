"""Tables built beside the live ones: the same folds, fences of their own, and no outbox."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch, MovedError, Partition
from schemas.codec import Codec
from schemas.events import Micros
from sinks import log_identity
from sinks.log import Log
from sinks.postgres.migrate import migrate
from sinks.postgres.session import Database
from sinks.rebuild import swap
from sinks.rebuild.swap import Names
from sinks.store import stored_offsets
from sinks.store.batch_writer import Writer
from sinks.watermark import due_carts

_BATCH = 2000
_SESSIONS = 3
_SAVE_WATERMARK = """
    INSERT INTO watermark (at, state)
    VALUES (timestamptz 'epoch' + %s * interval '1 millisecond', '{}')
    ON CONFLICT (is_only) DO UPDATE SET at = excluded.at
"""


class TakenError(RuntimeError):
    """Somebody else writes these tables."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``stored`` of ``total`` records are in the tables; ``waiting`` for what, empty if not."""

    stored: int
    total: int
    waiting: str


class Shadow:
    """The tables of ``names.shadow``, and the sessions that write them side by side.

    ``at``: partition -> offset to read next; everything below is in the tables.
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
        self._settings, self._names = settings, Names(settings.sql_schema)
        self._health, self._kafka, self._clock = health, kafka, clock
        self._progress = progress
        self._databases = [
            Database(settings, health, f"hookline-rebuild-{number}", schema=self._names.shadow)
            for number in range(_SESSIONS)
        ]
        self._one = self._databases[0]
        self._idle: asyncio.Queue[Writer] = asyncio.Queue()
        for database in self._databases:
            self._idle.put_nowait(Writer(database, codec, clock, tells=False))
        self._cluster_id: str | None = None
        self.at: dict[Partition, int] = {}

    async def open(self, ends: Mapping[Partition, int]) -> None:
        """Make the tables where they do not stand, and find how far they are.

        Raises StrangeLogError where they were made of another log.
        """
        await asyncio.to_thread(migrate, self._settings, self._names.shadow)
        held = await self._one.run(
            lambda c: stored_offsets.take_over(c, list(ends), self._one.name)
        )
        self._cluster_id = await log_identity.compare(self._kafka, held)
        self.at = {place: fence.next_offset for place, fence in held.items()}

    async def store(self, ends: Mapping[Partition, int]) -> None:
        """Store what the log holds below ``ends``. Raises TakenError."""
        self._say(ends)
        async for fetched in self._kafka.read(self.at, ends):
            work = (self._store(place, records, ends) for place, records in fetched.items())
            for ended in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(ended, BaseException):
                    raise ended

    async def settle(self, watermark: int | None) -> None:
        """Bring the tables to a watermark (ms): close silent carts, count days on."""
        await self._one.run(lambda c: _save_watermark(c, watermark))
        if watermark is not None:
            await due_carts.close_due(self._one, watermark * 1000, self._clock, tells=False)
            await due_carts.refresh(self._one, self._clock)

    async def carry(self) -> None:
        """Take over from the live tables what the log does not tell."""
        await self._one.run(lambda c: swap.carry(c, self._names))

    async def close(self) -> None:
        """Let go of the sessions."""
        for database in self._databases:
            await database.close()

    async def _store(
        self, place: Partition, records: list[Any], ends: Mapping[Partition, int]
    ) -> None:
        for first in range(0, len(records), _BATCH):
            some = records[first : first + _BATCH]
            batch = Batch(place, some, self.at[place], some[-1].offset + 1, 0, lambda: True)
            writer = await self._idle.get()
            try:
                await writer.store([batch], self._cluster_id)
            except MovedError as error:
                raise TakenError(f"{place.topic}-{place.number}: {error}") from error
            finally:
                self._idle.put_nowait(writer)
            self.at[place] = batch.end
            self._say(ends)

    def _say(self, ends: Mapping[Partition, int]) -> None:
        waiting = "; ".join(self._health.unmet.values())
        self._progress(Progress(sum(self.at.values()), sum(ends.values()), waiting))


async def _save_watermark(connection: AsyncConnection[Any], at: int | None) -> None:
    await connection.execute(_SAVE_WATERMARK, [at])
