"""Webhook to visible row: at a steady rate, and after a burst; seen by somebody who polls.

All three stages, the servers, the load and the poll share all cores, as they would.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count as numbers_from

import psycopg
from psycopg import sql

from runtime.settings import Settings
from schemas.topics import ORDERS as ORDER_EVENTS
from tests.bench.bodies import ORDERS
from tests.bench.ingress import generate
from tests.bench.measure import Row, Sample, at_least, at_most, quantile, rates
from tests.bench.real import Bench, BenchError, Program, audit, stage
from tests.senders import Line

RATE = 1000.0
SECONDS = 30.0
BURST = 50_000
POLL = 0.005
"""Seconds between two looks at the table; a part of every latency."""
MARKED = 10
"""One in so many deliveries is looked for."""
LINES = 64
PATIENCE = 120.0


def run(bench: Bench) -> list[Row]:
    """Steady, then bursts."""
    bench.place_servers(bench.cores.all)
    numbers = numbers_from()
    try:
        with bench.prefix() as settings, _stages(bench, settings) as programs:
            url = programs[0].url
            steady, bursts = [], []
            with bench.bar("steady and burst") as told:
                for turn in range(bench.runs + 1):
                    told(turn, bench.runs + 1)
                    found = asyncio.run(_steady(bench, settings, url, numbers))
                    drained = _burst(bench, settings, url, numbers)
                    if turn:
                        steady.append(found)
                        bursts.append(drained)
            for program in programs:
                program.check()
            verdict = audit(settings)
    finally:
        bench.place_servers(bench.cores.servers)
    rate = f"webhook → visible row at {RATE:,.0f}/s"
    note = f"looked for each {POLL * 1000:.0f} ms"
    taken = [each.more["taken_in"] for each in bursts]
    p50 = [1e3 * quantile(each, 0.5) for each in steady]
    p99 = [1e3 * quantile(each, 0.99) for each in steady]
    return [
        Row("e2e", f"{rate}, p50", "ms", p50, bar=at_most(100), audit=verdict, note=note),
        Row("e2e", f"{rate}, p99", "ms", p99, bar=at_most(1000), audit=verdict, note=note),
        rates("e2e", f"a burst of {bench.count(BURST):,}, first request → last row", bursts,
              bar=at_least(5000), audit=verdict),
        Row("e2e", "the same, until all were accepted", "/s", taken, audit=verdict),
    ]  # fmt: skip


@contextmanager
def _stages(bench: Bench, settings: Settings) -> Iterator[list[Program]]:
    with ExitStack() as held:
        programs = [
            held.enter_context(stage(bench, name, settings, bench.cores.all))
            for name in ("ingest", "process", "sink")
        ]
        for program in programs:
            program.wait_ready()
        yield programs


@dataclass(slots=True)
class Probe:
    """Looks for orders in the table. ``due``: order key -> when its webhook was due."""

    settings: Settings
    due: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    async def watch(self, is_over: Callable[[], bool]) -> None:
        """Poll until everything that was sent is there. Raises BenchError."""
        query = sql.SQL("SELECT order_key FROM {} WHERE order_key = ANY(%s)").format(
            sql.Identifier(self.settings.sql_schema, "orders")
        )
        deadline = time.monotonic() + PATIENCE + SECONDS
        connection = await psycopg.AsyncConnection.connect(
            self.settings.database_url, autocommit=True
        )
        async with connection:
            while self.due or not is_over():
                cursor = await connection.execute(query, [list(self.due)])
                rows = await cursor.fetchall()
                now = time.monotonic()
                self.seconds += [now - self.due.pop(key) for (key,) in rows]
                if now > deadline:
                    raise BenchError(f"{len(self.due)} orders are in no table")
                await asyncio.sleep(POLL)


async def _steady(
    bench: Bench, settings: Settings, url: str, numbers: Iterator[int]
) -> list[float]:
    """Latencies, sorted, from when a webhook was due, so that a late sender hides nothing."""
    probe = Probe(settings)
    amount = bench.count(int(RATE * SECONDS))
    begins = time.monotonic() + 0.1
    work = iter(
        [(number, begins + at / RATE) for at, number in zip(range(amount), numbers, strict=False)]
    )
    is_over = False

    async def send() -> None:
        line = Line(url)
        for number, due in work:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if number % MARKED == 0:
                probe.due[ORDERS.key(number).decode()] = due
            status, _ = await line.post(ORDERS.request(number, line.host))
            if status != 200:
                raise BenchError(f"the ingress answered {status}")
        line.close()

    async with asyncio.TaskGroup() as watchers:
        watchers.create_task(probe.watch(lambda: is_over))
        async with asyncio.TaskGroup() as senders:
            for _ in range(LINES):
                senders.create_task(send())
        is_over = True
    return sorted(probe.seconds)


def _burst(bench: Bench, settings: Settings, url: str, numbers: Iterator[int]) -> Sample:
    """From the first request until the last row; ``taken_in``: accepted a second.

    The fences, which move with the rows, say when all are there: to count the rows themselves
    each time would take a good part of a core. They are counted in the end.
    """
    amount = bench.count(BURST)
    first = next(numbers)
    for _ in range(amount - 1):
        next(numbers)
    schema = settings.sql_schema
    fenced = sql.SQL("SELECT coalesce(sum(next_offset), 0) FROM {} WHERE topic = {}").format(
        sql.Identifier(schema, "fences"), settings.topic(ORDER_EVENTS)
    )
    missing = sql.SQL("SELECT ({}) - (SELECT count(*) FROM {})").format(
        fenced, sql.Identifier(schema, "orders")
    )
    with psycopg.connect(settings.database_url, autocommit=True) as connection:

        def asked(query: sql.Composed) -> int:
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0

        goal = asked(fenced) + amount
        told = generate("order", url, amount, first, bench.cores.all)
        answered = time.monotonic()
        if told["refused"]:
            raise BenchError(f"the ingress refused {told['refused']:.0f} of {amount}")
        while (stand := asked(fenced)) < goal:
            if time.monotonic() - answered > PATIENCE:
                raise BenchError(f"{goal - stand} events are in no table")
            time.sleep(0.05)
        seconds = told["seconds"] + time.monotonic() - answered
        if lost := asked(missing):
            raise BenchError(f"the fences passed {lost} events that have no row")
    return Sample(amount, seconds, more={"taken_in": amount / told["seconds"]})
