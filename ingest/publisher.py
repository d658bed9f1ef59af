"""Where deliveries go: to Kafka, and in memory for tests and tools.

A record is handed over once. What became of it is told by a future that nobody may cancel:
acknowledged, or still unknown; the producer itself repeats an unanswered batch, without
doubling it, for as long as it lives.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from ingest.partitions import partition_of
from runtime import logs
from runtime.producer import new_producer
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


@dataclass(frozen=True, slots=True)
class Record:
    """One record to append. ``topic`` is the name on the broker."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = field(default_factory=list)


class Publisher(Protocol):
    """Takes records, tells when they are safe."""

    async def send(self, record: Record) -> "asyncio.Future[Any]":
        """Hand the record over; the future resolves once it is acknowledged (acks=all).

        Raises NotSentError where it was not handed over. Cancelling the call before it
        returns hands nothing over; shield the future.
        """
        ...


def leave(reason: str) -> NoReturn:
    """End the process at once, without flushing: what was sent may still be appended."""
    log.critical("leaving: the producer cannot go on; the supervisor starts anew", reason=reason)
    logging.shutdown()
    os._exit(EXIT_FATAL)


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
        self._unsettled: set[asyncio.Future[Any]] = set()

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
        log.info("Kafka reached", brokers=self._settings.brokers)

    async def send(self, record: Record) -> "asyncio.Future[Any]":
        """See Publisher."""
        producer = self._producer
        if producer is None:
            raise NotSentError("Kafka has not been reached yet")
        try:
            count = self._partitions.get(record.topic)
            if count is None:
                count = len(await producer.partitions_for(record.topic))
                self._partitions[record.topic] = count
            future: asyncio.Future[Any] = await producer.send(
                record.topic,
                record.value,
                record.key,
                partition=partition_of(record.key, count),
                headers=record.headers,
            )
        except KafkaError as error:
            if not error.retriable and not isinstance(error, _UNSENT):
                self._on_fatal(repr(error))
            raise NotSentError(repr(error)) from error
        self._unsettled.add(future)
        future.add_done_callback(self._settled)
        return future

    def _settled(self, future: "asyncio.Future[Any]") -> None:
        self._unsettled.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            # The sequence numbers of its batch are spent: the broker takes none behind them.
            self._on_fatal(repr(error))

    async def close(self, patience: float) -> bool:
        """Disconnect once all is acknowledged. False: something still is not, leave as is."""
        producer = self._producer
        if producer is None:
            return True
        if self._unsettled:
            await asyncio.wait(tuple(self._unsettled), timeout=patience)
        if self._unsettled:
            return False
        await producer.stop()
        return True


class MemoryPublisher:
    """Keeps records in a list. ``holds``: acknowledges nothing until ``acknowledge``."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.holds = False
        self.refuses: str | None = None
        self._waiting: list[asyncio.Future[Any]] = []

    async def send(self, record: Record) -> "asyncio.Future[Any]":
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
