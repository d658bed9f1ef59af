"""Writes the list of ``docs/metrics.md``: ``python -m tests.metrics_page``.

The families are those that each stage registers; what to alert on is written here.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from runtime import metrics, metrics_page
from tests import ROOT

PAGE = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
UNITS = ("seconds", "bytes", "ratio", "records", "info")


@dataclass(frozen=True, slots=True)
class Alert:
    """An expression that should be empty, for how long it may hold, and what it means."""

    expression: str
    lasting: str
    meaning: str


ALERTS = (
    Alert("hookline_ready == 0", "5m", "a process waits or is stopped: `/readyz` has the reason"),
    Alert("hookline_partitions_stopped > 0", "0m", "a partition waits for an operator"),
    Alert(
        "hookline_lag_of_retention_ratio > 0.25",
        "5m",
        "add workers, or Kafka deletes records before they are processed",
    ),
    Alert("hookline_lag_seconds > 60", "5m", "a stage is behind"),
    Alert(
        "time() - max(hookline_watermark_timestamp_seconds) > 300",
        "5m",
        "the tables are not complete up to now, and no cart is found silent",
    ),
    Alert(
        "max by (holder) (hookline_watermark_held_seconds) > 300",
        "5m",
        "what holds the watermark",
    ),
    Alert(
        "absent(hookline_watermark_timestamp_seconds)", "10m", "no sink sweeps, or none runs"
    ),
    Alert(
        "rate(hookline_ingress_unacknowledged_total[5m]) > 0",
        "5m",
        "Kafka does not acknowledge: senders get 503 and repeat",
    ),
    Alert(
        'sum by (source) (rate(hookline_ingress_answers_total{status="401"}[15m])) > 0.1',
        "15m",
        "deliveries without a valid proof: a secret was changed on one side, or somebody tries",
    ),
    Alert("hookline_shops_file_broken == 1", "1m", "the shops file on disk cannot be used"),
    Alert(
        "increase(hookline_ingress_secrets_missing_total[15m]) > 0", "0m", "a secret is missing"
    ),
    Alert(
        "sum by (source, reason) (increase(hookline_rejects_total[1h])) > 10",
        "0m",
        "dead letters: `hookline dead list --group`",
    ),
    Alert(
        "increase(hookline_sink_rejects_total[1h]) > 0",
        "0m",
        "records that no table could take: `sink_rejects`",
    ),
    Alert(
        "increase(hookline_unclean_ends_total[15m]) > 3", "0m", "workers end again and again"
    ),
    Alert("hookline_signals_waiting > 1000", "10m", "cart signals are not sent"),
    Alert(
        "hookline_ingress_in_flight_bytes > 50e6",
        "1m",
        "near `HOOKLINE_MAX_IN_FLIGHT`: senders get 503 above it",
    ),
    Alert(
        "histogram_quantile(0.99, sum by (le)"
        " (rate(hookline_ingress_acknowledge_seconds_bucket[5m]))) > 1",
        "10m",
        "Kafka acknowledges slowly",
    ),
)  # fmt: skip


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels() -> dict[str, tuple[str, ...]]:
    """By family, the labels it declares, whether or not it has samples now."""
    declared = {
        described.name: tuple(family.metric._labelnames)
        for family in metrics.FAMILIES
        for described in family.metric.describe()
    }
    return declared | {"hookline_build_info": ("version", "python", "stage")}


def _unit(name: str) -> str:
    base = name.removesuffix("_total")
    unit = next((unit for unit in UNITS if base.endswith(f"_{unit}")), "")
    return "" if unit == "info" else unit


def _stages(name: str) -> str:
    pages = {stage: metrics_page.families(stage) for stage in metrics.STAGES}
    having = [stage for stage, page in pages.items() if name in {family.name for family in page}]
    return "all" if len(having) == len(pages) else ", ".join(having)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def lines() -> Iterator[str]:
    """Yield the lines between the markers."""
    labels = _labels()
    yield ""
    yield "| name | type | labels | unit | stage | meaning |"
    yield "|---|---|---|---|---|---|"
    for family in metrics_page.families():
        if not family.name.startswith("hookline_"):
            continue
        names = " ".join(f"`{label}`" for label in labels[family.name])
        unit, stages = _unit(_name(family)), _stages(family.name)
        meaning = _cell(family.documentation)
        yield f"| `{_name(family)}` | {family.type} | {names} | {unit} | {stages} | {meaning} |"
    yield ""
    yield "## What to alert on"
    yield "| expression | for | meaning |"
    yield "|---|--:|---|"
    for alert in ALERTS:
        yield f"| `{_cell(alert.expression)}` | {alert.lasting} | {alert.meaning} |"
    yield ""


def names_in(expression: str) -> set[str]:
    """The families that an expression reads."""
    found = set(re.findall(r"hookline_[a-z_]+", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def page() -> str:
    """Return the whole page with a list that matches the code."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n".join(lines()) + END + rest.partition(END)[2]


def main() -> int:
    """Rewrite the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
