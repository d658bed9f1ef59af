"""Calculates the machines that a rate of deliveries needs, from measured figures. Pure.

Processors and sinks share partitions, so their counts divide them evenly: 1, 2, 3, 4, 6, 8, 12,
16 … of 12, 24, 48, 96 … partitions.

A result that depends on a figure without a measurement is None: unknown, never guessed.
"""

import math
from dataclasses import dataclass

from hookline.capacity.load import DAY, CapacityError, Load, Machines
from hookline.capacity.measurements import Figures
from schemas.topics import ALL

MICRO = 1e-6
SPARE = 2
"""Minimum of processes per stage: one may be down."""
MIN_PARTITIONS = 12
GROWTH = 2
"""Minimum of partitions per process of the widest stage: it can double."""
MIN_BROKERS = 3
PIPELINE_TOPICS = sum(topic.pipeline for topic in ALL)


@dataclass(frozen=True, slots=True)
class Stage:
    """The processes of a stage, over all prefixes.

    ``cores``: busy at the peak. ``memory``: bytes per process. ``bound``: what determines their
    number: CPU, memory, or spare.
    """

    cores: float | None
    processes: int | None
    memory: float | None
    bound: str


@dataclass(frozen=True, slots=True)
class Postgres:
    """All servers together. ``cores``: busy at the peak; ``wal``: bytes per second at the peak.

    ``day``: bytes by which tables and indexes grow per day.
    """

    cores: float | None
    servers: int | None
    wal: float | None
    day: float | None


@dataclass(frozen=True, slots=True)
class Kafka:
    """One cluster for all prefixes. Bytes count every replica.

    ``partitions``: of each topic of one prefix. ``written``: bytes per second at the
    peak. ``raw``: kept for the retention. ``year``: canonical events per year, kept for ever.
    """

    cores: float | None
    partitions: int | None
    replicas: int | None
    brokers: int | None
    bound: str
    written: float | None
    raw: float | None
    year: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load needs.

    ``prefixes``: pipelines that divide the shops among them, 1 where PostgreSQL's cost is
    unknown. ``index``: bytes of all dedupe indexes; ``take_over``: seconds in which one processor
    reads its own back, from the log and from its cache on disk.
    """

    load: Load
    machines: Machines
    prefixes: int
    ingress: Stage
    processors: Stage
    sinks: Stage
    postgres: Postgres
    kafka: Kafka
    index: float | None
    take_over: tuple[float | None, float | None]


def plan(load: Load, figures: Figures, machines: Machines | None = None) -> Plan:
    """Calculate what a load needs."""
    limits = Machines() if machines is None else machines
    events = events_of(load, figures)
    at_peak = load.rate * load.peak
    database = _postgres(load, figures, limits, events)
    prefixes = database.servers or 1
    index = product(load.rate, load.window_s, figures.index_entry.value)
    ingress = _stage(
        product(at_peak, MICRO, figures.ingress_cpu.value),
        figures.ingress_memory.value, 0.0, limits, prefixes, is_even=False,
    )  # fmt: skip
    processors = _stage(
        product(at_peak, events, MICRO, figures.processor_cpu.value),
        figures.processor_memory.value, index, limits, prefixes,
    )  # fmt: skip
    sinks = _stage(
        product(at_peak, events, MICRO, figures.sink_cpu.value),
        figures.sink_memory.value, 0.0, limits, prefixes,
    )  # fmt: skip
    entries = None
    if processors.processes is not None:
        entries = load.rate * load.window_s / processors.processes
    return Plan(
        load, limits, prefixes, ingress, processors, sinks, database,
        _kafka(load, figures, limits, prefixes, (processors, sinks)), index,
        (
            product(entries, MICRO, figures.take_over_log.value),
            product(entries, MICRO, figures.take_over_cache.value),
        ),
    )  # fmt: skip


def events_of(load: Load, figures: Figures) -> float | None:
    """Return the canonical events per delivery: as given, else as measured."""
    return figures.events_per_delivery.value if load.events is None else load.events


def delivery_bytes(load: Load, figures: Figures) -> tuple[float | None, float | None]:
    """Return the bytes per delivery of one replica of the raw topic and of the canonical topics."""
    body = figures.body.value if load.body is None else load.body
    return (
        total(body, figures.raw_overhead.value),
        product(events_of(load, figures), figures.event.value),
    )


def even_count(need: float) -> int:
    """Return the least of 1, 2, 3, 4, 6, 8, 12, 16 … that is at least ``need``."""
    size = 1
    while size < need:
        if size > 1 and size * 3 // 2 >= need:
            return size * 3 // 2
        size *= 2
    return size


def partitions_for(widest: int) -> int:
    """Return the least of 12, 24, 48, 96 … that lets the widest stage double."""
    count = MIN_PARTITIONS
    while count < GROWTH * widest:
        count *= 2
    return count


def product(*factors: float | None) -> float | None:
    """Return the product; None where a factor is unknown."""
    result = 1.0
    for factor in factors:
        if factor is None:
            return None
        result *= factor
    return result


def total(*parts: float | None) -> float | None:
    """Return the sum; None where a part is unknown."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _postgres(load: Load, figures: Figures, machines: Machines, events: float | None) -> Postgres:
    at_peak = load.rate * load.peak
    cores = product(at_peak, events, MICRO, figures.postgres_cpu.value)
    rows = total(
        product(load.orders, figures.order.value),
        product(load.carts, figures.cart.value),
        product(load.customers, figures.customer.value),
    )
    wal = product(at_peak, events, figures.wal.value)
    servers = None
    if cores is not None and wal is not None:
        servers = max(
            _count(cores, machines.usable * machines.postgres_cores),
            _count(wal, machines.postgres_log),
        )
    return Postgres(cores, servers, wal, product(load.rate, DAY, rows))


def _stage(
    cores: float | None,
    base: float | None,
    held: float | None,
    machines: Machines,
    prefixes: int,
    *,
    is_even: bool = True,
) -> Stage:
    """``base``: bytes per process without its data; ``held``: bytes of data of all processes."""
    if cores is None or base is None or held is None:
        return Stage(cores, None, None, "unknown")
    room = machines.process_memory - base
    if room <= 0:
        raise CapacityError(
            f"--process-memory: a process alone takes {base / 1e9:.2f} GB; give it more"
        )
    wanted = {
        "CPU": cores / machines.usable / prefixes,
        "memory": held / room / prefixes,
        "spare": float(SPARE),
    }
    bound = max(wanted, key=lambda each: (wanted[each], each == "spare"))
    count = even_count(wanted[bound]) if is_even else math.ceil(wanted[bound])
    processes = count * prefixes
    return Stage(cores, processes, base + held / processes, bound)


def _kafka(
    load: Load, figures: Figures, machines: Machines, prefixes: int, stages: tuple[Stage, Stage]
) -> Kafka:
    raw, canonical = delivery_bytes(load, figures)
    copies, at_peak = machines.replication, load.rate * load.peak
    cores = product(at_peak, MICRO, figures.broker_cpu.value)
    written = product(at_peak, copies, total(raw, canonical))
    partitions = replicas = brokers = None
    counts = [stage.processes for stage in stages if stage.processes is not None]
    if len(counts) == len(stages):
        partitions = partitions_for(max(counts) // prefixes)
        replicas = partitions * PIPELINE_TOPICS * prefixes * copies
    bound = "unknown"
    if cores is not None and written is not None and replicas is not None:
        wanted = {
            "CPU": _count(cores, machines.usable * machines.broker_cores),
            "bytes written": _count(written, machines.broker_bytes),
            "partitions": _count(replicas, machines.broker_partitions),
            "copies": max(MIN_BROKERS, copies),
        }
        bound = max(wanted, key=lambda each: (wanted[each], each == "copies"))
        brokers = wanted[bound]
    return Kafka(
        cores, partitions, replicas, brokers, bound, written,
        product(load.rate, load.retention_s, copies, raw),
        product(load.rate, 365 * DAY, copies, canonical),
    )  # fmt: skip


def _count(needed: float, each: float) -> int:
    return max(1, math.ceil(needed / each))
