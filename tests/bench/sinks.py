"""Canonical to tables: order events of two lines, the worker on one core, PostgreSQL on the other.

The events are made by a processor from deliveries, and stand in the log before a run begins.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count as numbers_from

import psycopg
from psycopg import sql

from runtime.settings import Settings
from schemas.topics import ORDERS as ORDER_EVENTS
from schemas.topics import WEBHOOKS
from tests.bench.baselines.copy_rows import copied
from tests.bench.bodies import ORDERS, UPDATES
from tests.bench.child import call
from tests.bench.measure import (
    Row,
    Sample,
    alternate,
    at_least,
    at_most,
    rates,
    ratio_at_least,
    ratio_at_most,
)
from tests.bench.real import Bench, Log, Program, Worker, audit, stage

COUNT = 30_000
FEW, MANY, MOST = 10_000, 1_000_000, 10_000_000
STEP = 100_000
"""Entities that are added at once, between measurements."""
ENTRY = ("-P", "-m", "hookline", "sink")
WORK = "canonical → tables, orders of two lines"


def run(bench: Bench) -> list[Row]:
    """Against COPY; then with few entities and with many."""
    return [*_against_copy(bench), *_growing(bench)]


def _against_copy(bench: Bench) -> list[Row]:
    with bench.prefix() as settings, ready(bench, settings, COUNT) as worker:
        worker.sample()  # so that there are rows to copy, whoever begins

        def copy() -> Sample:
            told = {"database_url": settings.database_url, "schema": settings.sql_schema}
            found = call(bench.cores.stage, copied, **told, events=worker.done())
            return Sample(**found)

        with bench.bar("sinks") as told:
            ours, theirs = alternate([worker.sample, copy], bench.runs, told)
        verdict = audit(settings)
    top = max(each.memory for each in ours) / 1e6
    return [
        rates("sinks", WORK, ours, bar=at_least(12_000), audit=verdict),
        rates(
            "sinks", WORK, ours, "COPY of the same rows", theirs,
            bar=ratio_at_least(0.25), audit=verdict,
            note="into tables that begin empty, in one transaction",
        ),
        Row("sinks", "memory under load", "MB", [top], bar=at_most(250), audit=verdict),
    ]  # fmt: skip


def _growing(bench: Bench) -> list[Row]:
    sizes = [bench.count(size, 400) for size in (FEW, MANY, *([MOST] if bench.full else []))]
    found: list[list[Sample]] = []
    with bench.prefix() as settings, ready(bench, settings, COUNT // 4) as worker:
        for size in sizes:
            with bench.bar(f"{size:,} orders in the tables") as told:
                _grow(worker, size, told)
            with bench.bar(f"sinks with {size:,} orders") as told:
                [samples] = alternate([worker.sample], bench.runs, told)
            found.append(samples)
        verdict = audit(settings)
    few = found[0]
    return [
        Row(
            "sinks", f"an event with {size:,} orders in the tables", "µs",
            [1e6 / each.rate for each in many],
            f"with {sizes[0]:,}", [1e6 / each.rate for each in few],
            [each.cpu_us for each in many], [each.cpu_us for each in few],
            bar=ratio_at_most(1.2), audit=verdict, note="elapsed",
        )
        for size, many in zip(sizes[1:], found[1:], strict=True)
    ]  # fmt: skip


def _grow(worker: Worker, size: int, told: Callable[[int, int], None]) -> None:
    usual = worker.count
    while (left := size - worker.done()) > 0:
        told(size - left, size)
        worker.count = min(left, STEP)
        worker.sample()
    worker.count = usual


@contextmanager
def ready(
    bench: Bench, settings: Settings, amount: int, entry: Sequence[str] = ENTRY
) -> Iterator[Worker]:
    """A sink that stands still, and a processor beside it that runs while it is filled."""
    numbers = numbers_from()
    servers = bench.cores.servers
    with (
        Log(settings) as log,
        psycopg.connect(settings.database_url, autocommit=True) as connection,
        stage(bench, "process", settings, servers) as processor,
        Program(bench, "sink", entry, settings) as sink,
    ):
        query = sql.SQL("SELECT coalesce(sum(next_offset), 0) FROM {} WHERE topic = %s").format(
            sql.Identifier(settings.sql_schema, "fences")
        )

        def done() -> int:
            row = connection.execute(query, [settings.topic(ORDER_EVENTS)]).fetchone()
            return int(row[0]) if row else 0

        def fill(count: int) -> None:
            goal = making.done() + count
            log.spread(WEBHOOKS, (ORDERS.raw(next(numbers)) for _ in range(count)))
            making.drain(goal)

        making = Worker([processor], lambda _: None, lambda: log.ends(ORDER_EVENTS), 0)
        processor.wait_ready()
        sink.wait_ready()
        processor.pause()
        sink.pause()
        yield Worker([sink], fill, done, bench.count(amount) // UPDATES * UPDATES)
