"""``make profile STAGE=…``: a flame graph of one stage while the bench loads it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import processors, sinks
from tests.bench.ingress import COUNT as REQUESTS
from tests.bench.ingress import loaded
from tests.bench.measure import Sample
from tests.bench.real import Bench, BenchError, Program, Worker, stage

STAGES = ("ingest", "process", "sink")
RUNS = 4
"""Loads in a row that are recorded; one before them is not."""
RATE = 200
"""Samples a second."""


def record(bench: Bench, name: str, out: Path) -> float:
    """Write the flame graph of a stage; events a second while it was taken.

    Raises BenchError where py-spy cannot look into the process.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with bench.prefix() as settings, ExitStack() as held:
        load: Callable[[], Sample]
        if name == "ingest":
            program = held.enter_context(stage(bench, name, settings))
            program.wait_ready()
            load = loaded(bench, program, bench.count(REQUESTS))
        else:
            worker: Worker
            if name == "process":
                worker = processors.worker(held, bench, settings, stage(bench, "process", settings))
            else:
                worker = held.enter_context(sinks.ready(bench, settings, sinks.COUNT))
            [program] = worker.programs
            load = worker.sample
        load()
        program.resume()  # py-spy cannot begin with a process that stands still
        samples = []
        with _watching(program, out), bench.bar(f"profile of {name}") as told:
            for turn in range(RUNS):
                told(turn, RUNS)
                samples.append(load())
            program.resume()
    return sum(each.rate for each in samples) / len(samples)


@contextmanager
def _watching(program: Program, out: Path) -> Iterator[None]:
    command = [
        str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(program.pid),
        "--output", str(out), "--rate", str(RATE), "--duration", "3600", "--nonblocking",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spy:
        time.sleep(1)
        try:
            yield
        finally:
            if spy.poll() is None:
                spy.send_signal(signal.SIGINT)
            said, _ = spy.communicate(timeout=60)
    if not out.exists():
        raise BenchError(f"py-spy wrote no flame graph: {said.decode(errors='replace')[-500:]}")
