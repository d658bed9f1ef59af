"""The pulse of an ingress: whether Kafka acknowledges, told every few seconds on its topic."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ingest.http.limits import InFlight
from ingest.publisher import NotSentError, Publisher, Record
from runtime import metrics
from runtime.health import Health
from runtime.settings import Settings
from schemas import heartbeats
from schemas.heartbeats import Heartbeat
from schemas.topics import INGRESS

CONDITION = "kafka"
RETRY_PAUSE = 1.0


class Pulse:
    """Whether what was handed to Kafka last was acknowledged; unmet until the first time."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self.healthy = False
        self._was_overdue = False
        health.waiting(CONDITION, "Kafka has acknowledged nothing yet")

    def acknowledged(self) -> None:
        """Kafka took something."""
        if not self.healthy:
            self.healthy = True
            self._health.met(CONDITION)

    def overdue(self, reason: str) -> None:
        """Kafka did not answer in time, or was not there."""
        self.healthy = False
        self._was_overdue = True
        self._health.waiting(CONDITION, reason)

    def take(self) -> bool:
        """Whether nothing was overdue since this was asked last."""
        was_overdue, self._was_overdue = self._was_overdue, False
        return not was_overdue


async def beat(
    settings: Settings,
    publisher: Publisher,
    pulse: Pulse,
    in_flight: InFlight,
    accepted: Callable[[], Mapping[str, int]],
) -> None:
    """Send heartbeats until cancelled; never a second one while the first is unanswered.

    ``healthy`` in a heartbeat speaks of what was handed over since the one before. One that
    waits in the producer while Kafka is away is appended when Kafka is back, which ends the
    silence.
    """
    ingress = str(uuid.uuid4())
    started = time.time_ns() // 1000
    topic = settings.topic(INGRESS)
    while True:
        heartbeat = Heartbeat(
            ingress=ingress,
            started=started,
            at=time.time_ns() // 1000,
            healthy=pulse.take(),
            in_flight=in_flight.held,
            accepted=dict(accepted()),
        )
        record = Record(topic, ingress.encode(), heartbeats.encode(heartbeat))
        pause = settings.ingress_heartbeat
        acknowledged: asyncio.Future[Any] | None = None
        try:
            async with asyncio.timeout(settings.produce_timeout):
                acknowledged = publisher.send(record)
                await asyncio.shield(acknowledged)
        except NotSentError as error:
            pulse.overdue(str(error))
            pause = min(pause, RETRY_PAUSE)
            pulse.take()  # it was to be told by this heartbeat, which nobody will read
        except TimeoutError:
            pulse.overdue(f"Kafka has not acknowledged within {settings.produce_timeout:g} s")
            if acknowledged is not None:
                await asyncio.wait((acknowledged,))
                pulse.take()  # the silence on the topic has told it
                pulse.acknowledged()
                continue
        else:
            pulse.acknowledged()
            metrics.HEARTBEATS.inc()
        await asyncio.sleep(pause)
