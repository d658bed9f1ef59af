"""Follows the ledger of erasures, and applies to the tables what is new on it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from runtime import logs
from runtime.erasures import LedgerReader
from runtime.health import Health, wait_until
from runtime.settings import Settings
from schemas.events import Micros
from schemas.json_records.erasures import Entry
from sinks.erasure.apply_entries import apply_all
from sinks.postgres import applied_erasures
from sinks.postgres.session import Database

log = logs.get("hookline.sinks.erasures")

_PAUSE = 1.0
"""Seconds between two looks at the ledger."""
_AT_ONCE = 500
"""Entries of one transaction: writers wait while it lasts."""


class ErasureFollower:
    """Applies the ledger. ``catch_up`` once before rows are written, then ``run``.

    Every worker follows it; the first one to lock the table applies an entry, the others find it
    applied. A restored database lacks entries: they are applied again, also where it was restored
    while this process ran.
    """

    def __init__(self, settings: Settings, health: Health, clock: Callable[[], Micros]) -> None:
        self._settings, self._health, self._clock = settings, health, clock
        self._ledger = LedgerReader(settings)
        self._database = Database(settings, health, "hookline-erasures")
        self._unapplied: list[Entry] = []
        self._number = 0  # of the last change of the table that was seen

    async def catch_up(self) -> None:
        """Apply what the ledger holds by now; waits for Kafka and the database."""
        await wait_until(
            self._health,
            "erasures",
            self._read,
            (KafkaError, OSError),
            lambda error: f"the ledger of erasures cannot be read: {error}",
        )
        while self._unapplied:
            await self._apply(self._unapplied[:_AT_ONCE])
            del self._unapplied[:_AT_ONCE]

    async def run(self) -> None:
        """Follow the ledger until it is cancelled."""
        while True:
            await asyncio.sleep(_PAUSE)
            await self.catch_up()

    async def close(self) -> None:
        """Close the connections."""
        await self._ledger.close()
        await self._database.close()

    async def _read(self) -> None:
        number = await self._database.run(applied_erasures.last_number)
        if number < self._number:
            log.warning("the database was restored: the ledger of erasures is applied again")
            await self._ledger.close()
            self._ledger = LedgerReader(self._settings)
        self._number = number
        self._unapplied += await self._ledger.read()

    async def _apply(self, entries: Sequence[Entry]) -> None:
        async def given(_: AsyncConnection[Any]) -> Sequence[Entry]:
            return entries

        if applied := await apply_all(self._database, given, self._clock):
            log.info("erasures applied", entries=applied)
            self._number = await self._database.run(applied_erasures.last_number)
