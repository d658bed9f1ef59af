"""``make soak``: steady deliveries for an hour: memory stays flat, and no alert is raised.

make soak                           an hour at 500 deliveries a second, after a warm-up
make soak MINUTES=10                shorter

Where Prometheus is installed, it watches the alerts from the first delivery on. Where Chromium
is, a tab of the dashboard is open all the time, and must hold less than 100 MB.

The shops' dedupe window is short, so that the index has found its size before the first look.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from hookline.local.process import Child
from hookline.local.stack import NAMES, choose_ports
from tests.browser import chromium
from tests.conftest import LiveStack, discard, prepare
from tests.faults import open_tab
from tests.faults.fault import Fault
from tests.faults.open_tab import OpenTab
from tests.faults.outcome import Outcome
from tests.faults.prometheus import MISSING, program
from tests.faults.storm import Storm, alone

RATE = 500.0
WINDOW = 300
"""Seconds after which a repeat is none."""
WARM_UP = 4 * WINDOW
"""Seconds before the first look: a run of an index keeps what has left it until that is half."""
EVERY = 10.0
"""Seconds between looks."""
TOLERANCE = 0.1
"""How far a process's memory may be from what it was at the first look, as a share."""
_PARTS = 6
"""Means that are shown of each process, the hour in equal parts."""


class Memory:
    """Resident bytes of every process of the stages, looked at now and then.

    ``tab``: what the open tab held meanwhile. ``wrong``: what is wrong with it, if anything.
    """

    def __init__(self, seconds: float, folder: Path, reader_url: str) -> None:
        self._seconds = seconds
        self._folder, self._reader_url = folder, reader_url
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.tab: list[dict[str, float]] = []
        self.wrong: str | None = None

    async def watch(self, storm: Storm) -> None:
        """Look for as long as was said, once the warm-up is over; a tab is open all the time."""
        with ExitStack() as held:
            tab = None
            if chromium.path() is not None:
                place = open_tab.opened(storm.settings, self._reader_url, self._folder)
                tab = await asyncio.to_thread(held.enter_context, place)
            await asyncio.sleep(WARM_UP)
            await self._look(storm.pipeline.children, tab)
            if tab is not None:
                self.tab, self.wrong = tab.looks, tab.problem()

    async def _look(self, stages: Mapping[str, Child], tab: OpenTab | None) -> None:
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            children = [*stages.items(), *([("dashboard", tab.dashboard)] if tab else [])]
            for name, child in children:
                if child.pid is not None:
                    self.seen[name].append(psutil.Process(child.pid).memory_info().rss)
            await asyncio.sleep(EVERY)

    def means(self) -> dict[str, list[float]]:
        """Mean MB of each process in each part of the time."""
        found = {}
        for name, seen in self.seen.items():
            cuts = [len(seen) * part // _PARTS for part in range(_PARTS + 1)]
            parts = [seen[a:b] for a, b in pairwise(cuts) if a < b]
            found[name] = [round(sum(part) / len(part) / 1e6, 1) for part in parts]
        return found

    def drifted(self) -> dict[str, float]:
        """Largest distance from the first part's mean, as a share, where that is too much."""
        shares = {
            name: max(abs(each / means[0] - 1) for each in means)
            for name, means in self.means().items()
        }
        return {name: share for name, share in shares.items() if share > TOLERANCE}


def main() -> None:
    """Run it; exit 1 if memory grew, an alert fired, or anything was lost or counted twice."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="after the warm-up")
    parser.add_argument("--rate", type=float, default=RATE, help="deliveries a second")
    parser.add_argument("--keep", type=Path, help="folder for the logs, kept")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="hookline-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    took = (WARM_UP + 60 * chosen.minutes) / 60
    console.print(f"{chosen.rate:.0f} deliveries/s for {took:.0f} minutes; logs: {folder}")
    is_watched = program() is not None
    if not is_watched:
        console.print(f"[yellow]{MISSING}[/]")
    if chromium.path() is None:
        console.print(f"[yellow]{chromium.MISSING}[/]")
    memory, outcome = _run(60 * chosen.minutes, folder, chosen.rate, is_watched=is_watched)
    _show(console, memory, outcome)
    drifted = memory.drifted()
    alerts = None if outcome.alarms is None else [each.name for each in outcome.alarms.fired]
    console.print(
        json.dumps(
            {
                "means_mb": memory.means(),
                "drifted": drifted,
                "found": outcome.problems,
                "alerts": alerts,
                "tab": memory.tab[-1:],
                "tab_wrong": memory.wrong,
            }
        )
    )
    sys.exit(bool(drifted or outcome.problems or alerts or memory.wrong))


def _run(seconds: float, folder: Path, rate: float, *, is_watched: bool) -> tuple[Memory, Outcome]:
    stack = LiveStack(folder, choose_ports(folder, dict.fromkeys(NAMES, 0)))
    memory = Memory(seconds, folder, stack.reader_url)
    hour = Fault(
        0,
        "soak",
        "steady deliveries",
        memory.watch,
        window=WINDOW,
        may_alert=frozenset(),
        is_outage=True,  # no queue stands at the beginning: it would be an alert
    )
    stack.start()
    try:
        settings = prepare(stack.settings())
        outcome = asyncio.run(
            alone(
                hour, stack, settings, folder, 1_000, seed=1, rate=rate,
                watches_alerts=is_watched,
            )
        )  # fmt: skip
        discard(settings)
    finally:
        stack.recover()
        stack.stop()
    return memory, outcome


def _show(console: Console, memory: Memory, outcome: Outcome) -> None:
    table = Table(title=f"{outcome.found.accepted:,} deliveries accepted; resident MB")
    table.add_column("process")
    for part in range(_PARTS):
        table.add_column(f"{part + 1}/{_PARTS}", justify="right")
    for name, means in memory.means().items():
        table.add_row(name, *(f"{mean:.1f}" for mean in means))
    console.print(table)
    if memory.tab:
        console.print(f"open tab, first look: {memory.tab[0]}; last: {memory.tab[-1]}")
    if memory.wrong:
        console.print(f"[red]{memory.wrong}[/]")
    if outcome.alarms is not None:
        raised = outcome.alarms.rows()
        console.print(f"alerts raised: {json.dumps(raised) if raised else 'none'}")
    if outcome.problems:
        console.print(f"[red]{outcome.problems}[/]")


if __name__ == "__main__":
    main()
