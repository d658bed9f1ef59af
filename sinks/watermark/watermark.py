"""The watermark: the broker time up to which everything appended is in the tables.

Pure; ``sweep.py`` reads Kafka and SQL. A barrier of offsets moves it. At broker time W the end
offsets of the raw topic are recorded; once the processors' commits have passed them, the end
offsets of the canonical topics; once the stored offsets have passed those, everything appended
before W - MARGIN is in the tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from runtime.stage import Partition

MARGIN_MS = 10_000
"""How far brokers' clocks may differ."""
REPLICA_LAG_MS = 30_000
"""How long a record may be in a log before it can be read, where it is replicated: Kafka's
``replica.lag.time.max.ms``. The end offsets do not count it until then."""
GAP_MS = 15_000
"""Silence of all ingresses after which senders may be holding deliveries back."""

Offsets = Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class Gap:
    """Broker times (ms) of the last healthy heartbeat before a silence and the first after it."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Ingresses:
    """What the heartbeats have shown so far, in broker time (ms). Stored as JSON by these names."""

    newest: int | None = None
    healthy: int | None = None
    gaps: tuple[Gap, ...] = ()

    def with_heartbeats(self, beats: Iterable[tuple[int, bool]]) -> "Ingresses":
        """Add heartbeats: (append time, healthy), in order of the log."""
        newest, healthy, gaps = self.newest, self.healthy, list(self.gaps)
        for at, is_healthy in beats:
            newest = at if newest is None else max(newest, at)
            if not is_healthy:
                continue
            if healthy is not None and at - healthy > GAP_MS:
                gaps.append(Gap(healthy, at))
            healthy = at if healthy is None else max(healthy, at)
        return Ingresses(newest, healthy, tuple(gaps))

    def without_past_gaps(self, grace_ms: int) -> "Ingresses":
        """Drop the gaps that ended so long ago that senders have delivered what they held back."""
        if self.newest is None:
            return self
        waiting = (gap for gap in self.gaps if gap.end + grace_ms > self.newest_time)
        return replace(self, gaps=tuple(waiting))

    @property
    def newest_time(self) -> int:
        """The newest broker time; 0 before the first heartbeat."""
        return self.newest or 0

    def upper_bound(self) -> int | None:
        """Return the time that the watermark may not pass: the start of the first gap.

        A silence that goes on counts as a gap. None: there is no bound.
        """
        starts = [gap.start for gap in self.gaps]
        if self.healthy is not None and self.newest_time - self.healthy > GAP_MS:
            starts.append(self.healthy)
        return min(starts, default=None)


@dataclass(frozen=True, slots=True)
class Barrier:
    """End offsets recorded at broker time ``at`` (ms), not yet passed by everyone.

    ``canonical`` is None until the processors have passed ``raw``.
    """

    at: int
    raw: Offsets
    canonical: Offsets | None = None

    def lagging(self, done: Offsets, starts: Offsets) -> tuple[Partition, ...]:
        """Return the partitions that have not passed the recorded ends, largest lag first.

        ``done``: commits or stored offsets, the offset to read next. ``starts``: where the logs
        begin; a partition that is empty, or trimmed as a whole, counts as passed.
        """
        ends = self.raw if self.canonical is None else self.canonical
        lag = {
            partition: end - max(done.get(partition, 0), starts.get(partition, 0))
            for partition, end in ends.items()
        }
        lagging = [partition for partition, count in lag.items() if count > 0]
        return tuple(sorted(lagging, key=lambda p: (-lag[p], p.topic, p.number)))


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far the tables are complete, and what keeps it from moving.

    ``at`` is a broker time (ms), None before the first barrier has passed. ``holder`` names what
    holds it, empty if nothing does; ``since`` is the broker time from which it is held.
    """

    at: int | None = None
    ingresses: Ingresses = Ingresses()
    barrier: Barrier | None = None
    holder: str = ""
    since: int | None = None

    def with_heartbeats(self, beats: Iterable[tuple[int, bool]], grace_ms: int) -> "Watermark":
        """Add the heartbeats read since the last step."""
        ingresses = self.ingresses.with_heartbeats(beats).without_past_gaps(grace_ms)
        return replace(self, ingresses=ingresses)

    def with_barrier(self, raw_ends: Offsets) -> "Watermark":
        """Start a barrier at the newest broker time, unless one is not passed yet.

        ``raw_ends`` must have been read after the heartbeat that gave the time.
        """
        now = self.ingresses.newest
        if self.barrier is not None or now is None:
            return self
        return replace(self, barrier=Barrier(now, raw_ends))

    def after_processors(self, commits: Offsets, raw_starts: Offsets, ends: Offsets) -> "Watermark":
        """Record the canonical ends in the barrier once the processors have passed the raw ones.

        ``ends`` must have been read after ``commits``.
        """
        barrier = self.barrier
        if barrier is None or barrier.canonical is not None:
            return self
        if lagging := barrier.lagging(commits, raw_starts):
            return _held(self, f"processors: {lagging[0].topic}-{lagging[0].number}")
        return replace(self, barrier=replace(barrier, canonical=ends))

    def after_sinks(
        self, stored_offsets: Offsets, starts: Offsets, margin: int = MARGIN_MS
    ) -> "Watermark":
        """Move on once the stored offsets have passed the barrier: never back, never past a gap.

        ``margin``: milliseconds that it keeps from the barrier's time.
        """
        barrier = self.barrier
        if barrier is None or barrier.canonical is None:
            return self
        if lagging := barrier.lagging(stored_offsets, starts):
            return _held(self, f"sinks: {lagging[0].topic}-{lagging[0].number}")
        bound = self.ingresses.upper_bound()
        reached = (barrier.at if bound is None else min(barrier.at, bound)) - margin
        moved = replace(
            self, at=reached if self.at is None else max(self.at, reached), barrier=None
        )
        if bound is not None and bound < barrier.at:
            return _held(moved, "ingress: senders may still hold back deliveries")
        return replace(moved, holder="", since=None)


def margin_ms(replication_factor: int) -> int:
    """Return the margin of a cluster whose topics have so many replicas."""
    return MARGIN_MS if replication_factor == 1 else MARGIN_MS + REPLICA_LAG_MS


def _held(mark: Watermark, holder: str) -> Watermark:
    since = mark.since if mark.holder == holder else mark.ingresses.newest
    return replace(mark, holder=holder, since=since)
