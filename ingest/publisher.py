"""Where deliveries go: to Kafka, and in memory for tests and tools.

A record is handed over once. What became of it is told by a future that nobody may cancel:
acknowledged, or still unknown; the producer itself repeats an unanswered batch, without
doubling it, for as long as it lives.

Records of many requests go as one batch: what arrives for a partition while its last batch is
unanswered waits for the next one. So the more there is to send, the less each record costs.
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
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas.envelopes import Headers

log = logs.get("hookline.publisher")

EXIT_FATAL = 70
"""Exit code of a process whose producer cannot go on."""
CONNECT_PAUSE = 1.0
_UNSENT = (KafkaTimeoutError, MessageSizeTooLargeError, TopicAuthorizationFailedError)
"""Errors of handing over that are not retriable, and yet leave the producer whole."""


class NotSentError(Exception):
    """The record was certainly not handed over; the message says why."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record to append. ``topic`` is the name on the broker."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = msgspec.field(default_factory=list)


class Publisher(Protocol):
    """Takes records, tells when they are safe."""

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """Hand the record over; the future resolves once it is acknowledged (acks=all).

        Raises NotSentError, now or by the future, where it was not handed over. Shield the
        future: it is the record's, whoever waits for it.
        """
        ...


def leave(reason: str) -> NoReturn:
    """End the process at once, without flushing: what was sent may still be appended."""
    log.critical("leaving: the producer cannot go on; the supervisor starts anew", reason=reason)
    logging.shutdown()
    os._exit(EXIT_FATAL)


Handed = tuple[Record, "asyncio.Future[Any]"]


@dataclass(slots=True)
class Lane:
    """One partition: at most one batch of it is unanswered, what comes meanwhile waits."""

    topic: str
    number: int
    waiting: deque[Handed] = field(default_factory=deque)
    unanswered: "list[asyncio.Future[Any]]" = field(default_factory=list)


class KafkaPublisher:
    """Sends through one idempotent producer.

    ``on_fatal`` is called with an error after which that producer can send nothing more in
    order; it must not return in production.
    """

    def __init__(
        self, settings: Settings, on_fatal: Callable[[str], object] = leave, **overrides: Any
    ) -> None:
        self._settings = settings
        self._on_fatal = on_fatal
        self._overrides = overrides
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._arrived: list[Handed] = []
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._ready: list[Lane] = []
        self._unsettled = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Return once the producer has its identity; waits for Kafka as long as it takes."""
        problem = ""
        while self._producer is None:
            producer = new_producer(self._settings, **self._overrides)
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                await producer.stop()  # nothing was sent through it
                if problem != (problem := repr(error)):
                    log.warning("Kafka is not there yet", brokers=self._settings.brokers)
                await asyncio.sleep(CONNECT_PAUSE)
            except asyncio.CancelledError:
                await producer.stop()
                raise
            else:
                self._producer = producer
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.create_task(self._send_all(self._producer))
        self._sending.add_done_callback(self._ended)
        log.info("Kafka reached", brokers=self._settings.brokers)

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """See Publisher."""
        if self._producer is None:
            raise NotSentError("Kafka has not been reached yet")
        future = self._loop.create_future()
        self._arrived.append((record, future))
        self._unsettled += 1
        self._work.set()
        return future

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        """Hand over what waits, as one batch of each partition, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            arrived, self._arrived = self._arrived, []
            for record, future in arrived:
                count = self._partitions.get(record.topic)
                if count is None:
                    try:
                        count = len(await producer.partitions_for(record.topic))
                    except KafkaError as error:
                        self._settle([future], self._refused(error))
                        continue
                    self._partitions[record.topic] = count
                self._place(record, future, count)
            ready, self._ready = self._ready, []
            for lane in ready:
                if lane.waiting and not lane.unanswered:
                    await self._submit(producer, lane)

    def _place(self, record: Record, future: "asyncio.Future[Any]", partitions: int) -> None:
        topic, number = record.topic, partition_of(record.key, partitions)
        lane = self._lanes.get((topic, number))
        if lane is None:
            lane = self._lanes[topic, number] = Lane(topic, number)
        if not lane.waiting:
            self._ready.append(lane)
        lane.waiting.append((record, future))

    async def _submit(self, producer: AIOKafkaProducer, lane: Lane) -> None:
        """One batch of what waits in a lane, as much as it holds."""
        batch, waiting = producer.create_batch(), lane.waiting
        futures = lane.unanswered
        while waiting:
            record, future = waiting[0]
            said = batch.append(
                key=record.key, value=record.value, timestamp=None, headers=record.headers
            )
            if said is None:  # full: a fresh one takes its first record whatever its size
                break
            waiting.popleft()
            futures.append(future)
        batch.close()
        try:
            answer = await producer.send_batch(batch, lane.topic, partition=lane.number)
        except KafkaError as error:
            self._answered(lane, self._refused(error))
        else:
            answer.add_done_callback(lambda answer: self._acknowledged(lane, answer))

    def _refused(self, error: KafkaError) -> NotSentError:
        if not error.retriable and not isinstance(error, _UNSENT):
            self._on_fatal(repr(error))
        return NotSentError(repr(error))

    def _acknowledged(self, lane: Lane, answer: "asyncio.Future[Any]") -> None:
        error = answer.exception()
        if error is not None:
            # The sequence numbers of its batch are spent: the broker takes none behind them.
            self._on_fatal(repr(error))
        self._answered(lane, error)

    def _answered(self, lane: Lane, error: BaseException | None) -> None:
        futures, lane.unanswered = lane.unanswered, []
        self._settle(futures, error)
        if lane.waiting:
            self._ready.append(lane)
            self._work.set()

    def _settle(self, futures: "list[asyncio.Future[Any]]", error: BaseException | None) -> None:
        self._unsettled -= len(futures)
        for future in futures:
            if future.done():  # somebody cancelled it all the same
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(copy.copy(error))
                future.exception()  # whoever asked may have left
        if not self._unsettled:
            self._idle.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("the publisher failed", exc_info=error)
            self._on_fatal(repr(error))

    async def close(self, patience: float) -> bool:
        """Disconnect once all is acknowledged. False: something still is not, leave as is."""
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
    """Keeps records in a list. ``holds``: acknowledges nothing until ``acknowledge``."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.holds = False
        self.refuses: str | None = None
        self._waiting: list[asyncio.Future[Any]] = []

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """See Publisher; ``refuses`` is the reason of a NotSentError."""
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
        """Settle what is held, with an error if one is given."""
        for future in self._waiting:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self._waiting.clear()
