"""``make faults``: every fault in a long storm, and what was seen, for docs/reliability.md.

make faults                         all of them
make faults FAULT=storm SEED=7      one, as that seed had it
make faults COUNT=2000              smaller storms
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
from tests.faults import table
from tests.faults.catalogue import FAULTS
from tests.faults.storm import TWICE, Fault, Outcome, alone

COUNT = 100_000
RATE = 700.0
"""Deliveries a second: less than two cores take in, so that a recovery is no queue's length."""


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
                table.write([table.row(outcome)])
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


if __name__ == "__main__":
    main()
