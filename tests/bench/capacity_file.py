"""The data file of ``hookline capacity``, made of the JSON of the bench's runs.

python -m tests.bench.capacity                          what the newest run gives
python -m tests.bench.capacity --of 1a2b3c4 --write     a run's figures into the package
python -m tests.bench.capacity --write --to ours.json   into a file of your own

A figure that no given run measures stays as it stands in the file.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs
from rich.console import Console
from rich.table import Table

from hookline.capacity.measurements import FILE, Figure, Figures, read, to_json
from hookline.console.errors import CommandError
from tests.bench import ingress, processors, report, sinks

TARGET = report.ROOT / "hookline" / "capacity" / FILE
ENOUGH_RUNS = 5
LEAST_ENTRIES = 100_000
"""Of an index whose figures are told for a million: below, the start of a process is most."""
MILLION = 1_000_000
MB = 1e6

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Take:
    """Where a figure stands in a run: the median of a row's ``of``, made into the unit."""

    scenario: str
    work: str
    of: str = "values"
    scale: float = 1.0
    per_million: bool = False
    has_entries: bool = False

    def find(self, rows: Sequence[Told]) -> float | None:
        """The figure; None where no row has it."""
        for row in rows:
            match = re.fullmatch(self.work, row["work"])
            if row["scenario"] != self.scenario or not match or not row[self.of]:
                continue
            value = float(row[self.of]["median"]) * self.scale
            if self.has_entries:
                entries = int(match["entries"].replace(",", ""))
                if entries < LEAST_ENTRIES:
                    continue
                value *= MILLION / entries if self.per_million else 1
            return value
        return None


def _flow(part: str) -> Take:
    return Take("capacity", f"CPU of {part}, a delivery")


def _bench(scenario: str, work: str, of: str = "values", scale: float = 1.0) -> Take:
    return Take(scenario, re.escape(work), of, scale)


def _memory(part: str) -> Take:
    return Take("capacity", f"memory of {part}", scale=MB)


_TAKE_OVER = r"take-over of a partition with (?P<entries>[0-9,]+) entries, from "
WANTED: dict[str, tuple[str, str, tuple[Take, ...]]] = {
    "ingress_cpu": (
        "µs",
        "CPU of the ingress for a delivery: proof, key, awaited append",
        (_bench("ingress", ingress.WORK, "cpu_us"), _flow("ingress")),
    ),
    "processor_cpu": (
        "µs",
        "CPU of a processor for a delivery of one event: dedupe, adapter, Avro, awaited append",
        (_bench("processor", processors.WORK, "cpu_us"), _flow("processor")),
    ),
    "sink_cpu": (
        "µs",
        "CPU of a sink for an event",
        (_bench("sinks", sinks.WORK, "cpu_us"), _flow("sink")),
    ),
    "postgres_cpu": (
        "µs",
        "CPU of PostgreSQL, all its processes, for an event",
        (_flow("PostgreSQL"),),
    ),
    "broker_cpu": (
        "µs",
        "CPU of the one broker for a delivery of one event, one copy: append, read, twice",
        (_flow("Kafka"),),
    ),
    "body": (
        "bytes",
        "body of a delivery, mean of the golden examples",
        (Take("capacity", "body of a delivery"),),
    ),
    "raw_overhead": (
        "bytes",
        "key, headers and frame of a raw record, not compressed",
        (Take("capacity", "raw record beside its body"),),
    ),
    "event": (
        "bytes",
        "canonical record with key and headers, not compressed, mean of the golden examples",
        (Take("capacity", "canonical record"),),
    ),
    "events_per_delivery": (
        "events",
        "canonical events of a delivery, mean of the golden examples",
        (Take("capacity", "events of a delivery"),),
    ),
    "order": (
        "bytes",
        "an order of two lines in PostgreSQL, with indexes",
        (Take("capacity", "an order with its lines in PostgreSQL"),),
    ),
    "cart": (
        "bytes",
        "a cart told four times in PostgreSQL, with indexes",
        (Take("capacity", "a cart with four changes in PostgreSQL"),),
    ),
    "customer": (
        "bytes",
        "a customer of four orders in PostgreSQL, with indexes, without the orders",
        (Take("capacity", "a customer in PostgreSQL"),),
    ),
    "wal": (
        "bytes",
        "PostgreSQL's write-ahead log for an event",
        (Take("capacity", "log of PostgreSQL, an event"),),
    ),
    "index_entry": (
        "bytes",
        "memory of a delivery that a processor remembers",
        (Take("index", r"bytes an entry, (?P<entries>[0-9,]+) deliveries", has_entries=True),),
    ),
    "ingress_memory": (
        "bytes",
        "memory of an ingress under load",
        (_bench("ingress", "memory under load", scale=MB), _memory("ingress")),
    ),
    "processor_memory": (
        "bytes",
        "memory of a processor after load, its index nearly empty",
        (_memory("processor"),),
    ),
    "sink_memory": (
        "bytes",
        "memory of a sink under load",
        (_bench("sinks", "memory under load", scale=MB), _memory("sink")),
    ),
    "take_over_log": (
        "seconds",
        "a million remembered deliveries read back from the log",
        (Take("index", _TAKE_OVER + "the log", per_million=True, has_entries=True),),
    ),
    "take_over_cache": (
        "seconds",
        "a million remembered deliveries read back from the cache on disk",
        (Take("index", _TAKE_OVER + "a cache on disk", per_million=True, has_entries=True),),
    ),
}
"""Name -> unit, what it is, where it stands: the best place first."""
EXACT = ("body", "raw_overhead", "event", "events_per_delivery", "index_entry")
"""What a short run on a busy machine counts as well as any other."""


def none() -> Figures:
    """Figures that nobody has measured."""
    return Figures(
        **{
            name: Figure(value=None, unit=unit, what=what, by=_command(takes[0]))
            for name, (unit, what, takes) in WANTED.items()
        }
    )


def _command(take: Take) -> str:
    return f"make bench ONLY={take.scenario}"


def merged(standing: Figures, runs: Sequence[Told], *, provisional: bool = False) -> Figures:
    """The figures with what the runs measure in their place; a later run before an earlier one.

    ``provisional``: the machine was busy. Short runs say so by themselves.
    """
    found = dict(standing.named())
    for name, (unit, what, takes) in WANTED.items():
        kept = found[name]
        found[name] = structs.replace(kept, unit=unit, what=what)
        for run in reversed(runs):
            values = [(take, take.find(run["rows"])) for take in takes]
            taken = [(take, value) for take, value in values if value is not None]
            if not taken:
                continue
            take, value = taken[0]
            is_short = run["runs"] < ENOUGH_RUNS or run["scale"] < 1
            found[name] = Figure(
                value=float(f"{value:.4g}"),
                unit=unit,
                what=what,
                by=_command(take),
                machine=run["machine"],
                commit=run["commit"],
                at=run["at"],
                provisional=name not in EXACT and (provisional or is_short),
            )
            break
    return Figures(**found)


def main() -> None:
    """Show what the runs give, or write it; exit 1 with one line where there is no run."""
    chosen = _parser().parse_args()
    say = Console().print
    try:
        runs = [report.load(path) for path in _paths(chosen.of)]
        standing = read(chosen.to) if chosen.to.exists() else none()
    except (report.CompareError, CommandError) as error:
        say(f"[red]{error}[/]")
        sys.exit(1)
    figures = merged(standing, runs, provisional=chosen.provisional)
    say(_table(standing, figures))
    if figures.missing:
        say(f"not measured by any run yet: {', '.join(figures.missing)}")
    if chosen.write:
        chosen.to.write_text(to_json(figures))
        say(f"{chosen.to} is written; now: python -m tests.capacity_page")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.capacity",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--of", nargs="+", help="runs, the last one first (default: the newest)")
    parser.add_argument("--write", action="store_true", help="write the file")
    parser.add_argument("--to", type=Path, default=TARGET, help="default: the package's own")
    parser.add_argument("--provisional", action="store_true", help="the machine was busy")
    return parser


def _paths(names: Sequence[str] | None) -> list[Path]:
    if names:
        return [report.find(name) for name in names]
    known = sorted(report.FOLDER.glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not known:
        raise report.CompareError("nothing was measured yet: make bench")
    return known[-1:]


def _table(before: Figures, now: Figures) -> Table:
    shown = Table()
    for name in ("figure", "unit", "stood", "now", "provisional", "by"):
        shown.add_column(name, justify="right" if name in ("stood", "now") else "left")
    for name, figure in now.named().items():
        was = before.named()[name].value
        shown.add_row(
            name,
            figure.unit,
            "" if was is None else report.figure(was),
            "" if figure.value is None else report.figure(figure.value),
            "yes" if figure.provisional else "",
            figure.by,
        )
    return shown
