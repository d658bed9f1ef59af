"""``make bench``: each stage against what one would pick instead, on this machine.

make bench                            everything; figures in .hookline/bench/<commit>.json
make bench ONLY=processor,sinks       some scenarios
make bench QUICK=1                    few events: does every scenario still work?
make bench-compare BASE=1a2b3c4       the last run beside an earlier one
make profile STAGE=process            a flame graph of a stage under the bench's load

Figures are ratios to a baseline of the same run, in turns with ours: stage and baseline alone
on the last core, servers and load on the others. Close what else runs.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console

from runtime import logs
from runtime.settings import Settings
from tests.bench import (
    audit,
    build,
    capacity,
    costs,
    desk,
    index,
    ingress,
    journey,
    latency,
    processors,
    profile,
    report,
    sinks,
    storing,
)
from tests.bench.measure import Row
from tests.bench.real import Bench, BenchError

SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {
    "ingress": ingress.run,
    "processor": processors.run,
    "sinks": sinks.run,
    "storing": storing.run,
    "build": build.run,
    "e2e": latency.run,
    "index": index.run,
    "audit": audit.run,
    "journey": journey.run,
    "desk": desk.run,
    "metrics": costs.metrics,
    "traces": costs.traces,
    "capacity": capacity.run,
}
QUICK = 0.01


def main() -> None:
    """Measure, compare or profile; exit 1 where a scenario could not be measured."""
    chosen = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 200)
    logs.configure(Settings(log_level="error"), "bench")
    try:
        if chosen.compare is not None:
            _compare(chosen, console)
            return
        folder = chosen.keep or Path(tempfile.mkdtemp(prefix="hookline-bench-"))
        folder.mkdir(parents=True, exist_ok=True)
        runs = 1 if chosen.quick else chosen.runs
        scale = QUICK if chosen.quick else chosen.scale
        bench = Bench.of(folder, console, runs=runs, scale=scale, full=chosen.full)
        try:
            if chosen.profile:
                _profile(chosen, bench, console)
                return
            failed = _measure(chosen, bench, console)
        finally:
            bench.close()
            if chosen.keep is None:  # gigabytes; the logs stay
                for data in ("stack", "state"):
                    shutil.rmtree(folder / data, ignore_errors=True)
        console.print(f"logs: {folder}")
        sys.exit(failed)
    except (report.CompareError, BenchError) as error:
        console.print(f"[red]{error}[/]")
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SCENARIOS), help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--runs", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full numbers")
    parser.add_argument("--quick", action="store_true", help="one round, a hundredth of the events")
    parser.add_argument("--full", action="store_true", help="ten million entries too: an hour")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--keep", type=Path, help="folder for data and logs, kept")
    parser.add_argument("--compare", metavar="BASE", help="a commit or file to hold beside --with")
    parser.add_argument("--with", dest="other", metavar="RUN", help="default: the newest run")
    parser.add_argument("--profile", choices=profile.STAGES, help="write a stage's flame graph")
    return parser


def _measure(chosen: argparse.Namespace, bench: Bench, console: Console) -> int:
    names = chosen.only.split(",")
    if unknown := set(names) - SCENARIOS.keys():
        raise BenchError(f"no scenario is called {min(unknown)}: choose of {', '.join(SCENARIOS)}")
    commit, began = report.commit(), time.monotonic()
    python = f"Python {platform.python_version()}"
    told = {
        "commit": commit,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": bench.runs,
        "scale": bench.scale,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {python}",
        "cores": {
            "stage": sorted(bench.cores.stage),
            "servers": sorted(bench.cores.servers),
        },
        "versions": {name: version(name) for name in ("aiokafka", "faust-streaming", "psycopg")},
    }
    if bench.cores.is_shared:
        console.print("[yellow]one core for everything: the ratios say little[/]")
    if chosen.quick:
        console.print("[yellow]so few events show that it works, not how fast it is[/]")
    out = chosen.json or report.FOLDER / f"{commit}{'-quick' if chosen.quick else ''}.json"
    rows: list[Row] = []
    failed = 0
    for name in names:
        console.print(f"[bold]{name}[/]")
        try:
            rows += SCENARIOS[name](bench)
        except (
            BenchError,
            OSError,
            subprocess.SubprocessError,
            psutil.Error,
            ExceptionGroup,
        ) as error:
            failed = 1
            console.print(f"[red]{name}: {error}[/]", highlight=False)
            rows.append(Row(name, "failed", note=str(error).splitlines()[0]))
        report.save(out, rows, told)  # what was measured stays, whatever comes
    console.print(report.table(rows))
    minutes = (time.monotonic() - began) / 60
    console.print(f"{commit}, {told['machine']}, {minutes:.1f} minutes; figures: {out}")
    return failed


def _compare(chosen: argparse.Namespace, console: Console) -> None:
    base = report.find(chosen.compare)
    runs = sorted(report.FOLDER.glob("*.json"), key=lambda path: path.stat().st_mtime)
    newest = [path for path in runs if path.resolve() != base.resolve()]
    if not chosen.other and not newest:
        raise report.CompareError("there is no other run to compare with: make bench")
    other = report.find(chosen.other) if chosen.other else newest[-1]
    console.print(report.comparison(report.load(base), report.load(other)))


def _profile(chosen: argparse.Namespace, bench: Bench, console: Console) -> None:
    out = chosen.json or report.ROOT / ".hookline" / "profile" / f"{chosen.profile}.svg"
    rate = profile.record(bench, chosen.profile, out)
    console.print(f"{chosen.profile}: {rate:,.0f}/s while it was watched; flame graph: {out}")


if __name__ == "__main__":
    main()
