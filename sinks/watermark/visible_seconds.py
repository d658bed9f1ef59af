"""How long events took from the receipt of their delivery until their rows were visible."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from runtime import metrics
from schemas import envelopes
from schemas.events import Event, Micros

_SECOND = 1_000_000
_INDEX_HEADERS = 8
"""Headers of every outcome. The mark of a replay comes next, before those of CloudEvents."""
_BOUNDS = [round(bound * _SECOND) for bound in metrics.VISIBLE_BOUNDS]


def observe(stored: Iterable[tuple[Any, Event]], *, clock: Callable[[], Micros]) -> None:
    """Add records that were committed just now, each with its event, to the histogram."""
    now = clock()
    for topic, received in _received(stored).items():
        counts, total = ages(received, now)
        metrics.VISIBLE_SECONDS.labels(topic).add(counts, total / _SECOND)


def ages(received: Iterable[Micros], now: Micros) -> tuple[Sequence[int], Micros]:
    """Return how many of these times are in each bucket of age, and the sum of the ages.

    A time after ``now``, by the clock of another host, is of age 0.
    """
    # A batch is received almost in order, which costs a sort one pass.
    ordered = sorted(received)
    past = bisect_right(ordered, now)
    total = now * past - sum(ordered[:past])
    # Not older than a bound: the bucket's upper bound belongs to it.
    older = [0, *(bisect_right(ordered, now - bound - 1) for bound in reversed(_BOUNDS))]
    older.append(len(ordered))
    return [older[at] - older[at - 1] for at in range(len(older) - 1, 0, -1)], total


def _received(stored: Iterable[tuple[Any, Event]]) -> dict[str, list[Micros]]:
    """Return when the deliveries of these records were received, by topic.

    Nobody waits for what an import brings, and what a dead letter waited for was an operator.
    """
    received: defaultdict[str, list[Micros]] = defaultdict(list)
    for record, event in stored:
        meta, headers = event.meta, record.headers
        if meta.import_id is None and (
            len(headers) <= _INDEX_HEADERS or headers[_INDEX_HEADERS][0] != envelopes.REPLAY_OF
        ):
            received[record.topic].append(meta.received_at)
    return received
