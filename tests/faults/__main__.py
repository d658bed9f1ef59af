"""``make faults``: every fault in a long storm, and what was seen, for docs/reliability.md.

make faults                         all of them
make faults FAULT=storm SEED=7      one, as that seed had it
make faults COUNT=2000              smaller storms
make alerts                         outages for the alerts alone, for docs/alerts/README.md
make alerts FAULT=no-sinks          one of them

Where Prometheus is installed, it watches the alerts of every storm. Those of a fault are judged
in storms of full size only: a shorter one may be too short for an alert.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hookline.local.stack import NAMES, choose_ports
from tests.conftest import LiveStack, prepare
from tests.faults import alert_table, outages, table
from tests.faults.catalogue import FAULTS
from tests.faults.fault import Fault
from tests.faults.outages import OUTAGES
from tests.faults.outcome import Outcome
from tests.faults.prometheus import MISSING, program
from tests.faults.storm import TWICE, alone

COUNT = 100_000
RATE = 700.0
"""Deliveries a second: less than two cores take in, so that a recovery is no queue's length."""


def main() -> None:
    """Run the storms; exit 1 if anything was lost or counted twice."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--fault",
        choices=[*FAULTS, *OUTAGES],
        action="append",
        metavar="NAME",
        help="only this one",
    )
    parser.add_argument("--alerts", action="store_true", help="the outages for the alerts alone")
    parser.add_argument("--unwatched", action="store_true", help="without Prometheus")
    parser.add_argument("--seed", type=int, help="repeat the run that had this seed")
    parser.add_argument(
        "--count",
        type=int,
        help=f"distinct deliveries of each ({COUNT}; of an outage more or less)",
    )
    parser.add_argument("--rate", type=float, help=f"deliveries a second ({RATE:.0f})")
    parser.add_argument("--scale", type=float, default=1.0, help="how long faults last")
    parser.add_argument("--keep", type=Path, help="folder for the logs, kept")
    parser.add_argument("--write", action="store_true", help="write the figures into docs")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="hookline-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    if not chosen.unwatched and program() is None:
        console.print(f"[yellow]{MISSING}[/]")
        chosen.unwatched = True
    if chosen.alerts and chosen.unwatched:
        sys.exit(2)
    wanted = chosen.fault or list(OUTAGES if chosen.alerts else FAULTS)
    clean = 0
    for name in wanted:
        outcome = _run({**FAULTS, **OUTAGES}[name], folder, chosen, console)
        if outcome is not None:
            alerts = _alerts(outcome, chosen, console)
            clean += not (outcome.problems or outcome.is_slow or alerts)
            if chosen.write:
                _write(outcome)
    console.print(f"{clean} of {len(wanted)} faults clean; logs: {folder}")
    sys.exit(clean < len(wanted))


def _run(
    fault: Fault, folder: Path, chosen: argparse.Namespace, console: Console
) -> Outcome | None:
    usual = (outages.COUNT, outages.RATE) if fault.is_outage else (COUNT, RATE)
    count, rate, seed = chosen.count or usual[0], chosen.rate or usual[1], chosen.seed
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
                    rate=rate, scale=chosen.scale,
                    progress=lambda done: bar.update(task, completed=done),
                    watches_alerts=not chosen.unwatched,
                )
            )  # fmt: skip
    except TimeoutError as error:
        console.print(f"  [red]{error}[/]")
        return None
    finally:
        stack.recover()
        stack.stop()
        for name in NAMES:  # the logs stay
            shutil.rmtree(directory / name, ignore_errors=True)
    console.print(f"  {json.dumps(table.row(outcome), ensure_ascii=False)}")
    return outcome


def _alerts(outcome: Outcome, chosen: argparse.Namespace, console: Console) -> list[str]:
    """Print the alerts of a storm; return what is wrong with them, where they are judged."""
    if outcome.alarms is None:
        return []
    fault, raised = outcome.fault, outcome.alarms.rows()
    console.print(f"  alerts: {json.dumps(raised)}")
    is_full = fault.is_outage or ((chosen.count or COUNT) >= COUNT and chosen.scale >= 1)
    problems = outcome.alert_problems if is_full else []
    for problem in problems:
        console.print(f"  [red]{problem}[/]")
    return problems


def _write(outcome: Outcome) -> None:
    if outcome.fault.is_outage:
        alert_table.write([alert_table.row(outcome)])
    else:
        table.write([table.row(outcome)])


if __name__ == "__main__":
    main()
