"""The lag of this consumer's partitions, as metrics. A partition that left has no series."""

from collections.abc import Mapping

from faust.types import TP

from runtime import logs, metrics
from runtime.consumer.positions import PartitionProgress

log = logs.get("hookline.lag")

LAG_ALARM = 0.25
"""Share of the retention that a lag's age may reach before it is logged."""
_SERIES = (metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.LAG_OF_RETENTION)


def lag_age(acknowledged: int, acknowledged_ms: int, end: int, now: float) -> float | None:
    """Seconds since the last acknowledged record was appended; 0 without lag, None if unknown."""
    if end <= acknowledged:
        return 0.0
    if not acknowledged_ms:
        return None
    return max(now - acknowledged_ms / 1000, 0.0)


class LagSeries:
    """The series of one consumer. ``retentions``: seconds that each topic keeps its records."""

    def __init__(self, stage_label: str, retentions: Mapping[str, float]) -> None:
        self._stage_label = stage_label
        self._retentions = retentions
        self._acknowledged_ms: dict[TP, int] = {}
        self._alarmed: set[TP] = set()

    def report(
        self,
        progress: Mapping[TP, PartitionProgress],
        stopped: Mapping[TP, int],
        ends: Mapping[TP, int],
        now: float,
    ) -> None:
        """Set the lag of the partitions that we have, remove that of all others.

        ``stopped``: the next offset of partitions that wait for an operator: their lag grows.
        Without a known end of its log a partition has no lag yet.
        """
        acknowledged = {**stopped, **{tp: each.acknowledged for tp, each in progress.items()}}
        for tp in self._acknowledged_ms.keys() - acknowledged.keys():
            del self._acknowledged_ms[tp]
            self._alarmed.discard(tp)
            for series in _SERIES:
                series.remove(*self._labels(tp))
        for tp, offset in acknowledged.items():
            if (end := ends.get(tp)) is None:
                continue
            given = progress[tp].acknowledged_ms if tp in progress else 0
            last_ms = self._acknowledged_ms[tp] = given or self._acknowledged_ms.get(tp, 0)
            metrics.LAG_RECORDS.labels(*self._labels(tp)).set(max(end - offset, 0))
            if (age := lag_age(offset, last_ms, end, now)) is not None:
                self._report_age(tp, age)

    def _labels(self, tp: TP) -> tuple[str, str, str]:
        return self._stage_label, tp.topic, str(tp.partition)

    def _report_age(self, tp: TP, age: float) -> None:
        share = age / self._retentions.get(tp.topic, float("inf"))
        metrics.LAG_SECONDS.labels(*self._labels(tp)).set(age)
        metrics.LAG_OF_RETENTION.labels(*self._labels(tp)).set(share)
        if share <= LAG_ALARM:
            self._alarmed.discard(tp)
        elif tp not in self._alarmed:
            self._alarmed.add(tp)
            log.critical(
                "records will be lost to retention before they are processed: add workers",
                partition=f"{tp.topic}/{tp.partition}",
                lag_seconds=int(age),
                retention_seconds=int(self._retentions[tp.topic]),
            )
