"""The watermark: up to when everything that was appended stands in the tables.

A barrier of offsets, pure. At broker time W the ends of raw are noted; when the processors'
commits are past them, the ends of the canonical topics; when the fences are past those,
everything appended before W - MARGIN is in the tables. What reads Kafka and SQL is in
``lookout.py``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from runtime.stage import Partition

MARGIN_MS = 10_000
"""How far brokers' clocks may lie apart."""
GAP_MS = 15_000
"""Silence of all ingresses beyond which senders may be holding deliveries back."""

Offsets = Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class Gap:
    """Broker times (ms) of the last healthy heartbeat before a silence and the first behind."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Ingresses:
    """What the heartbeats told so far, on the broker's clock (ms)."""

    newest: int | None = None
    healthy: int | None = None
    gaps: tuple[Gap, ...] = ()

    def heard(self, beats: Iterable[tuple[int, bool]]) -> "Ingresses":
        """With more heartbeats: (append time, healthy), in the order of the log."""
        newest, healthy, gaps = self.newest, self.healthy, list(self.gaps)
        for at, is_healthy in beats:
            newest = at if newest is None else max(newest, at)
            if not is_healthy:
                continue
            if healthy is not None and at - healthy > GAP_MS:
                gaps.append(Gap(healthy, at))
            healthy = at if healthy is None else max(healthy, at)
        return Ingresses(newest, healthy, tuple(gaps))

    def settled(self, grace_ms: int) -> "Ingresses":
        """Without the gaps behind which senders have had their time."""
        if self.newest is None:
            return self
        waiting = (gap for gap in self.gaps if gap.end + grace_ms > self.newest_time)
        return replace(self, gaps=tuple(waiting))

    @property
    def newest_time(self) -> int:
        """The broker's clock as last seen; 0 before the first heartbeat."""
        return self.newest or 0

    def cap(self) -> int | None:
        """The time that W may not pass: the start of the first gap still waited for.

        A silence that has not ended yet counts: its end is not known. None: no bound.
        """
        starts = [gap.start for gap in self.gaps]
        if self.healthy is not None and self.newest_time - self.healthy > GAP_MS:
            starts.append(self.healthy)
        return min(starts, default=None)


@dataclass(frozen=True, slots=True)
class Barrier:
    """A barrier on its way: taken at broker time ``at`` (ms).

    ``canonical`` is None while the processors have not passed ``raw``.
    """

    at: int
    raw: Offsets
    canonical: Offsets | None = None

    def behind(self, done: Offsets, starts: Offsets) -> tuple[Partition, ...]:
        """Partitions that have not passed the noted ends, largest distance first.

        ``done``: commits or fences, the offset to read next. ``starts``: where the logs
        begin: a partition that is empty, or trimmed as a whole, counts as passed.
        """
        ends = self.raw if self.canonical is None else self.canonical
        lag = {
            partition: end - max(done.get(partition, 0), starts.get(partition, 0))
            for partition, end in ends.items()
        }
        late = [partition for partition, distance in lag.items() if distance > 0]
        return tuple(sorted(late, key=lambda p: (-lag[p], p.topic, p.number)))


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far the tables are complete, and what holds it.

    ``at`` is on the broker's clock (ms), None before the first barrier has passed. ``holder``
    is empty while nothing holds it; ``since`` is the broker time at which it began.
    """

    at: int | None = None
    ingresses: Ingresses = Ingresses()
    barrier: Barrier | None = None
    holder: str = ""
    since: int | None = None

    def heard(self, beats: Iterable[tuple[int, bool]], grace_ms: int) -> "Watermark":
        """With the heartbeats read since the last look."""
        return replace(self, ingresses=self.ingresses.heard(beats).settled(grace_ms))

    def started(self, raw_ends: Offsets) -> "Watermark":
        """With a barrier at the broker's present time, unless one is on its way.

        ``raw_ends`` must have been read after the heartbeat that gave the time.
        """
        now = self.ingresses.newest
        if self.barrier is not None or now is None:
            return self
        return replace(self, barrier=Barrier(now, raw_ends))

    def processed(self, commits: Offsets, raw_starts: Offsets, ends: Offsets) -> "Watermark":
        """With the canonical ends noted once the processors passed the raw ones.

        ``ends`` must have been read after ``commits``.
        """
        barrier = self.barrier
        if barrier is None or barrier.canonical is not None:
            return self
        if late := barrier.behind(commits, raw_starts):
            return _held(self, f"processors: {late[0].topic}-{late[0].number}")
        return replace(self, barrier=replace(barrier, canonical=ends))

    def stored(self, fences: Offsets, starts: Offsets) -> "Watermark":
        """Moved on if the fences passed the barrier: never back, never past a silence."""
        barrier = self.barrier
        if barrier is None or barrier.canonical is None:
            return self
        if late := barrier.behind(fences, starts):
            return _held(self, f"sinks: {late[0].topic}-{late[0].number}")
        cap = self.ingresses.cap()
        reached = (barrier.at if cap is None else min(barrier.at, cap)) - MARGIN_MS
        moved = replace(
            self, at=reached if self.at is None else max(self.at, reached), barrier=None
        )
        if cap is not None and cap < barrier.at:
            return _held(moved, "ingress: senders may still hold back deliveries")
        return replace(moved, holder="", since=None)


def _held(mark: Watermark, holder: str) -> Watermark:
    since = mark.since if mark.holder == holder else mark.ingresses.newest
    return replace(mark, holder=holder, since=since)
