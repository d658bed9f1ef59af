"""Counts the dead letters in the log: every letter once, through kills and restarts.

The letters stay in their topic for a month, the counts in the tables for good. Nothing waits for
the counter: while Kafka is away, the counts are late. Only a right that is missing is shown as a
condition of the sink: no waiting ends it.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg
from aiokafka.errors import KafkaError

from runtime import logs
from runtime.health import Health
from runtime.kafka.reasons import DeniedError
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.topics import DEAD_LETTERS
from sinks.dead_letters import count_store
from sinks.dead_letters.count_store import Counted
from sinks.dead_letters.letters import read_letter
from sinks.log import STALLED_S, Log, event_id
from sinks.postgres.session import Leader

log = logs.get("hookline.sinks.dead_letters")

_WARNING = "dead-letter-counts"


class LetterCounter:
    """Adds new dead letters to the counts. One counter of all processes leads at a time."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._topic = settings.topic(DEAD_LETTERS)
        self._health, self._leader = health, Leader(settings, health, "dead-letters")
        self._log: Log | None = None
        self._compared: set[Partition] = set()  # since the log was opened

    async def run(self) -> None:
        """Count until cancelled, every ``sweep_interval`` seconds."""
        try:
            while True:
                try:
                    await self.step()
                except (KafkaError, OSError, psycopg.Error) as error:
                    # Never the end of the process: the tables do not depend on these counts.
                    self._warn(str(error) or type(error).__name__)
                    if isinstance(error, DeniedError):
                        self._health.waiting(_WARNING, str(error))
                    await self._close_log()
                else:
                    self._health.clear_warning(_WARNING)
                    self._health.met(_WARNING)
                await asyncio.sleep(self._settings.sweep_interval)
        finally:
            await self._close_log()
            await self._leader.close()

    def _warn(self, reason: str) -> None:
        if self._health.warnings.get(_WARNING) != reason:  # once, not in every interval
            log.warning("dead letters are not counted now", reason=reason)
        self._health.warn(_WARNING, reason)

    async def step(self) -> int | None:
        """Count what is in the log now; return how many records, None where another leads.

        Raises KafkaError or OSError while Kafka is not available.
        """
        counted = await self._leader.run(partial(count_store.read, topic=self._topic))
        if counted is None:
            return None
        if self._log is None:
            self._log = await Log(self._settings, [DEAD_LETTERS]).__aenter__()
            self._compared.clear()
        kafka, records = self._log, 0
        ends, starts = await kafka.ends(DEAD_LETTERS), await kafka.starts(DEAD_LETTERS)
        for partition, start in starts.items():
            due = await self._due(kafka, partition, counted.get(partition), start, ends[partition])
            if due is None:
                return None
            counted[partition] = due
        begin = {partition: counted[partition].next_offset for partition in starts}
        async for fetched in kafka.read(begin, ends):
            for partition, batch in fetched.items():
                if (after := await self._count(partition, counted[partition], batch)) is None:
                    return None
                counted[partition] = after
                records += len(batch)
        return records

    async def _count(
        self, partition: Partition, before: Counted, batch: Sequence[Any]
    ) -> Counted | None:
        """Count a fetched batch; None where another process counts now."""
        last = batch[-1]
        after = Counted(last.offset + 1, event_id(last.headers), last.timestamp)
        letters = [read_letter(record) for record in batch]
        if foreign := sum(letter.group is None for letter in letters):
            log.warning("records are no dead letters", partition=str(partition), records=foreign)
        return await self._advance(partition, before, after, letters)

    async def _due(
        self, kafka: Log, partition: Partition, held: Counted | None, start: int, end: int
    ) -> Counted | None:
        """Return from where to count a partition, and store it if that is no continuation.

        None where another process counts now.
        """
        if held is None:
            return await self._advance(partition, None, Counted(start))
        if not await self._is_same_log(kafka, partition, held, start, end):
            # What was counted is counted: in a log that was cut off it is still there, in a
            # recreated one everything is newer.
            since = held.last_appended_ms
            new = (
                start if since is None else (await kafka.since(DEAD_LETTERS, since + 1))[partition]
            )
            log.warning(
                "the topic of dead letters was recreated or cut off: the counts go on",
                partition=str(partition), counted_to=held.next_offset, ends_at=end, from_offset=new,
            )  # fmt: skip
            return await self._advance(partition, held, Counted(new, None, since))
        if held.next_offset < start:
            log.warning(
                "dead letters were deleted before they were counted",
                partition=str(partition), records=start - held.next_offset,
            )  # fmt: skip
            after = Counted(start, None, held.last_appended_ms)
            return await self._advance(partition, held, after)
        return held

    async def _is_same_log(
        self, kafka: Log, partition: Partition, held: Counted, start: int, end: int
    ) -> bool:
        if held.next_offset > end:
            return False
        if partition in self._compared:
            return True
        last = held.next_offset - 1
        if held.last_event_id is not None and last >= start:
            async with asyncio.timeout(STALLED_S):
                found = await kafka.event_id(partition, last)
            if found != held.last_event_id:
                return False
        self._compared.add(partition)
        return True

    async def _advance(
        self, partition: Partition, before: Counted | None, after: Counted, letters: Any = ()
    ) -> Counted | None:
        moved = await self._leader.run(
            partial(
                count_store.advance,
                partition=partition, before=before, after=after, letters=letters,
            )
        )  # fmt: skip
        return after if moved else None

    async def _close_log(self) -> None:
        kafka, self._log = self._log, None
        if kafka is not None:
            await kafka.close()
