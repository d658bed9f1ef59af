"""The alerts of the outages: kept in docs/alerts/outages.json, shown in docs/alerts/README.md."""

import json
from typing import Any

from tests import ROOT
from tests.faults import table
from tests.faults.outages import OUTAGES
from tests.faults.outcome import Outcome

FIGURES = ROOT / "docs" / "alerts" / "outages.json"
PAGE = ROOT / "docs" / "alerts" / "README.md"


def row(outcome: Outcome) -> dict[str, Any]:
    """Return what is kept of an outage; times in seconds."""
    assert outcome.alarms is not None
    return {
        "name": outcome.fault.name,
        "seed": outcome.seed,
        "recovered_s": round(outcome.recovered, 1),
        "problems": outcome.problems + outcome.alert_problems,
        "alerts": outcome.alarms.rows(),
    }


def known() -> list[dict[str, Any]]:
    """Return the figures that are kept."""
    kept: list[dict[str, Any]] = json.loads(FIGURES.read_text()) if FIGURES.exists() else []
    return kept


def write(rows: list[dict[str, Any]]) -> None:
    """Write the figures into the page; those of outages that did not run now stay."""
    found = {each["name"]: each for each in [*known(), *rows]}
    ordered = [found[name] for name in OUTAGES if name in found]
    FIGURES.write_text(json.dumps(ordered, indent=1) + "\n")
    table.replace_figures(PAGE, shown(ordered))


def shown(rows: list[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table; outages that never ran have dashes."""
    by_name = {each["name"]: each for each in rows}
    lines = ["| outage | alert | raised after its begin | ended after the recovery | |"]
    lines += ["|---|---|--:|--:|---|"]
    for name, fault in OUTAGES.items():
        measured = by_name.get(name)
        if measured is None:
            wanted = ", ".join(f"`{alert}`" for alert in sorted(fault.alerts))
            lines.append(f"| {fault.title} | {wanted} | - | - | not measured |")
            continue
        title, verdict = fault.title, "; ".join(measured["problems"]) or "as it should be"
        for each in measured["alerts"]:
            cells = f"{_time(each['raised_s'])} | {_time(each['cleared_s'])}"
            lines.append(f"| {title} | `{each['alert']}` | {cells} | {verdict} |")
            title = verdict = ""
        if not measured["alerts"]:
            lines.append(f"| {title} | none | - | - | {verdict} |")
    return "\n".join(lines)


def _time(value: float | None) -> str:
    if value is None:
        return "never"
    return "at once" if value <= 0 else f"{value:.0f} s"
