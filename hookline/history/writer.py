"""Appends imported rows to the raw topic: whole batches, many in flight, one idempotent producer.

A row counts as written once Kafka has acknowledged it and every row before it. Rows after that may
be in the topic too when the process is killed: written again, they are repeats.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from hookline.console.errors import CommandError
from hookline.history.prepare import Marker, Prepared, Refused
from hookline.history.state import State
from ingest.partitioner import partition_of
from runtime.kafka.producer import new_producer, require_visible
from runtime.kafka.reasons import explained, explanation
from runtime.kafka.topic_checks import partition_count
from runtime.settings import Settings
from schemas.events import Micros
from schemas.topics import WEBHOOKS

CHUNK = 4_000
"""Rows that are prepared and sent together."""
IN_FLIGHT = 4
"""Chunks that may be unacknowledged."""
SAVE_EVERY = 1.0
"""Seconds between two writes of the state."""

_Batch = tuple[int, int, "asyncio.Future[Any]"]
"""(partition, records, the acknowledgement)."""


class _Chunk(NamedTuple):
    """Rows that are sent: the last one's number, how many are written, which are refused."""

    row: int
    written: int
    refused: list[Refused]
    batches: list[_Batch]


class Writer:
    """Writes prepared rows. Use as an async context manager."""

    def __init__(self, settings: Settings, marker: Marker, state: State) -> None:
        self._settings, self._marker, self.state = settings, marker, state
        self._topic = settings.topic(WEBHOOKS)
        self._producer: AIOKafkaProducer | None = None
        self._chunks: deque[_Chunk] = deque()

    async def __aenter__(self) -> Self:
        """Connect. Raises UnreachableError, DeniedError."""
        self._producer = producer = new_producer(self._settings)
        try:
            async with explained(self._settings, "Write"):
                await producer.start()
                await require_visible(producer, (self._topic,))
                found = len(await producer.partitions_for(self._topic))
        except BaseException:
            await producer.stop()
            raise
        self._partitions = min(found, partition_count(WEBHOOKS, self._settings))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def write(
        self,
        rows: Iterable[Prepared | Refused],
        save: Callable[[State], None],
        rate: float | None = None,
    ) -> None:
        """Write rows, which begin after ``state.row``; ``rate``: most rows a second.

        Raises CommandError where Kafka does not acknowledge: the state is saved.
        """
        started = saved = time.monotonic()
        done, iterator = 0, iter(rows)
        size = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 4)))
        try:
            while chunk := list(islice(iterator, size)):
                await self._send(chunk)
                done += len(chunk)
                while len(self._chunks) > IN_FLIGHT or self._is_answered():
                    await self._acknowledge()
                if time.monotonic() - saved > SAVE_EVERY:
                    save(self.state)
                    saved = time.monotonic()
                if rate is not None:
                    await asyncio.sleep(max(0.0, started + done / rate - time.monotonic()))
            while self._chunks:
                await self._acknowledge()
        except KafkaError as error:
            why = explanation(error, self._settings, "Write") or repr(error)
            raise CommandError(f"Kafka does not take the rows: {why}; run it again to go on") from (
                error
            )
        finally:
            save(self.state)

    async def state_history(self, row: Prepared, history_from: Micros) -> None:
        """Write a row once more: its delivery states how far back the history reaches."""
        batches = await self._append([row], history_from)
        self._chunks.append(_Chunk(self.state.row, 1, [], batches))
        await self._acknowledge()

    async def _send(self, chunk: list[Prepared | Refused]) -> None:
        good = [row for row in chunk if isinstance(row, Prepared)]
        refused = [row for row in chunk if isinstance(row, Refused)]
        batches = await self._append(good, None)
        self._chunks.append(_Chunk(chunk[-1].row, len(good), refused, batches))

    async def _append(self, rows: list[Prepared], history_from: Micros | None) -> list[_Batch]:
        producer = self._producer
        assert producer is not None  # noqa: S101 - inside the context
        headers, count = self._marker.headers, self._partitions
        opened: dict[int, Any] = {}
        closed: list[tuple[int, Any]] = []
        for row in rows:
            partition = partition_of(row.key, count)
            batch = opened.get(partition)
            made = headers(row, history_from)
            if batch is None or not _append(batch, row, made):
                if batch is not None:
                    closed.append((partition, batch))
                batch = opened[partition] = producer.create_batch()
                _append(batch, row, made)  # an empty batch takes a record of any size
        sent: list[_Batch] = []
        for partition, batch in (*closed, *opened.items()):
            batch.close()
            records = batch.record_count()
            answer = await producer.send_batch(batch, self._topic, partition=partition)
            sent.append((partition, records, answer))
        return sent

    def _is_answered(self) -> bool:
        return bool(self._chunks) and all(answer.done() for *_, answer in self._chunks[0].batches)

    async def _acknowledge(self) -> None:
        """Wait for the oldest chunk."""
        chunk = self._chunks[0]
        for partition, records, answer in chunk.batches:
            metadata = await answer
            if metadata.offset < 0:  # an attempt before had appended it
                self.state.counts_all = False
            else:
                self.state.add_range(partition, metadata.offset, metadata.offset + records - 1)
        self._chunks.popleft()
        self.state.pass_rows(chunk.row, chunk.written, chunk.refused)


def _append(batch: Any, row: Prepared, headers: Any) -> bool:
    return batch.append(key=row.key, value=row.body, timestamp=None, headers=headers) is not None
