"""How fast the audit counts: settled deliveries with one outcome each, audited as users do."""

import json
import os
import subprocess
import sys
import time

from runtime.settings import Settings
from schemas import envelopes as names
from schemas.topics import CARTS, DEAD_LETTERS, DUPLICATES, ORDERS, WEBHOOKS, Topic
from tests.bench.bodies import settled_outcomes, settled_raws
from tests.bench.measure import Row, Sample, family, rates, resident
from tests.bench.real import Bench, BenchError, Log

DELIVERIES = 500_000
PARTITIONS = 12
BODY = b"x" * 600
SHARES: tuple[tuple[Topic, str, range], ...] = (
    (ORDERS, "order", range(14)),
    (CARTS, "cart", range(14, 18)),
    (DUPLICATES, names.DUPLICATE_SLOT, range(18, 19)),
    (DEAD_LETTERS, names.DEAD_SLOT, range(19, 20)),
)
"""Of twenty deliveries, which have their outcome where."""


def run(bench: Bench) -> list[Row]:
    """The whole command, with start and end, on all cores."""
    each = bench.count(DELIVERIES, 240) // PARTITIONS
    with bench.prefix(partitions=PARTITIONS) as settings:
        with Log(settings) as log, bench.bar("deliveries to audit") as told:
            for number in range(PARTITIONS):
                told(number, PARTITIONS)
                log.append(WEBHOOKS, number, settled_raws(each, BODY))
                for topic, slot, share in SHARES:
                    log.append(topic, number, settled_outcomes(each, slot, share, BODY))
        with bench.bar("audit") as told:
            found = []
            for turn in range(bench.runs):
                told(turn, bench.runs)
                found.append(_audited(settings, each * PARTITIONS))
    top = max(sample.memory for sample in found) / 1e6
    return [
        rates("audit", f"an audit of {each * PARTITIONS:,} deliveries", found, audit=0),
        Row("audit", "memory of its largest process", "MB", [top], audit=0),
    ]


def _audited(settings: Settings, count: int) -> Sample:
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "hookline", "audit", "--json"],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        text=True,
    ) as audit:
        largest = 0
        while audit.poll() is None:
            largest = max([largest, *map(resident, family(audit.pid))])
            time.sleep(0.05)
        seconds = time.monotonic() - began
        text = audit.communicate()[0]
    if audit.returncode:
        raise BenchError(f"the audit ended with {audit.returncode}: {text}")
    said = json.loads(text)
    classes = ("in_flight", "duplicates", "dead_letters", "canonical")
    if sum(said[name] for name in classes) != count or said["missing"]:
        raise BenchError(f"the audit of {count} deliveries says {text}")
    return Sample(count, seconds, memory=largest)
