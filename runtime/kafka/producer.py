"""The idempotent producer: acks=all, ours, never Faust's.

While it lives it repeats an unanswered batch without appending it twice. So after an unknown
result wait on the same producer or exit: a second producer, or a ``stop()`` that flushes, could
append the batch again.
"""

import asyncio
import contextlib
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from runtime import logs
from runtime.health import Health, wait_until
from runtime.kafka.client.silent_brokers import avoid_silent_brokers
from runtime.kafka.reasons import DeniedError, explained, explanation
from runtime.settings import ANSWER_MS, Settings
from runtime.stage import RefusedError
from schemas.envelopes import Outcome
from schemas.topics import MIB

log = logs.get("hookline.producer")

MAX_REQUEST = 5 * MIB
"""Bytes: the largest record of any topic (4 MiB) and its frame."""
MAX_BATCH = 900_000
"""Bytes of one produced batch; below the broker's default limit for a batch."""
QUEUE_MS = 40_000
"""How long a record may wait for room in the producer, and how long a broker may collect the
acknowledgements of its replicas. An answer of a connection has ``settings.ANSWER_MS``."""
PATIENCE = 5.0
"""Seconds without an answer between two warnings."""
_LOOK_UP = 2.0
"""Seconds to look up a topic before the first record."""
SHOWN = 5.0
"""Seconds for which a missing right is shown on /readyz before the process exits."""
EXIT_UNANSWERED = 71


def new_producer(settings: Settings, **overrides: Any) -> AIOKafkaProducer:
    """Create an idempotent producer. Start it inside the running loop."""
    arguments: dict[str, Any] = {
        **settings.kafka(),
        "request_timeout_ms": QUEUE_MS,
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "max_batch_size": MAX_BATCH,
        "max_request_size": MAX_REQUEST,
        **overrides,
    }
    producer = AIOKafkaProducer(**arguments)
    producer.client._request_timeout_ms = ANSWER_MS
    avoid_silent_brokers(producer.client)
    # A batch whose partition has no leader would expire. Its sequence numbers are used up by then,
    # so that only an exit could follow: it waits instead, as one on the wire does.
    producer._message_accumulator._batch_ttl = math.inf
    return producer


async def started_producer(settings: Settings, health: Health) -> AIOKafkaProducer:
    """Start an idempotent producer; waits while Kafka is away. Raises DeniedError."""

    async def start() -> AIOKafkaProducer:
        producer = new_producer(settings)
        try:
            async with explained(settings, "Write"):
                await producer.start()
        except BaseException:
            await producer.stop()  # nothing was sent through it
            raise
        return producer

    return await wait_until(
        health, "kafka", start, (KafkaError, OSError), str, final=DeniedError, longest_pause=2.0
    )


async def require_visible(producer: AIOKafkaProducer, names: Iterable[str]) -> None:
    """Raise TopicAuthorizationFailedError for a topic that we may not even see.

    Write implies Describe, so it lacks both. Topics that do not exist yet are left to the sends.
    """
    for name in names:
        with contextlib.suppress(TimeoutError, UnknownTopicOrPartitionError):
            async with asyncio.timeout(_LOOK_UP):
                await producer.partitions_for(name)


@dataclass(frozen=True, slots=True)
class Appended:
    """Outcomes that the broker acknowledged as one batch: ``count`` of them, and the ``last``.

    ``base`` is the offset of the first; -1 is aiokafka's answer to a batch that an earlier
    attempt had already appended.
    """

    topic: str
    base: int
    count: int
    last: Outcome


@dataclass(slots=True)
class UnsentBatch:
    """The serialised records of one request, and the last outcome among them."""

    topic: str
    records: Any
    last: Outcome


class BatchSender:
    """Appends outcomes to one partition number of several topics, in whole batches."""

    def __init__(self, settings: Settings, health: Health, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._health = health
        self._producer = producer

    def build_batches(self, outcomes: Iterable[Outcome]) -> list[UnsentBatch]:
        """Serialise all outcomes, one by one as the iterator yields them, into batches."""
        batches: list[UnsentBatch] = []
        open_batches: dict[str, UnsentBatch] = {}
        for outcome in outcomes:
            batch = open_batches.get(outcome.topic)
            if batch is None or not _append(batch.records, outcome):
                records = self._producer.create_batch()
                _append(records, outcome)  # an empty batch takes a record of any size
                batch = open_batches[outcome.topic] = UnsentBatch(outcome.topic, records, outcome)
                batches.append(batch)
            batch.last = outcome
        return batches

    async def send(
        self, partition: int, batches: Iterable[UnsentBatch], is_current: Callable[[], bool]
    ) -> list[Appended]:
        """Append all batches, each topic's in the order given; return the acknowledgements.

        Waits as long as the generation lasts. Exits the process where the generation is over and
        a send is unanswered, and on a fatal error: the next owner reads back what was appended.
        Once ``is_current`` is false nothing more is sent; the acknowledgements of what was sent
        are returned. Raises RefusedError, with no send unanswered, where a topic's record limit
        is too low.
        """
        sent = [
            (batch, future)
            for batch in batches
            if (future := await self._submit(batch, partition, is_current)) is not None
        ]
        answers = [(batch, await self._answer(batch, future, is_current)) for batch, future in sent]
        for batch, answer in answers:
            if answer is None:
                raise RefusedError(
                    f"{self._settings.prefix}{batch.topic} refuses a batch of"
                    f" {batch.records.size()} bytes: its max.message.bytes was lowered;"
                    " `hookline doctor` shows the required value"
                )
        return [
            Appended(batch.topic, answer.offset, batch.records.record_count(), batch.last)
            for batch, answer in answers
        ]

    async def _submit(
        self, batch: UnsentBatch, partition: int, is_current: Callable[[], bool]
    ) -> asyncio.Future[Any] | None:
        name = f"{self._settings.prefix}{batch.topic}"
        batch.records.close()
        while is_current():
            try:
                future: asyncio.Future[Any] = await self._producer.send_batch(
                    batch.records, name, partition=partition
                )
            except KafkaTimeoutError as error:  # not queued, so nothing of it was sent
                self._report_waiting(error)
            except KafkaError as error:
                await self._give_up(name, error)
            else:
                return future
        return None

    async def _answer(
        self, batch: UnsentBatch, future: asyncio.Future[Any], is_current: Callable[[], bool]
    ) -> Any:
        """Wait for the broker's answer to a batch; None where the batch is too large for it."""
        while True:
            try:
                # Shielded: cancelling the future would not unsend the batch.
                answer = await asyncio.wait_for(asyncio.shield(future), PATIENCE)
            except TimeoutError as error:
                self._report_waiting(error)
                if not is_current():
                    _exit("partition reassigned with a send unanswered; exiting", error)
            except MessageSizeTooLargeError:
                return None
            except KafkaError as error:
                await self._give_up(f"{self._settings.prefix}{batch.topic}", error)
            else:
                self._health.met("produce")
                return answer

    async def _give_up(self, topic: str, error: KafkaError) -> NoReturn:
        is_denied = isinstance(error, TopicAuthorizationFailedError)
        if is_denied:
            error = TopicAuthorizationFailedError(topic)  # aiokafka's does not always name it
        why = explanation(error, self._settings, "Write") or repr(error)
        log.critical("fatal producer error; exiting", error=why)
        if is_denied:  # the next start would meet the same: whoever looks shall see why
            self._health.waiting("produce", why)
            await asyncio.sleep(SHOWN)
        os._exit(EXIT_UNANSWERED)

    def _report_waiting(self, error: BaseException) -> None:
        self._health.waiting("produce", "Kafka does not acknowledge our records")
        log.warning("waiting for kafka to acknowledge", error=repr(error))


def _append(batch: Any, outcome: Outcome) -> bool:
    """Append as ``BatchBuilder.append`` does, without serializers. False where it is full."""
    relative_offset = batch._relative_offset
    metadata = batch._builder.append(
        relative_offset, None, outcome.key, outcome.value, outcome.headers
    )
    if metadata is None:
        return False
    batch._relative_offset = relative_offset + 1
    return True


def _exit(reason: str, error: BaseException) -> NoReturn:
    log.critical(reason, error=repr(error))
    os._exit(EXIT_UNANSWERED)
