"""Whether people who look slow the pipeline: processors and sinks beside ten open dashboards.

A tab does what the page's own script does: a stream says that the tables have changed, and it asks
for the page, no faster than the page says. Stages, servers, the dashboard and the tabs share all
cores, as on one machine.
"""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count as numbers_from

import httpx
import psycopg
from psycopg import sql

from runtime.settings import Settings
from schemas.topics import ORDERS as ORDER_EVENTS
from schemas.topics import WEBHOOKS
from tests.bench.bodies import ORDERS, UPDATES
from tests.bench.measure import Row, Sample, alternate, rates, ratio_at_least
from tests.bench.real import Bench, BenchError, Log, Program, Worker, audit, stage

TABS = 10
COUNT = 60_000
WORK = "raw → canonical → tables, orders of two lines"
_PACE = re.compile(r'hx-trigger="[^"]*desk:changed throttle:(\d+)s"')


def run(bench: Bench) -> list[Row]:
    """The same deliveries with ten tabs open and with none, in turns."""
    bench.place_servers(bench.cores.all)
    try:
        with ExitStack() as held:
            settings = held.enter_context(bench.prefix())
            worker = held.enter_context(_pipeline(bench, settings))
            tabs, seconds = held.enter_context(_tabs(bench, settings))

            def looked_at() -> Sample:
                tabs.resume()
                try:
                    return worker.sample()
                finally:
                    tabs.check()
                    tabs.pause()

            with bench.bar("desk") as told:
                looked, alone = alternate([looked_at, worker.sample], bench.runs, told)
            verdict = audit(settings)
    finally:
        bench.place_servers(bench.cores.servers)
    return [
        rates(
            "desk", WORK, looked, "no dashboard open", alone, bar=ratio_at_least(0.98),
            audit=verdict,
            note=f"{TABS} tabs with streams, each asks every {seconds} s at most; all on all cores",
        )
    ]  # fmt: skip


@contextmanager
def _pipeline(bench: Bench, settings: Settings) -> Iterator[Worker]:
    """A processor and a sink that stand still between their runs."""
    numbers = numbers_from()
    every = bench.cores.all
    with (
        Log(settings) as log,
        psycopg.connect(settings.database_url, autocommit=True) as connection,
        stage(bench, "process", settings, every) as processor,
        stage(bench, "sink", settings, every) as sink,
    ):
        query = sql.SQL("SELECT coalesce(sum(next_offset), 0) FROM {} WHERE topic = %s").format(
            sql.Identifier(settings.sql_schema, "fences")
        )

        def done() -> int:
            row = connection.execute(query, [settings.topic(ORDER_EVENTS)]).fetchone()
            return int(row[0]) if row else 0

        def fill(count: int) -> None:
            log.spread(WEBHOOKS, (ORDERS.raw(next(numbers)) for _ in range(count)))

        for program in (processor, sink):
            program.wait_ready()
            program.pause()
        yield Worker([processor, sink], fill, done, bench.count(COUNT) // UPDATES * UPDATES)


@contextmanager
def _tabs(bench: Bench, settings: Settings) -> Iterator[tuple[Program, int]]:
    """A dashboard, and its tabs, which stand still; and the seconds between two questions."""
    every = bench.cores.all
    reads = {"HOOKLINE_READER_URL": bench.stack.reader_url}
    with ExitStack() as held:
        desk = held.enter_context(
            Program(bench, "dashboard", _serving, settings, every, variables=reads)
        )
        desk.wait_ready()
        seconds = _pace(desk.url)
        command = ["-m", "tests.bench.tabs", desk.url, str(TABS), str(seconds)]
        tabs = held.enter_context(Program(bench, "tabs", command, settings, every))
        time.sleep(seconds)  # each has asked once, so that an address that fails is seen
        tabs.check()
        tabs.pause()
        yield tabs, seconds


def _serving(port: int) -> list[str]:
    return ["-P", "-m", "hookline", "dashboard", "--port", str(port)]


def _pace(url: str) -> int:
    """Return the seconds between two questions, as the page says. Raises BenchError."""
    answer = httpx.get(f"{url}/now", timeout=30, trust_env=False)
    found = _PACE.search(answer.text)
    if answer.status_code != httpx.codes.OK or found is None:
        raise BenchError(f"{url}/now answers {answer.status_code} and no pace")
    return int(found[1])
