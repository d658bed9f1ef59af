"""``python -m tests.hostile``: memory and answers of one ingress while each kind is at work."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.hostile.kinds import KINDS, attacking, sending
from tests.hostile.server import started

ALL = "all at once"


async def measure(folder: Path, kinds: list[str], seconds: float) -> dict[str, Any]:
    """One row of the table: a fresh process, a good sender, and these kinds."""
    async with started(folder) as server:
        most = server.rss
        async with sending(server.port) as sender, attacking(server.port, kinds):
            loop = asyncio.get_running_loop()
            end = loop.time() + seconds
            while loop.time() < end:
                await asyncio.sleep(0.05)
                most = max(most, server.rss)
            connections = server.process.num_fds()
        cpu = server.process.cpu_times()
    return {
        "good": len(sender.seconds),
        "not 200": len(sender.seconds) - sender.statuses[200],
        "p50 ms": round(sorted(sender.seconds)[len(sender.seconds) // 2] * 1000, 1),
        "p99 ms": round(sender.p99 * 1000, 1),
        "most MB": round(most / 1e6),
        "open": connections,
        "CPU s": round(cpu.user + cpu.system, 1),
    }


def main() -> None:
    """Measure every kind alone, then all at once."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.hostile",
        description=__doc__,
        epilog="python -m tests.hostile --seconds 30 --kind 'gzip bombs' --json",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each kind")
    parser.add_argument("--kind", action="append", choices=[*KINDS, ALL], help="only this one")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    chosen = parser.parse_args()
    wanted = {"nobody": [], **{kind: [kind] for kind in KINDS}, ALL: list(KINDS)}
    wanted = {name: wanted[name] for name in chosen.kind or wanted}
    folder = Path(tempfile.mkdtemp(prefix="hookline-hostile-"))
    console = Console(stderr=True)
    rows = {
        name: asyncio.run(measure(folder, kinds, chosen.seconds))
        for name, kinds in track(wanted.items(), "hostile senders", console=console)
    }
    if chosen.json:
        print(json.dumps(rows))
        return
    columns = list(next(iter(rows.values())))
    table = Table("meanwhile", *columns)
    for name, row in rows.items():
        table.add_row(name, *(str(row[column]) for column in columns))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
