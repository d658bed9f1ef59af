"""The dedupe index: what an entry takes, what it costs when it is large, how it is taken over."""

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from processors.decide import Decider
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from runtime.settings import Settings
from schemas.topics import ORDERS, WEBHOOKS
from tests.bench.bodies import SHOPS, settled_outcomes, settled_raws
from tests.bench.build import CODEC, KEY, record
from tests.bench.child import call
from tests.bench.measure import Row, Sample, alternate, at_most, ratio_at_most, timed
from tests.bench.real import Bench, Log, audit, stage
from tests.index_bytes import index_bytes

ENTRIES = 1_000_000
FEW = 10_000
MANY = 10_000_000
EVENTS = 100_000
BATCH = 500
"""About what half a MiB of carts comes to, as the stage fetches them."""
CACHE_BYTES = 4096
"""Less than an index of the history takes on disk."""


def run(bench: Bench) -> list[Row]:
    """Bytes, cost and take-over."""
    sizes = [_bytes(bench, bench.count(full)) for full in (FEW, ENTRIES)]
    return [*sizes, *_cost(bench), *_take_over(bench)]


def _bytes(bench: Bench, entries: int) -> Row:
    with bench.bar("bytes an entry") as told:
        told(0, 1)
        found = call(bench.cores.stage, memory_of, entries=entries)
    return Row(
        "index", f"bytes an entry, {entries:,} deliveries", "B", [found["held"] / entries],
        bar=at_most(40), note=f"of them in sorted runs: {found['runs'] / entries:.0f} B",
    )  # fmt: skip


def _cost(bench: Bench) -> list[Row]:
    rows = []
    few, events = bench.count(FEW, 100), bench.count(EVENTS)
    for many in (ENTRIES, MANY) if bench.full else (ENTRIES,):
        entries = bench.count(many, 2000)
        with bench.bar(f"index of {entries:,}") as told:
            told(0, 1)
            found = call(
                bench.cores.stage, cost_of, few=few, many=entries, events=events, runs=bench.runs
            )
        small, large = ([Sample(**each) for each in side] for side in found)
        rows.append(
            Row(
                "index", f"CPU of an event with {entries:,} entries", "µs",
                [each.cpu_us for each in large],
                f"with {few:,}", [each.cpu_us for each in small], bar=ratio_at_most(1.2),
            )
        )  # fmt: skip
    return rows


def memory_of(entries: int) -> dict[str, int]:
    """Bytes that an index holds in all, and in its sorted runs; in this process."""
    tracemalloc.start()
    index = filled(entries)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    return {"held": held, "runs": index_bytes(index)}


def filled(entries: int) -> PartitionIndex:
    """An index of that many settled deliveries, as reading their outcomes back makes it."""
    index = PartitionIndex(entries)
    for at, (_, _, headers) in enumerate(settled_outcomes(entries, "order")):
        index.add(parse_outcome_headers(headers))
        if at % BATCH == 0:
            index.settle(entries, 0)
    index.settle(entries, 0)
    return index


def cost_of(few: int, many: int, events: int, runs: int) -> list[list[dict[str, Any]]]:
    """Samples of deciding with a small index and with a large one, in this process.

    The small one is made anew for each run; the large one grows by what it is told.
    """
    verdicts = Decider(CODEC, ADAPTERS, KEY)
    large = filled(many)
    at = many

    def decide(index: PartitionIndex, first: int) -> int:
        for start in range(first, first + events, BATCH):
            records = prepared[start - first : start - first + BATCH]
            made = verdicts.decide(records, index, SHOPS)
            index.add_decided(
                [verdict.index_row for verdict in made if verdict.index_row is not None]
            )
            index.settle(records[-1].offset + 1, 0)
        return events

    prepared: list[Any] = []

    def side(index: Callable[[], PartitionIndex]) -> Sample:
        nonlocal at, prepared
        chosen = index()
        prepared = [record(at + number) for number in range(events)]
        first, at = at, at + events
        return timed(lambda: decide(chosen, first))

    sides = (lambda: side(lambda: filled(few)), lambda: side(lambda: large))
    return [[asdict(each) for each in found] for found in alternate(sides, runs)]


def _take_over(bench: Bench) -> list[Row]:
    entries = bench.count(ENTRIES)
    rows = []
    with bench.prefix(partitions=1) as settings:
        fill_history(bench, settings, entries)
        with bench.bar("take-over") as told:
            from_log = []
            for turn in range(bench.runs):
                told(turn, 2 * bench.runs)
                from_log.append(_opened(bench, settings, f"fresh-{turn}"))
            from_disk = []
            for turn in range(bench.runs):
                told(bench.runs + turn, 2 * bench.runs)
                from_disk.append(_opened(bench, settings, "fresh-0"))
            kept = _kept(Path(settings.state_dir) / "fresh-0")
        verdict = audit(settings)
    work = f"take-over of a partition with {entries:,} entries"
    rows.append(
        Row("index", f"{work}, from the log", "s", from_log, bar=at_most(10), audit=verdict)
    )
    cached = Row("index", f"{work}, from a cache on disk", "s", bar=at_most(2))
    if kept > CACHE_BYTES:
        cached.values, cached.audit = from_disk, verdict
        cached.note = f"{kept / entries:.0f} B an entry on disk"
    else:
        cached.note = "not measured: the worker before has kept no index"
    rows.append(cached)
    return rows


def _opened(bench: Bench, settings: Settings, state: str) -> float:
    """Seconds that a worker took to have the index of its partitions."""
    own = replace(settings, state_dir=str(Path(settings.state_dir) / state))
    with stage(bench, "process", own) as worker:
        worker.wait_ready()
        return worker.metric("hookline_index_read_seconds")


def _kept(state: Path) -> int:
    return sum(path.stat().st_size for path in state.glob("index-*.cache"))


def fill_history(bench: Bench, settings: Settings, entries: int) -> None:
    """``entries`` settled deliveries in the log, spread over the partitions."""
    each = entries // settings.partitions
    with Log(settings) as log, bench.bar(f"{entries:,} settled deliveries") as told:
        for number in range(settings.partitions):
            told(number, settings.partitions)
            log.append(WEBHOOKS, number, settled_raws(each))
            log.append(ORDERS, number, settled_outcomes(each, "order"))
        log.settle(each)
