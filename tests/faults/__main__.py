"""``make faults``: every fault in a long storm, and what was seen, for docs/reliability.md.

make faults                         all of them
make faults FAULT=storm SEED=7      one, as that seed had it
make faults COUNT=2000              smaller storms
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hookline.local.stack import NAMES, choose_ports
from tests.conftest import LiveStack, discard, prepare
from tests.faults.catalogue import FAULTS
from tests.faults.storm import TWICE, Fault, Outcome, alone

COUNT = 100_000
RATE = 700.0
"""Deliveries a second: less than two cores take in, so that a recovery is no queue's length."""
ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def main() -> None:
    """Run the storms; exit 1 if anything was lost or counted twice."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--fault", choices=FAULTS, action="append", help="only this one")
    parser.add_argument("--seed", type=int, help="repeat the run that had this seed")
    parser.add_argument("--count", type=int, default=COUNT, help="distinct deliveries of each")
    parser.add_argument("--rate", type=float, default=RATE, help="deliveries a second")
    parser.add_argument("--scale", type=float, default=1.0, help="how long faults last")
    parser.add_argument("--keep", type=Path, help="folder for the logs, kept")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="hookline-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    wanted = chosen.fault or list(FAULTS)
    clean = 0
    for name in wanted:
        outcome = _run(FAULTS[name], folder, chosen, console)
        if outcome is not None:
            clean += not (outcome.problems or outcome.is_slow)
            if chosen.write:
                _write([_row(outcome)])
    console.print(f"{clean} of {len(wanted)} faults clean; logs: {folder}")
    sys.exit(clean < len(wanted))


def _run(
    fault: Fault, folder: Path, chosen: argparse.Namespace, console: Console
) -> Outcome | None:
    count, seed = chosen.count, chosen.seed
    seed = random.randrange(2**31) if seed is None else seed  # noqa: S311 - printed, no secret
    console.print(f"[bold]{fault.number} {fault.name}[/], seed {seed}: {fault.title}")
    directory = folder / f"{fault.name}-{seed}"
    directory.mkdir(parents=True)
    stack = LiveStack(directory, choose_ports(directory, dict.fromkeys(NAMES, 0)))
    stack.start()
    columns = (TextColumn("  accepted"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        settings = prepare(stack.settings())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=int(count * (1 + TWICE)))
            outcome = asyncio.run(
                alone(
                    fault, stack, settings, directory, count, seed,
                    rate=chosen.rate, scale=chosen.scale,
                    progress=lambda done: bar.update(task, completed=done),
                )
            )  # fmt: skip
        discard(settings)
    except TimeoutError as error:
        console.print(f"  [red]{error}[/]")
        return None
    finally:
        stack.recover()
        stack.stop()
    console.print(f"  {json.dumps(_row(outcome), ensure_ascii=False)}")
    return outcome


def _row(outcome: Outcome) -> dict[str, Any]:
    found = asdict(outcome.found)
    del found["remarks"]
    return {
        "number": outcome.fault.number,
        "fault": outcome.fault.title,
        "name": outcome.fault.name,
        "seed": outcome.seed,
        **found,
        "recovered_s": round(outcome.recovered, 1),
        "seconds": round(outcome.seconds, 1),
        "answers": outcome.answers,
        "problems": outcome.problems,
        "slow": outcome.is_slow,
    }


def _write(rows: list[dict[str, Any]]) -> None:
    """Put the figures into the page; those of faults that did not run now stay."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else []
    known = {_key(row): row for row in [*kept, *rows]}
    ordered = sorted(known.values(), key=lambda row: int(row["number"]))
    FIGURES.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    _put(PAGE, table(ordered))
    _put(README, short(ordered))


def _put(page: Path, text: str) -> None:
    """Replace what stands between the marks."""
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def _key(row: dict[str, Any]) -> tuple[str, int]:
    """The newest run of each fault is shown, and every seed of the one that is all chance."""
    return row["name"], row["seed"] if row["name"] == "storm" else 0


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| | fault | deliveries | lost | repeats | doubled | late copies | recovered | seed |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r['number']} | {r['fault']} | {r['accepted']:,} | {r['lost'] + r['unkept']} |"
        f" {r['repeats'] + r['strange']} | {r['doubled']} | {r['late']} | {r['recovered_s']} s |"
        f" {r['seed']} |"
        for r in rows
    ]
    return "\n".join(lines)


def short(rows: list[dict[str, Any]]) -> str:
    """What matters most of the figures, a line for each fault."""
    lines = ["| fault | deliveries | lost | repeats | doubled | recovered |"]
    lines += ["|---|--:|--:|--:|--:|--:|"]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    for runs in by_name.values():
        lost = sum(run["lost"] + run["unkept"] for run in runs)
        repeats = sum(run["repeats"] + run["strange"] for run in runs)
        longest = max(run["recovered_s"] for run in runs)
        lines.append(
            f"| {runs[0]['fault']} | {sum(run['accepted'] for run in runs):,} | {lost} |"
            f" {repeats} | {sum(run['doubled'] for run in runs)} | {longest:.0f} s |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
