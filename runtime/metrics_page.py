"""The page /metrics of one process: the families of its stage, and those of every process."""

import math
import platform
from collections.abc import Iterator
from functools import cache
from importlib import metadata

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime import metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Their time of creation would be a series beside each counter.
disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no types

_PROCESS = CollectorRegistry()
"""CPU, memory and garbage collection of this process, the same in every stage."""
ProcessCollector(registry=_PROCESS)
PlatformCollector(registry=_PROCESS)
GCCollector(registry=_PROCESS)


@cache
def _build() -> tuple[str, str]:
    try:
        version = metadata.version("hookline")
    except metadata.PackageNotFoundError:  # run from a checkout
        version = "unknown"
    return version, platform.python_version()


class _Page(Collector):
    """The families of one stage, of all stages for ``""``, and those of every process."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def collect(self) -> Iterator[Metric]:
        """Yield the families, without gauges that were never set."""
        yield from _PROCESS.collect()
        build = GaugeMetricFamily(
            "hookline_build_info",
            "1, with the versions of what runs.",
            labels=("version", "python", "stage"),
        )
        build.add_metric((*_build(), self._stage), 1)
        yield build
        for family in metrics.FAMILIES:
            if not self._stage or self._stage in family.stages:
                for metric in family.metric.collect():
                    metric.samples = [s for s in metric.samples if not math.isnan(s.value)]
                    yield metric


def families(stage: str = "") -> list[Metric]:
    """Return the families of a stage's page with their samples now."""
    return list(_Page(stage).collect())


def render(stage: str = "") -> bytes:
    """Render the page of a stage, or all families, in the Prometheus text format."""
    return generate_latest(_Page(stage))
