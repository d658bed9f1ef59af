"""What a delivery costs every part of the pipeline, and what ``hookline capacity`` takes of it.

make bench ONLY=capacity                     all parts at once, carts and orders in turns
python -m tests.bench.capacity               the figures that the newest run gives
python -m tests.bench.capacity --write       ... into the package's data file
"""

import time
from contextlib import ExitStack
from typing import Self

import psutil
import psycopg
from psycopg import sql

from runtime.settings import Settings
from schemas.topics import CARTS, ORDERS
from tests.bench import capacity_bytes
from tests.bench.ingress import generate
from tests.bench.measure import Row, family, resident
from tests.bench.real import Bench, BenchError, Program, audit, stage

COUNT = 40_000
"""Deliveries of each kind, a round."""
PATIENCE = 900.0
LOOK = 0.1
PARTS = ("ingress", "processor", "sink", "PostgreSQL", "Kafka")
TABLES = {
    "an order with its lines": ("orders", "order_items"),
    "a cart with four changes": (
        "carts",
        "cart_activity",
        "cart_generations",
        "abandoned_carts",
        "link_keys",
    ),
    "a customer": ("customers", "customer_contacts", "customer_lifetime_value"),
}
"""What is told -> the tables that hold it."""
COUNTED = ("orders", "carts", "customer_lifetime_value")
"""Of each of them, the table with one row for each."""


def run(bench: Bench) -> list[Row]:
    """Bytes, then CPU, memory and tables of a flow through all stages."""
    return [*capacity_bytes.run(), *_flow(bench)]


def _flow(bench: Bench) -> list[Row]:
    amount = bench.count(COUNT)
    bench.place_servers(bench.cores.all)
    try:
        with bench.prefix() as settings, Flow(bench, settings) as flow:
            flow.load(max(amount // 4, 200))  # for nothing: compilers and caches
            spent: dict[str, list[float]] = {part: [] for part in PARTS}
            wal: list[float] = []
            for turn in range(bench.runs):
                with bench.bar(f"flow {turn + 1} of {bench.runs}"):
                    before, wal_before = flow.cpu(), flow.wal()
                    flow.load(amount)
                    for part, seconds in flow.cpu().items():
                        spent[part].append((seconds - before[part]) / (2 * amount) * 1e6)
                    wal.append((flow.wal() - wal_before) / (2 * amount))
            memory = dict(zip(PARTS[:3], map(flow.memory, flow.programs), strict=True))
            sizes = flow.sizes()
            verdict = audit(settings)
    finally:
        bench.place_servers(bench.cores.servers)
    note = f"{amount:,} carts and {amount:,} orders over HTTP, one event each"
    return [
        *(
            Row("capacity", f"CPU of {part}, a delivery", "µs", each, audit=verdict, note=note)
            for part, each in spent.items()
        ),
        *(
            Row("capacity", f"memory of {part}", "MB", [each / 1e6], note="after the load")
            for part, each in memory.items()
        ),
        Row("capacity", "log of PostgreSQL, an event", "B", wal),
        *(
            Row("capacity", f"{told} in PostgreSQL", "B", [each], note="tables and indexes")
            for told, each in sizes.items()
        ),
    ]


class Flow:
    """All stages and servers on all cores, and what they have spent so far."""

    def __init__(self, bench: Bench, settings: Settings) -> None:
        self._bench, self._settings = bench, settings
        self._done = 0
        self._first = 0
        self._open = ExitStack()
        self.programs: list[Program] = []

    def __enter__(self) -> Self:
        cores = self._bench.cores.all
        with self._open:
            for name in ("ingest", "process", "sink"):
                program = stage(self._bench, name, self._settings, cores)
                self.programs.append(self._open.enter_context(program))
            for program in self.programs:
                program.wait_ready()
            self._database = self._open.enter_context(
                psycopg.connect(self._settings.database_url, autocommit=True)
            )
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def load(self, amount: int) -> None:
        """So many new carts' changes and orders, until the tables have them. Raises BenchError."""
        for kind in ("cart", "order"):
            url, cores = self.programs[0].url, self._bench.cores.all
            told = generate(kind, url, amount, self._first, cores)
            if told["refused"]:
                raise BenchError(f"the ingress refused {told['refused']:.0f} of {amount}")
        self._first += amount
        self._done += 2 * amount
        deadline = time.monotonic() + PATIENCE
        while (stored := self._stored()) < self._done:
            for program in self.programs:
                program.check()
            if time.monotonic() > deadline:
                raise BenchError(f"{self._done - stored} events are in no table")
            time.sleep(LOOK)

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each part."""
        stack = self._bench.stack
        pids = [program.pid for program in self.programs]
        for server in (stack.postgres, stack.kafka):
            if server.child is None or server.child.pid is None:
                raise BenchError(f"{server.name} was not started")
            pids.append(server.child.pid)
        return dict(zip(PARTS, map(_spent, pids), strict=True))

    def memory(self, program: Program) -> int:
        """Resident bytes of a stage."""
        return resident(psutil.Process(program.pid))

    def wal(self) -> int:
        """Bytes of PostgreSQL's log so far."""
        return self._number(sql.SQL("SELECT pg_current_wal_lsn() - '0/0'"))

    def sizes(self) -> dict[str, float]:
        """Bytes of what is told, with indexes and what updates leave behind, for each one."""
        schema = self._settings.sql_schema
        found = {}
        for (told, names), counted in zip(TABLES.items(), COUNTED, strict=True):
            held = sum(
                self._number(
                    sql.SQL("SELECT pg_total_relation_size({}::text::regclass)").format(
                        sql.Literal(f"{schema}.{name}")
                    )
                )
                for name in names
            )
            table = sql.Identifier(schema, counted)
            found[told] = held / self._number(sql.SQL("SELECT count(*) FROM {}").format(table))
        return found

    def _stored(self) -> int:
        fences = sql.Identifier(self._settings.sql_schema, "fences")
        topics = [self._settings.topic(topic) for topic in (CARTS, ORDERS)]
        return self._number(
            sql.SQL("SELECT coalesce(sum(next_offset), 0) FROM {} WHERE topic = ANY({})").format(
                fences, sql.Literal(topics)
            )
        )

    def _number(self, query: sql.SQL | sql.Composed) -> int:
        row = self._database.execute(query).fetchone()
        return int(row[0]) if row else 0


def _spent(pid: int) -> float:
    """CPU seconds of a process and all below it, those that have ended too."""
    times = [process.cpu_times() for process in family(pid)]
    return sum(
        each.user + each.system + each.children_user + each.children_system for each in times
    )


if __name__ == "__main__":
    from tests.bench import capacity_file

    capacity_file.main()
