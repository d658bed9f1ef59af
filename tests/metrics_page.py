"""Writes the list of ``docs/metrics.md``: ``python -m tests.metrics_page``.

The families are those that each stage registers, the alerts those of ``tests.alerts``.
"""

import sys
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from runtime import metrics, metrics_page
from tests import ROOT
from tests.alerts import ALERTS

PAGE = ROOT / "docs" / "metrics.md"
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
UNITS = ("seconds", "bytes", "ratio", "records", "info")


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
    yield "`docs/alerts/hookline.rules.yml` has these rules for Prometheus, the runbook what to do."
    yield ""
    yield "| alert | expression | for | severity |"
    yield "|---|---|--:|---|"
    for alert in ALERTS:
        link = f"[{alert.name}]({alert.runbook.removeprefix('docs/')})"
        yield f"| {link} | `{_cell(alert.expression)}` | {alert.lasting} | {alert.severity} |"
    yield ""


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
