"""What watching costs: the histogram of visible rows, and the code for spans while they are off.

Each stage runs beside the same stage without it, in turns.
"""

from contextlib import ExitStack

from tests.bench import processors, sinks
from tests.bench.measure import Row, Sample, alternate, rates, ratio_at_least
from tests.bench.plain_stages import HISTOGRAM, SPANS, without
from tests.bench.real import Bench, Program, Worker, audit, stage

EVENTS, DELIVERIES = 30_000, 100_000
ENOUGH = ratio_at_least(0.97)
"""More than 3% would be a change of speed that needs a reason."""


def metrics(bench: Bench) -> list[Row]:
    """The sinks' histogram of visible rows: one batch is one step of it."""
    return [_sinks(bench, "metrics", HISTOGRAM, "without the histogram of visible rows")]


def traces(bench: Bench) -> list[Row]:
    """Spans that are off: what every installation without a collector pays."""
    return [
        _sinks(bench, "traces", SPANS, "without the code for spans"),
        _processors(bench, "traces", SPANS, "without the code for spans"),
    ]


def _sinks(bench: Bench, scenario: str, cost: str, baseline: str) -> Row:
    with ExitStack() as held:
        ours, plain = (held.enter_context(bench.prefix()) for _ in range(2))
        workers = [
            held.enter_context(sinks.ready(bench, ours, EVENTS)),
            held.enter_context(sinks.ready(bench, plain, EVENTS, without("sink", cost))),
        ]
        found = _in_turns(bench, f"{scenario}: sinks", workers)
        verdict = audit(ours) or audit(plain)
    return _row(scenario, sinks.WORK, baseline, found, verdict)


def _processors(bench: Bench, scenario: str, cost: str, baseline: str) -> Row:
    with ExitStack() as held:
        ours, plain = (held.enter_context(bench.prefix()) for _ in range(2))
        share = DELIVERIES / processors.COUNT
        entry = without("process", cost)
        workers = [
            processors.worker(held, bench, ours, stage(bench, "process", ours), share=share),
            processors.worker(
                held, bench, plain, Program(bench, "process", entry, plain), share=share
            ),
        ]
        found = _in_turns(bench, f"{scenario}: processors", workers)
        verdict = audit(ours) or audit(plain)
    return _row(scenario, processors.WORK, baseline, found, verdict)


def _in_turns(bench: Bench, what: str, workers: list[Worker]) -> list[list[Sample]]:
    with bench.bar(what) as told:
        return alternate([each.sample for each in workers], bench.runs, told)


def _row(scenario: str, work: str, base: str, found: list[list[Sample]], verdict: int) -> Row:
    ours, plain = found
    return rates(scenario, work, ours, base, plain, bar=ENOUGH, audit=verdict)
