"""The table, the JSON beside it, and two of them compared."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.bench.measure import Row, Spread

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".hookline" / "bench"

Told = Mapping[str, Any]


class CompareError(ValueError):
    """Two runs cannot be compared; the message says what to do."""


def commit() -> str:
    """The short name of the commit that stands, marked where files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def figure(value: float) -> str:
    """A figure as short as it is still exact enough to compare."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _spread(values: Sequence[float], unit: str = "") -> str:
    if not values:
        return ""
    spread = Spread.of(values)
    text = figure(spread.median) + unit
    if len(values) == 1 or spread.low == spread.high:
        return text
    return f"{text} [dim]{figure(spread.low)}-{figure(spread.high)}[/]"


def _verdict(row: Row) -> str:
    if row.holds is None:
        return ""
    return "[green]yes[/]" if row.holds else "[red]no[/]"


def table(rows: Iterable[Row]) -> Table:
    """All rows: median and spread of ours and the baseline's, their ratio, the CPU, the bar."""
    shown = Table(title="Measured: median, least-greatest of the runs")
    for name, side in (
        ("", "left"), ("work", "left"), ("ours", "right"), ("CPU µs", "right"),
        ("baseline", "left"), ("its figure", "right"), ("its CPU µs", "right"),
        ("ratio", "right"), ("bar", "right"), ("met", "left"), ("audit", "right"),
        ("note", "left"),
    ):  # fmt: skip
        shown.add_column(name, justify="right" if side == "right" else "left")
    last = None
    for row in rows:
        if last is not None and row.scenario != last:
            shown.add_section()
        shown.add_row(
            "" if row.scenario == last else row.scenario,
            row.work,
            _spread(row.values, f" {row.unit}"),
            _spread(row.cpu_us),
            row.baseline,
            _spread(row.base_values, f" {row.unit}"),
            _spread(row.base_cpu_us),
            _spread(row.ratios),
            "" if row.bar is None else str(row.bar),
            _verdict(row),
            "" if row.audit is None else str(row.audit),
            row.note,
        )
        last = row.scenario
    return shown


def save(path: Path, rows: Iterable[Row], told: Told) -> None:
    """Write the rows as JSON; ``told`` says of what commit and machine they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = {**told, "rows": [row.as_dict() for row in rows]}
    path.write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n")


def find(name: str, folder: Path = FOLDER) -> Path:
    """The JSON of a file or of a commit (its first letters). Raises CompareError."""
    for path in (Path(name), folder / f"{name}.json"):
        if path.is_file():
            return path
    if len(found := list(folder.glob(f"{name}*.json"))) == 1:
        return found[0]
    known = ", ".join(sorted(each.stem for each in folder.glob("*.json"))) or "none"
    raise CompareError(f"{name}: no one file or commit that was measured; measured are: {known}")


def load(path: Path) -> Told:
    """What ``save`` wrote. Raises CompareError."""
    try:
        told: Told = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CompareError(f"{path}: {error}") from error
    if "rows" not in told:
        raise CompareError(f"{path}: not written by make bench")
    return told


def changes(base: Told, now: Told) -> list[tuple[str, str, float, float, bool]]:
    """(work, of what, then, now, is it outside the spread) for each figure that both have.

    A row with a baseline is compared by its ratio: another machine, or a busier one, changes
    that least. A change counts where the runs of both do not overlap.
    """
    before = {_key(row): row for row in base["rows"]}
    found = []
    for row in now["rows"]:
        then = before.get(_key(row))
        if then is None:
            continue
        work = f"{row['scenario']}: {row['work']}"
        of = f"x {row['baseline']}" if row["ratios"] else row["unit"]
        pairs = [(of, "ratios" if row["ratios"] else "values"), ("CPU µs", "cpu_us")]
        for name, which in pairs:
            old, new = then[which], row[which]
            if old and new:
                apart = old["high"] < new["low"] or new["high"] < old["low"]
                found.append((work, name, old["median"], new["median"], apart))
    return found


def _key(row: Told) -> tuple[str, str, str]:
    return row["scenario"], row["work"], row["baseline"]


def comparison(base: Told, now: Told) -> Table:
    """Two runs, one beside the other."""
    shown = Table(title=f"{base.get('commit', '?')} → {now.get('commit', '?')}")
    for name in ("work", "of", "then", "now", "change"):
        shown.add_column(name, justify="left" if name in ("work", "of") else "right")
    for work, of, old, new, apart in changes(base, now):
        share = f"{(new / old - 1) * 100:+.1f}%" if old else ""
        shown.add_row(
            work, of, figure(old), figure(new), f"[bold]{share}[/]" if apart else f"[dim]{share}[/]"
        )
    return shown
