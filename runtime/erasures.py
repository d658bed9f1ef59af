"""The ledger of erasures: appended to its topic, read from its start, and followed."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime import logs
from runtime.kafka import log_reader
from runtime.kafka.producer import new_producer
from runtime.kafka.reasons import explained
from runtime.settings import Settings
from schemas.json_records import erasures
from schemas.json_records.erasures import Entry, Ledger
from schemas.topics import ERASURES

log = logs.get("hookline.erasures")


async def record(settings: Settings, entries: Iterable[Entry]) -> None:
    """Append entries; they are acknowledged when this returns. Raises KafkaError."""
    producer = new_producer(settings)
    async with explained(settings, "Write"):
        try:
            await producer.start()
            sent = [
                await producer.send(
                    settings.topic(ERASURES),
                    key=entry.key,
                    value=erasures.encode(entry),
                    partition=0,  # the only one that is read, also where somebody added more
                )
                for entry in entries
            ]
            for each in sent:
                await each
        finally:
            await producer.stop()


class LedgerReader:
    """Reads the ledger; ``ledger`` has all entries of the ``read`` calls so far.

    Kafka may be away at any call: the next one connects again and goes on.
    """

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger()
        self._settings = settings
        self._partition = TopicPartition(settings.topic(ERASURES), 0)
        self._next = 0
        self._client: AIOKafkaConsumer | None = None
        self._opened = AsyncExitStack()

    async def read(self) -> list[Entry]:
        """Add what was appended since the last call, and return it. Raises KafkaError, OSError."""
        try:
            return await self._read()
        except BaseException:
            await self.close()
            raise

    async def _read(self) -> list[Entry]:
        tp = self._partition
        found: list[Entry] = []
        client: Any = self._client
        if client is None:
            client = await self._opened.enter_async_context(log_reader.consumer(self._settings))
            self._client = client
        async with explained(self._settings, "Read"):
            end = await log_reader.end_offsets(client, [tp])
            if end[tp] < self._next:
                log.warning("the ledger of erasures begins anew", until=self._next, end=end[tp])
                self._next = 0
            if end[tp] == self._next:
                # A fetch is refused without the right to read, also where there is nothing to read.
                if tp not in client.assignment():
                    client.assign([tp])
                    client.seek(tp, self._next)
                await client.getmany(tp, timeout_ms=0)
                return found
            start = {tp: self._next}
            unknown = 0
            async for _, batch in log_reader.records(client, start, end):
                for each in batch:
                    if (entry := erasures.decode_or_none(each.value)) is None:
                        unknown += 1
                    else:
                        found.append(entry)
            self._next = end[tp]
        if unknown:
            log.warning("records are no entries of the ledger", records=unknown)
        for entry in found:
            self.ledger.add(entry)
        return found

    async def close(self) -> None:
        """Close the connection, if there is one."""
        self._client = None
        opened, self._opened = self._opened, AsyncExitStack()
        await opened.aclose()
