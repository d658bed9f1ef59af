"""Heartbeats of an ingress: whether Kafka acknowledges, appended to a topic every few seconds."""

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
from schemas.json_records import heartbeats
from schemas.json_records.heartbeats import Heartbeat
from schemas.topics import INGRESS

CONDITION = "kafka"
RETRY_PAUSE = 1.0


class Pulse:
    """Whether Kafka acknowledges, as health condition ``kafka``; unmet until the first time."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self.healthy = False
        self._was_overdue = False
        health.waiting(CONDITION, "Kafka has acknowledged nothing yet")

    def acknowledged(self) -> None:
        """Note that Kafka acknowledged a record."""
        if not self.healthy:
            self.healthy = True
            self._health.met(CONDITION)

    def overdue(self, reason: str) -> None:
        """Note that Kafka did not acknowledge in time, or could not be reached."""
        self.healthy = False
        self._was_overdue = True
        self._health.waiting(CONDITION, reason)

    def take(self) -> bool:
        """Return whether nothing was overdue since the last call."""
        was_overdue, self._was_overdue = self._was_overdue, False
        return not was_overdue


async def beat(
    settings: Settings,
    publisher: Publisher,
    pulse: Pulse,
    in_flight: InFlight,
    accepted: Callable[[], Mapping[str, int]],
) -> None:
    """Send heartbeats until cancelled; never a second one while the first is unacknowledged.

    ``healthy`` in a heartbeat covers the time since the one before. A heartbeat that waits in
    the producer while Kafka is down is appended when Kafka is back.
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
            pulse.take()  # reset again: this heartbeat, which held the old value, was not sent
        except TimeoutError:
            pulse.overdue(f"Kafka has not acknowledged within {settings.produce_timeout:g} s")
            if acknowledged is not None:
                await asyncio.wait((acknowledged,))
                pulse.take()  # the missing heartbeats have shown it already
                pulse.acknowledged()
                continue
        else:
            pulse.acknowledged()
            metrics.HEARTBEATS.inc()
        await asyncio.sleep(pause)
