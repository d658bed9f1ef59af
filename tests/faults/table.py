"""The figures of the faults: kept in docs/reliability.json, shown in docs and README."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.outcome import Outcome

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
COLUMNS = (
    ("deliveries", lambda r: f"{r['accepted']:,}"),
    ("lost", lambda r: r["lost"] + r["unkept"]),
    ("repeats", lambda r: r["repeats"] + r["strange"]),
    ("doubled", lambda r: r["doubled"]),
    ("late copies", lambda r: r["late"]),
    ("longest silence", lambda r: seconds(r.get("silence_s"))),
    ("plain client's", lambda r: seconds(r.get("plain_s"))),
    ("ready", lambda r: seconds(r.get("ready_s"))),
    ("recovered", lambda r: seconds(r["recovered_s"])),
    ("seed", lambda r: r["seed"]),
)
"""Of the table: its title, and the cell of a row."""


def row(outcome: Outcome) -> dict[str, Any]:
    """Return a run's figures as they are kept; times in seconds."""
    found = asdict(outcome.found)
    del found["remarks"]
    return {
        "number": outcome.fault.number,
        "fault": outcome.fault.title,
        "name": outcome.fault.name,
        "seed": outcome.seed,
        **found,
        "silence_s": round(outcome.silence, 1),
        "plain_s": None if outcome.plain is None else round(outcome.plain, 1),
        "ready_s": round(outcome.ready, 1),
        "recovered_s": round(outcome.recovered, 1),
        "exits": outcome.exits,
        "seconds": round(outcome.seconds, 1),
        "answers": outcome.answers,
        "problems": outcome.problems,
        "alerts": None if outcome.alarms is None else outcome.alarms.rows(),
        "slow": outcome.is_slow,
    }


def write(rows: list[dict[str, Any]]) -> None:
    """Write the figures into both pages; those of faults that did not run now stay."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else []
    known = {_key(row): row for row in [*kept, *rows]}
    ordered = sorted(known.values(), key=lambda row: int(row["number"]))
    FIGURES.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    replace_figures(PAGE, full(ordered))
    replace_figures(README, short(ordered))


def replace_figures(page: Path, text: str) -> None:
    """Replace the text between the marks."""
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def _key(row: dict[str, Any]) -> tuple[str, int]:
    """Keep the newest run of each fault, and every seed of the one that is all chance."""
    return row["name"], row["seed"] if row["name"] == "storm" else 0


def seconds(value: float | None) -> str:
    """Return a time for a cell; a dash where a run from before it was measured has none."""
    return "-" if value is None else f"{value} s"


def full(rows: list[dict[str, Any]]) -> str:
    """Return all figures as a Markdown table."""
    titles = " | ".join(title for title, _ in COLUMNS)
    lines = [f"| | fault | {titles} |", "|--:|---|" + "--:|" * len(COLUMNS)]
    for each in rows:
        cells = " | ".join(str(cell(each)) for _, cell in COLUMNS)
        lines.append(f"| {each['number']} | {each['fault']} | {cells} |")
    return "\n".join(lines)


def short(rows: list[dict[str, Any]]) -> str:
    """Return the most important figures as a Markdown table, one line for each fault."""
    lines = ["| fault | deliveries | lost | repeats | doubled | longest silence | recovered |"]
    lines += ["|---|--:|--:|--:|--:|--:|--:|"]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for each in rows:
        by_name.setdefault(each["name"], []).append(each)
    for runs in by_name.values():
        lost = sum(run["lost"] + run["unkept"] for run in runs)
        repeats = sum(run["repeats"] + run["strange"] for run in runs)
        longest = max(run["recovered_s"] for run in runs)
        silences = [run["silence_s"] for run in runs if run.get("silence_s") is not None]
        silence = f"{max(silences):.0f} s" if silences else "-"
        lines.append(
            f"| {runs[0]['fault']} | {sum(run['accepted'] for run in runs):,} | {lost} |"
            f" {repeats} | {sum(run['doubled'] for run in runs)} | {silence} | {longest:.0f} s |"
        )
    return "\n".join(lines)
