"""Raw to canonical: one worker on one core, Kafka on the other, against others doing the same.

Each side has a prefix of its own. While one runs, the others stand still; a run begins when all
its deliveries are in the log.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count as numbers_from

from runtime.settings import Settings
from schemas.topics import CARTS as CART_EVENTS
from schemas.topics import WEBHOOKS
from tests.bench.bodies import CARTS, UPDATES
from tests.bench.index import fill_history
from tests.bench.measure import Bar, Row, Sample, alternate, at_most, rates, ratio_at_least
from tests.bench.real import Bench, Log, Program, Worker, audit, baseline, stage

ENTRIES = 1_000_000
COUNT = 200_000
"""Enough for runs of several seconds: who writes its state only every five has to do it in them."""
WORK = "raw → canonical with dedupe, all headers and meta"
MIB_BASE = 250
"""MB that a processor may take beside its index."""
SHARES = {"stock_faust": 0.12}
"""How much of a run the slower ones are given, so that theirs lasts about as long."""


def run(bench: Bench) -> list[Row]:
    """Ours against each, then two workers against one."""
    return [*_against_all(bench), _two_workers(bench)]


def _against_all(bench: Bench) -> list[Row]:
    entries = bench.count(ENTRIES)
    with ExitStack() as held:
        settings = held.enter_context(bench.prefix())
        fill_history(bench, settings, entries)
        workers = [worker(held, bench, settings, stage(bench, "process", settings))]
        for name, arguments in (
            ("aiokafka_loop", [str(entries)]),
            ("aiokafka_loop", [str(entries), "--one-by-one"]),
            ("quix_streams", [str(entries)]),
            ("stock_faust", []),
        ):
            own = held.enter_context(bench.prefix())
            program = baseline(bench, name, own, *arguments)
            share = SHARES.get(name, 1.0)
            workers.append(worker(held, bench, own, program, share=share, is_ours=False))
        with bench.bar("processors") as told:
            sides = [each.sample for each in workers]
            ours, batches, singly, quix, stock = alternate(sides, bench.runs, told)
        verdict = audit(settings)

    def row(name: str, theirs: list[Sample], bar: Bar | None, note: str = "") -> Row:
        return rates("processor", WORK, ours, name, theirs, bar=bar, audit=verdict, note=note)

    top = max(each.memory for each in ours) / 1e6
    grown = entries + (bench.runs + 1) * workers[0].count
    return [
        row("aiokafka loop, whole batches", batches, ratio_at_least(0.80), f"index of {entries:,}"),
        row("aiokafka loop, one by one", singly, None),
        row("Quix Streams with state", quix, ratio_at_least(2), f"state of {entries:,}"),
        row(
            "stock Faust with a table", stock, ratio_at_least(7),
            "its table starts empty, its sends are not awaited",
        ),
        Row(
            "processor", f"memory under load, index of {entries:,}", "MB", [top],
            bar=at_most(MIB_BASE + 40 * grown / 1e6), audit=verdict, note=f"{grown:,} at its end",
        ),
    ]  # fmt: skip


def _two_workers(bench: Bench) -> Row:
    cores = bench.cores
    if cores.is_shared:
        note = "not run: one core"
        return Row("processor", "two workers on two cores", bar=ratio_at_least(1.7), note=note)
    bench.place_servers(cores.all)
    try:
        with ExitStack() as held:
            one, both = (held.enter_context(bench.prefix()) for _ in range(2))
            alone = worker(held, bench, one, stage(bench, "process", one))
            other = frozenset(list(cores.servers)[:1])
            pair = [stage(bench, "process", both), stage(bench, "process", both, other)]
            together = worker(held, bench, both, *pair, share=2.0)
            with bench.bar("two workers") as told:
                two, single = alternate([together.sample, alone.sample], bench.runs, told)
            verdict = audit(both) or audit(one)
    finally:
        bench.place_servers(cores.servers)
    return rates(
        "processor", "two workers on two cores", two, "one on one", single,
        bar=ratio_at_least(1.7), audit=verdict, note="Kafka shares the same two cores",
    )  # fmt: skip


def worker(
    held: ExitStack,
    bench: Bench,
    settings: Settings,
    *programs: Program,
    share: float = 1.0,
    is_ours: bool = True,
) -> Worker:
    """Programs that are started, know their partitions, and stand still until their runs."""
    log = held.enter_context(Log(settings))
    fill = filling(log)
    for program in programs:
        held.enter_context(program)
    for _ in range(2 if is_ours else 0):  # who joins later takes partitions away again
        for program in programs:
            program.wait_ready()
        time.sleep(1)
    amount = bench.count(int(COUNT * share)) // UPDATES * UPDATES
    made = Worker(programs, fill, lambda: log.ends(CART_EVENTS), amount)
    if not is_ours:  # they say nothing until their first events are through
        fill(UPDATES * settings.partitions)
        made.wait_for(UPDATES * settings.partitions)
    for program in programs:
        program.pause()
    return made


def filling(log: Log) -> Callable[[int], None]:
    """Appends so many new carts each time."""
    numbers = numbers_from()

    def fill(amount: int) -> None:
        log.spread(WEBHOOKS, (CARTS.raw(next(numbers)) for _ in range(amount)))

    return fill
