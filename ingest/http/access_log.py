"""What the ingress counts and logs of its answers: route templates, never URLs."""

import time
from collections.abc import Callable
from typing import Any

from ingest.sources import SOURCES
from runtime import logs, metrics

log = logs.get("hookline.access")

LINES_A_SECOND = 50
"""Refusals logged in one second; the rest is counted and told with the next line."""


class Journal:
    """Counts of answers by source and status, of accepted deliveries by shop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, access_log: Any = log) -> None:
        self._clock = clock
        self._log = access_log
        self._answers: dict[tuple[str, int], Any] = {}
        self._accepted: dict[tuple[str, str], list[Any]] = {}
        self._second = 0
        self._lines = 0
        self._unlogged = 0

    def accepted(self, source: str, shop: str) -> None:
        """One more delivery of this shop is safe."""
        tally = self._accepted.get((source, shop))
        if tally is None:
            tally = self._accepted[source, shop] = [0, metrics.ACCEPTED.labels(source, shop)]
        tally[0] += 1
        tally[1].inc()

    def counts(self) -> dict[str, int]:
        """Deliveries accepted so far by ``source/shop``."""
        return {f"{source}/{shop}": tally[0] for (source, shop), tally in self._accepted.items()}

    def answered(self, scope: Any, status: int) -> None:
        """Count an answer; log it if it is a refusal."""
        word = scope["path"].split("/", 3)[2]
        source = word if word in SOURCES else "unknown"
        counter = self._answers.get((source, status))
        if counter is None:
            counter = metrics.ANSWERS.labels(source, str(status))
            self._answers[source, status] = counter
        counter.inc()
        if status != 200:  # noqa: PLR2004 - the one good answer
            self._logged(scope["method"], source, status)

    def _logged(self, method: str, source: str, status: int) -> None:
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LINES_A_SECOND:
            self._unlogged += 1
            return
        route = SOURCES[source].route if source in SOURCES else "/hooks/{source}/{shop}"
        more = {"unlogged": self._unlogged} if self._unlogged else {}
        self._unlogged = 0
        self._log.info("refused", method=method[:16], route=route, status=status, **more)
