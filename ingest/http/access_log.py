"""Metrics and log lines of answers. Lines hold route templates, never URLs: those hold tokens."""

import time
from collections.abc import Callable
from typing import Any

from ingest.sources import SOURCES
from runtime import logs, metrics

log = logs.get("hookline.access")

LINES_A_SECOND = 50
"""Refusals logged in one second; the others are counted, and the next line holds their number."""


class AccessLog:
    """Counts answers by source and status, and accepted deliveries by shop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, logger: Any = log) -> None:
        self._clock = clock
        self._log = logger
        self._answers: dict[tuple[str, int], Any] = {}
        self._accepted: dict[tuple[str, str], list[Any]] = {}
        self._second = 0
        self._lines = 0
        self._unlogged = 0

    def accepted(self, source: str, shop: str) -> None:
        """Count a delivery that Kafka has acknowledged."""
        tally = self._accepted.get((source, shop))
        if tally is None:
            tally = self._accepted[source, shop] = [0, metrics.ACCEPTED.labels(source, shop)]
        tally[0] += 1
        tally[1].inc()

    def counts(self) -> dict[str, int]:
        """Return the accepted deliveries so far, by ``source/shop``."""
        return {f"{source}/{shop}": tally[0] for (source, shop), tally in self._accepted.items()}

    def answered(self, scope: Any, status: int) -> None:
        """Count an answer; log it if it is a refusal."""
        name = scope["path"].split("/", 3)[2]
        source = name if name in SOURCES else "unknown"
        counter = self._answers.get((source, status))
        if counter is None:
            counter = metrics.ANSWERS.labels(source, str(status))
            self._answers[source, status] = counter
        counter.inc()
        if status != 200:  # noqa: PLR2004 - the one good answer
            self._log_refusal(scope["method"], source, status)

    def _log_refusal(self, method: str, source: str, status: int) -> None:
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LINES_A_SECOND:
            self._unlogged += 1
            return
        route = SOURCES[source].route if source in SOURCES else "/hooks/{source}/{shop}"
        unlogged = {"unlogged": self._unlogged} if self._unlogged else {}
        self._unlogged = 0
        self._log.info("refused", method=method[:16], route=route, status=status, **unlogged)
