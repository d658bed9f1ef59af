"""Counts of a run: deliveries by what became of them, attempts by answer, quantiles of answers."""

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

_PER_SECOND = 10_000
_BUCKETS = 30 * _PER_SECOND
KEPT_REFUSALS = 20


@dataclass(slots=True)
class Tally:
    """What the sender has seen so far.

    ``accepted`` counts facts, ``repeated`` accepted repeats, ``malformed`` accepted broken copies.
    ``planned``: deliveries taken from the schedule; ``attempts``: requests sent, of which
    ``retried`` were not the first. ``answers``: attempts by status or by what came instead.
    ``refusals``: the first few, with what was refused. ``lag``: seconds behind the plan.
    ``cpu_seconds``: of this process, once it has ended.
    """

    planned: int = 0
    attempts: int = 0
    accepted: int = 0
    repeated: int = 0
    malformed: int = 0
    refused: int = 0
    retried: int = 0
    waiting: int = 0
    lag: float = 0.0
    most_lag: float = 0.0
    body_bytes: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    cpu_seconds: float = 0.0
    last_accepted: float = field(default_factory=time.monotonic)
    answers: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    _buckets: "array[int]" = field(
        default_factory=lambda: array("L", bytes(8 * _BUCKETS)), repr=False
    )
    _answered: int = 0

    def answered(self, seconds: float) -> None:
        """Count an answer that came after so many seconds."""
        bucket = int(seconds * _PER_SECOND)
        self._buckets[bucket if bucket < _BUCKETS else -1] += 1
        self._answered += 1

    def quantile(self, share: float) -> float | None:
        """Return how many seconds this share of the answers took at most; None before the first."""
        left = self._answered * share
        if not left:
            return None
        for bucket, count in enumerate(self._buckets):
            left -= count
            if left <= 0:
                return (bucket + 1) / _PER_SECOND
        return _BUCKETS / _PER_SECOND

    @property
    def delivered(self) -> int:
        """Deliveries that were accepted."""
        return self.accepted + self.repeated + self.malformed

    @property
    def seconds(self) -> float:
        """How long the sender has been sending."""
        return (self.ended or time.monotonic()) - self.began
