"""Publishers of raw records: to Kafka, and to memory for tests and tools.

A record is sent once; its future resolves when Kafka acknowledges it. The idempotent producer
itself repeats an unanswered batch, without duplicates, for as long as the process runs.

Records that arrive for a partition while its last batch is unanswered form the next batch, so
the cost of a record falls as the rate rises.
"""

import asyncio
import contextlib
import copy
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from ingest.partitioner import partition_of
from runtime import logs
from runtime.kafka.producer import new_producer, require_visible
from runtime.kafka.reasons import explained, explanation
from runtime.kafka.topic_checks import partition_count
from runtime.settings import Settings
from schemas.envelopes import Headers
from schemas.topics import ALL, INGRESS, WEBHOOKS

log = logs.get("hookline.publisher")

EXIT_FATAL = 70
"""Exit code after a fatal error of the producer."""
CONNECT_PAUSE = 1.0
_NOT_YET = "Kafka has not been reached yet"
_UNSENT = (KafkaTimeoutError, MessageSizeTooLargeError, TopicAuthorizationFailedError)
"""Errors of sending that are not retriable, yet leave the producer usable."""


class NotSentError(Exception):
    """The record was certainly not sent; the message gives the reason."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record to append. ``topic`` is the name on the broker."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = msgspec.field(default_factory=list)


class Publisher(Protocol):
    """Sends records and reports when they are acknowledged."""

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """Send a record; the future resolves once it is acknowledged (acks=all).

        Raises NotSentError, here or through the future, if it was not sent. Do not cancel the
        future: use ``asyncio.shield``.
        """
        ...


def exit_without_flush(reason: str) -> NoReturn:
    """End the process at once, without flushing: unacknowledged records may still be appended."""
    log.critical(
        "the producer cannot continue; exiting, to be restarted by the supervisor", reason=reason
    )
    logging.shutdown()
    os._exit(EXIT_FATAL)


Pending = tuple[Record, "asyncio.Future[Any]"]


@dataclass(slots=True)
class PartitionQueue:
    """Records of one partition; at most one batch of them is unanswered."""

    topic: str
    partition: int
    waiting: deque[Pending] = field(default_factory=deque)
    unanswered: "list[asyncio.Future[Any]]" = field(default_factory=list)


class KafkaPublisher:
    """Sends through one idempotent producer.

    ``on_fatal`` is called with an error after which the producer can no longer send in order; in
    production it must end the process. ``obstacle`` is why nothing can be sent yet.
    """

    def __init__(
        self,
        settings: Settings,
        on_fatal: Callable[[str], object] = exit_without_flush,
        **overrides: Any,
    ) -> None:
        self._settings = settings
        self._on_fatal = on_fatal
        self._overrides = overrides
        self._producer: AIOKafkaProducer | None = None
        self.obstacle = _NOT_YET
        self._partitions: dict[str, int] = {}
        self._declared = {settings.topic(topic): partition_count(topic, settings) for topic in ALL}
        self._incoming: list[Pending] = []
        self._queues: dict[tuple[str, int], PartitionQueue] = {}
        self._ready: list[PartitionQueue] = []
        self._unsettled = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Start the producer; wait for Kafka for as long as it takes."""
        while self._producer is None:
            producer = new_producer(self._settings, **self._overrides)
            try:
                async with explained(self._settings, "Write"):
                    await producer.start()
                    await require_visible(producer, map(self._settings.topic, (WEBHOOKS, INGRESS)))
            except (KafkaError, OSError) as error:
                await producer.stop()  # nothing was sent through it
                if self.obstacle != (obstacle := f"{_NOT_YET}: {error}"):
                    self.obstacle = obstacle
                    log.warning(
                        "Kafka cannot be used yet; retrying",
                        brokers=self._settings.brokers,
                        why=str(error),
                    )
                await asyncio.sleep(CONNECT_PAUSE)
            except asyncio.CancelledError:
                await producer.stop()
                raise
            else:
                self._producer = producer
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.create_task(self._send_all(self._producer))
        self._sending.add_done_callback(self._check_failure)
        log.info("Kafka reached", brokers=self._settings.brokers)

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """See Publisher."""
        if self._producer is None:
            raise NotSentError(self.obstacle)
        future = self._loop.create_future()
        self._incoming.append((record, future))
        self._unsettled += 1
        self._work.set()
        return future

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        """Send what is queued, one batch for each partition at a time, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            incoming, self._incoming = self._incoming, []
            for record, future in incoming:
                count = self._partitions.get(record.topic)
                if count is None:
                    try:
                        found = len(await producer.partitions_for(record.topic))
                    except KafkaError as error:
                        self._settle([future], self._not_sent(error))
                        continue
                    # Those that somebody added later would take keys away from their partitions.
                    count = min(found, self._declared.get(record.topic, found))
                    self._partitions[record.topic] = count
                self._enqueue(record, future, count)
            ready, self._ready = self._ready, []
            for queue in ready:
                if queue.waiting and not queue.unanswered:
                    await self._send_batch(producer, queue)

    def _enqueue(self, record: Record, future: "asyncio.Future[Any]", partitions: int) -> None:
        topic, partition = record.topic, partition_of(record.key, partitions)
        queue = self._queues.get((topic, partition))
        if queue is None:
            queue = self._queues[topic, partition] = PartitionQueue(topic, partition)
        if not queue.waiting:
            self._ready.append(queue)
        queue.waiting.append((record, future))

    async def _send_batch(self, producer: AIOKafkaProducer, queue: PartitionQueue) -> None:
        """Send one batch of the queue's first records, as many as fit."""
        batch, waiting = producer.create_batch(), queue.waiting
        futures = queue.unanswered
        while waiting:
            record, future = waiting[0]
            metadata = batch.append(
                key=record.key, value=record.value, timestamp=None, headers=record.headers
            )
            if metadata is None:  # full; an empty batch takes a record of any size
                break
            waiting.popleft()
            futures.append(future)
        batch.close()
        try:
            answer = await producer.send_batch(batch, queue.topic, partition=queue.partition)
        except KafkaError as error:
            self._settle_batch(queue, self._not_sent(error))
        else:
            answer.add_done_callback(lambda answer: self._on_answer(queue, answer))

    def _not_sent(self, error: KafkaError) -> NotSentError:
        if not error.retriable and not isinstance(error, _UNSENT):
            self._on_fatal(self._reason(error))
        return NotSentError(self._reason(error))

    def _reason(self, error: BaseException) -> str:
        return explanation(error, self._settings, "Write") or repr(error)

    def _on_answer(self, queue: PartitionQueue, answer: "asyncio.Future[Any]") -> None:
        error = answer.exception()
        if error is not None:
            # The batch's sequence numbers are used up: the broker accepts none after the gap.
            self._on_fatal(self._reason(error))
        self._settle_batch(queue, error)

    def _settle_batch(self, queue: PartitionQueue, error: BaseException | None) -> None:
        futures, queue.unanswered = queue.unanswered, []
        self._settle(futures, error)
        if queue.waiting:
            self._ready.append(queue)
            self._work.set()

    def _settle(self, futures: "list[asyncio.Future[Any]]", error: BaseException | None) -> None:
        self._unsettled -= len(futures)
        for future in futures:
            if future.done():  # cancelled by its owner
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(copy.copy(error))
                future.exception()  # marks it as retrieved: its owner may be gone
        if not self._unsettled:
            self._idle.set()

    def _check_failure(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("the publisher's send loop failed", exc_info=error)
            self._on_fatal(repr(error))

    async def close(self, patience: float) -> bool:
        """Disconnect once all is acknowledged; return False if that takes over ``patience`` s."""
        producer = self._producer
        if producer is None or self._sending is None:
            return True
        if self._unsettled:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), patience)
        if self._unsettled:
            return False
        self._sending.cancel()
        await producer.stop()
        return True


class MemoryPublisher:
    """Keeps records in a list. ``holds``: withhold acknowledgements until ``acknowledge``."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.holds = False
        self.refuses: str | None = None
        self._waiting: list[asyncio.Future[Any]] = []

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """See Publisher. Raises NotSentError with the reason in ``refuses``."""
        if self.refuses is not None:
            raise NotSentError(self.refuses)
        self.records.append(record)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.holds:
            self._waiting.append(future)
        else:
            future.set_result(None)
        return future

    def acknowledge(self, error: Exception | None = None) -> None:
        """Resolve the withheld futures, with an error if one is given."""
        for future in self._waiting:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self._waiting.clear()
