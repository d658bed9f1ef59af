"""The ledger of erasures in a processor: read before anything is decided, followed, added to."""

import asyncio
import time
from collections.abc import Callable

from aiokafka.errors import KafkaError

from processors.sources.contact_keys import ChangedKey
from runtime import logs
from runtime.erasures import LedgerReader
from runtime.health import Health, wait_until
from runtime.kafka.producer import BatchSender
from runtime.settings import Settings
from schemas.envelopes import Outcome
from schemas.json_records import erasures
from schemas.json_records.erasures import Ledger, Rotation
from schemas.topics import ERASURES

log = logs.get("hookline.processors")

PAUSE = 1.0
"""Seconds between two looks at the ledger."""


class ProcessorErasures:
    """The ledger, and the contact key. ``catch_up`` once before anything is decided, then ``run``.

    Where the key changes, each address that is hashed needs a Rotation on the ledger before an
    event carries its new hash: ``record_rotations`` appends those that lack one.
    """

    def __init__(self, settings: Settings, health: Health) -> None:
        self._health = health
        self._reader = LedgerReader(settings)
        key, before = settings.contact_key.encode(), settings.contact_key_before.encode()
        self._changed = ChangedKey.of(key, before) if before else None
        self.contact_key: bytes = key if self._changed is None else self._changed

    @property
    def ledger(self) -> Ledger:
        """The entries read so far; later ones are added to it."""
        return self._reader.ledger

    async def catch_up(self) -> None:
        """Read what the ledger holds by now; waits while Kafka is away."""
        await self._read((KafkaError, OSError))

    async def run(self) -> None:
        """Follow the ledger until it is cancelled; no error ends it."""
        while True:
            await asyncio.sleep(PAUSE)
            await self._read(Exception)

    async def _read(self, away: type[Exception] | tuple[type[Exception], ...]) -> None:
        entries = await wait_until(
            self._health,
            "erasures",
            self._reader.read,
            away,
            lambda error: f"the ledger of erasures cannot be read: {error}",
            longest_pause=2.0,
        )
        if entries:
            log.info("ledger of erasures read", entries=len(entries))

    def take_unrecorded(self) -> list[Rotation]:
        """Return a Rotation for each address hashed since the last call that has none yet."""
        if self._changed is None:
            return []
        now, known = time.time_ns() // 1000, self.ledger.rotations
        return [
            Rotation(before=before, hashed=hashed, at=now)
            for before, hashed in self._changed.take_hashed().items()
            if known.get(before) != hashed
        ]

    async def record_rotations(
        self, rotations: list[Rotation], sender: BatchSender, is_current: Callable[[], bool]
    ) -> bool:
        """Append rotations to the ledger; return whether events that were built may be written.

        They may not where the generation has ended, nor where one of the persons was erased under
        the earlier hash, which could not be known before.
        """
        if not rotations:
            return True
        records = [
            Outcome(ERASURES.name, each.key, erasures.encode(each), []) for each in rotations
        ]
        await sender.send(0, sender.build_batches(records), is_current)  # 0 is what is read
        if not is_current():
            return False
        for each in rotations:
            self.ledger.add(each)
        hashes = (h for each in rotations for h in self.ledger.hashes_of(each.hashed))
        return self.ledger.erasures.keys().isdisjoint(hashes)

    async def close(self) -> None:
        """Close the connection."""
        await self._reader.close()
