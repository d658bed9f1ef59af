"""What Kafka refuses to the consumer: shown as a health condition and waited for."""

import asyncio
import time
from typing import TypeVar

from runtime import logs
from runtime.health import Health
from runtime.kafka.reasons import explanation
from runtime.settings import Settings

log = logs.get("hookline.delivery")
T = TypeVar("T")

RETRY = 1.0
"""Seconds until the group or a fetch is tried again."""
_SHOWN = 5.0
"""Seconds without a refusal after which a fetch counts as allowed: those of other topics succeed
between two refusals of one."""


class Refusals:
    """What Kafka refuses to the consumer of a stage. Used from its thread and from the worker."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings, self._health = settings, health
        self._shown_until = 0.0

    def of_group(self, error: Exception) -> None:
        """Show that the group does not take us; the condition ends with an assignment."""
        self._show("partitions", error)

    async def of_fetch(self, error: Exception) -> None:
        """Show why records of a partition cannot be read, and pause.

        The other partitions are fetched between the attempts.
        """
        self._shown_until = time.monotonic() + _SHOWN
        self._show("fetch", error)
        await asyncio.sleep(RETRY)

    def allowed(self, fetched: T) -> T:
        """Note a fetch that was allowed; return it."""
        if self._shown_until and time.monotonic() > self._shown_until:
            self._shown_until = 0.0
            self._health.met("fetch")
        return fetched

    def _show(self, condition: str, error: Exception) -> None:
        why = explanation(error, self._settings, "Read")
        if why is None:
            why = f"Kafka does not let records be read: {error!r}"
        if self._health.unmet.get(condition) != why:
            log.warning("waiting for Kafka", condition=condition, why=why)
        self._health.waiting(condition, why)
