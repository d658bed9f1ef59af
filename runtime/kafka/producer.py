"""The idempotent producer: acks=all, ours, never Faust's.

It repeats an unanswered batch without doubling it for as long as it lives. After an unknown
result wait on the same producer or leave the process: a second producer beside it, or a
``stop()`` that flushes, can append the batch again.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from runtime import logs
from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import RefusedError
from schemas.envelopes import Outcome
from schemas.topics import MIB

log = logs.get("hookline.producer")

MAX_REQUEST = 5 * MIB
"""Bytes: the largest record of any topic (4 MiB) and its frame."""
MAX_BATCH = 900_000
"""Bytes of one produced batch; below the broker's default limit for a batch."""
ANSWER_MS = 10_000
"""How long a request may stay unanswered before its connection is taken for dead. aiokafka's
40 s hold up a partition as long; its batches keep those, so that none is given up sooner."""
PATIENCE = 5.0
"""Seconds without an answer after which a wait is said aloud, and again."""
EXIT_UNANSWERED = 71


def new_producer(settings: Settings, **overrides: Any) -> AIOKafkaProducer:
    """An idempotent producer, not yet started. Start it inside the running loop."""
    arguments: dict[str, Any] = {
        **settings.kafka(),
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 0,
        "max_batch_size": MAX_BATCH,
        "max_request_size": MAX_REQUEST,
        **overrides,
    }
    producer = AIOKafkaProducer(**arguments)
    producer.client._request_timeout_ms = ANSWER_MS
    return producer


@dataclass(frozen=True, slots=True)
class Appended:
    """Outcomes that the broker acknowledged together: ``count`` of them, and their ``last``.

    ``base`` is the first one's offset; -1 is aiokafka's answer to a batch that an earlier
    attempt had already appended.
    """

    topic: str
    base: int
    count: int
    last: Outcome


@dataclass(slots=True)
class Filled:
    """One request's records as bytes, and the last of them as it was given."""

    topic: str
    batch: Any
    last: Outcome


class BatchSender:
    """Appends outcomes to one partition number of several topics, in whole batches."""

    def __init__(self, settings: Settings, health: Health, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._health = health
        self._producer = producer

    def filled(self, outcomes: Iterable[Outcome]) -> list[Filled]:
        """All outcomes in batches, for ``send``: an outcome is bytes as soon as it is taken."""
        batches: list[Filled] = []
        filling: dict[str, Filled] = {}
        for outcome in outcomes:
            filled = filling.get(outcome.topic)
            if filled is None or not _append(filled.batch, outcome):
                batch = self._producer.create_batch()
                _append(batch, outcome)  # a fresh batch takes its first record whatever its size
                filled = filling[outcome.topic] = Filled(outcome.topic, batch, outcome)
                batches.append(filled)
            filled.last = outcome
        return batches

    async def send(
        self, partition: int, batches: Iterable[Filled], is_current: Callable[[], bool]
    ) -> list[Appended]:
        """Append all, each topic in the order given; return what the broker said.

        Waits as long as the generation lasts. Once it is over with a send unanswered, or on
        an error that no waiting heals, the process ends: the next owner reads what arrived.
        Nothing is sent any more once ``is_current`` is false; what was sent is returned.
        Raises RefusedError, with nothing unanswered, where a topic takes less than it should.
        """
        sent = [
            (filled, future)
            for filled in batches
            if (future := await self._submit(filled, partition, is_current)) is not None
        ]
        answers = [(filled, await self._settled(future, is_current)) for filled, future in sent]
        for filled, answer in answers:
            if answer is None:
                raise RefusedError(
                    f"{self._settings.prefix}{filled.topic} refuses a batch of"
                    f" {filled.batch.size()} bytes: its max.message.bytes was lowered;"
                    " `hookline doctor` says what it must be"
                )
        return [
            Appended(filled.topic, answer.offset, filled.batch.record_count(), filled.last)
            for filled, answer in answers
        ]

    async def _submit(
        self, filled: Filled, partition: int, is_current: Callable[[], bool]
    ) -> asyncio.Future[Any] | None:
        name = f"{self._settings.prefix}{filled.topic}"
        filled.batch.close()
        while is_current():
            try:
                future: asyncio.Future[Any] = await self._producer.send_batch(
                    filled.batch, name, partition=partition
                )
            except KafkaTimeoutError as error:  # not queued: nothing of it was sent
                self._say(error)
            except KafkaError as error:
                _leave("the producer cannot go on", error)
            else:
                return future
        return None

    async def _settled(self, future: asyncio.Future[Any], is_current: Callable[[], bool]) -> Any:
        """What the broker says of a batch; None where it is too large for it."""
        while True:
            try:
                answer = await asyncio.wait_for(asyncio.shield(future), PATIENCE)
            except TimeoutError as error:
                self._say(error)
                if not is_current():
                    _leave("the partition went to another worker with a send unanswered", error)
            except MessageSizeTooLargeError:
                return None
            except KafkaError as error:
                _leave("the producer cannot go on", error)
            else:
                self._health.met("produce")
                return answer

    def _say(self, error: BaseException) -> None:
        self._health.waiting("produce", "Kafka does not acknowledge what we send")
        log.warning("waiting for kafka to acknowledge", error=repr(error))


def _append(batch: Any, outcome: Outcome) -> bool:
    """``BatchBuilder.append`` without serializers, which we have none of. False: it is full."""
    at = batch._relative_offset
    told = batch._builder.append(at, None, outcome.key, outcome.value, outcome.headers)
    if told is None:
        return False
    batch._relative_offset = at + 1
    return True


def _leave(what: str, error: BaseException) -> None:
    log.critical(what, error=repr(error))
    os._exit(EXIT_UNANSWERED)
