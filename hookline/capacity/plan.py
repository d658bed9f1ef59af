"""From measured figures to machines: what a rate of deliveries asks for. Pure.

Processors and sinks share partitions, so their counts are such that every one has as many
partitions as the next: 1, 2, 3, 4, 6, 8, 12, 16 … of 12, 24, 48, 96 … partitions.

What a figure that nobody has measured decides is None: unknown, never guessed.
"""

import math
from dataclasses import dataclass

from hookline.capacity.load import DAY, CapacityError, Load, Machines
from hookline.capacity.measurements import Figures
from schemas.topics import ALL

MICRO = 1e-6
SPARE = 2
"""Processes of a stage at least: one may be away."""
FEWEST_PARTITIONS = 12
ROOM = 2
"""Partitions for each process of the widest stage, at least: room to double."""
LEAST_BROKERS = 3
PIPELINE_TOPICS = sum(topic.pipeline for topic in ALL)


@dataclass(frozen=True, slots=True)
class Stage:
    """The processes of a stage, in all prefixes together.

    ``cores``: busy at the peak. ``memory``: bytes of one process. ``bound``: what decides how
    many there are: CPU, memory, or spare.
    """

    cores: float | None
    processes: int | None
    memory: float | None
    bound: str


@dataclass(frozen=True, slots=True)
class Postgres:
    """``cores`` busy at the peak, of all ``servers``; ``wal``: bytes a second at the peak.

    ``day``: bytes that tables and indexes grow a day.
    """

    cores: float | None
    servers: int | None
    wal: float | None
    day: float | None


@dataclass(frozen=True, slots=True)
class Kafka:
    """One cluster for all prefixes. Bytes count every replica.

    ``partitions``: of each topic of one prefix. ``written``: bytes a second at the peak.
    ``raw``: held for the retention. ``year``: canonical events, which are kept for ever.
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
    """What a load asks for.

    ``prefixes``: pipelines that share the shops among them, taken as 1 where PostgreSQL's cost
    is not known.
    ``index``: bytes of all dedupe indexes; ``take_over``: seconds in which one processor reads
    its own back, from the log and from its cache on disk.
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
    """Everything for a load."""
    own = Machines() if machines is None else machines
    events = events_of(load, figures)
    at_peak = load.rate * load.peak
    database = _postgres(load, figures, own, events)
    prefixes = database.servers or 1
    index = times(load.rate, load.window_s, figures.index_entry.value)
    ingress = _stage(
        times(at_peak, MICRO, figures.ingress_cpu.value),
        figures.ingress_memory.value, 0.0, own, prefixes, is_even=False,
    )  # fmt: skip
    processors = _stage(
        times(at_peak, events, MICRO, figures.processor_cpu.value),
        figures.processor_memory.value, index, own, prefixes,
    )  # fmt: skip
    sinks = _stage(
        times(at_peak, events, MICRO, figures.sink_cpu.value),
        figures.sink_memory.value, 0.0, own, prefixes,
    )  # fmt: skip
    entries = None
    if processors.processes is not None:
        entries = load.rate * load.window_s / processors.processes
    return Plan(
        load, own, prefixes, ingress, processors, sinks, database,
        _kafka(load, figures, own, prefixes, (processors, sinks)), index,
        (
            times(entries, MICRO, figures.take_over_log.value),
            times(entries, MICRO, figures.take_over_cache.value),
        ),
    )  # fmt: skip


def events_of(load: Load, figures: Figures) -> float | None:
    """Canonical events of a delivery: as told, else as measured."""
    return figures.events_per_delivery.value if load.events is None else load.events


def delivery_bytes(load: Load, figures: Figures) -> tuple[float | None, float | None]:
    """Bytes that a delivery takes on the raw topic, and on the canonical ones: one replica."""
    body = figures.body.value if load.body is None else load.body
    return (
        total(body, figures.raw_overhead.value),
        times(events_of(load, figures), figures.event.value),
    )


def even(need: float) -> int:
    """The least of 1, 2, 3, 4, 6, 8, 12, 16 … that is enough."""
    size = 1
    while size < need:
        if size > 1 and size * 3 // 2 >= need:
            return size * 3 // 2
        size *= 2
    return size


def partitions_for(widest: int) -> int:
    """The least of 12, 24, 48, 96 … that leaves each process its room to grow."""
    count = FEWEST_PARTITIONS
    while count < ROOM * widest:
        count *= 2
    return count


def times(*factors: float | None) -> float | None:
    """Their product; None where one is not known."""
    product = 1.0
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return product


def total(*parts: float | None) -> float | None:
    """Their sum; None where one is not known."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _postgres(load: Load, figures: Figures, machines: Machines, events: float | None) -> Postgres:
    at_peak = load.rate * load.peak
    cores = times(at_peak, events, MICRO, figures.postgres_cpu.value)
    rows = total(
        times(load.orders, figures.order.value),
        times(load.carts, figures.cart.value),
        times(load.customers, figures.customer.value),
    )
    wal = times(at_peak, events, figures.wal.value)
    servers = None
    if cores is not None and wal is not None:
        servers = max(
            _count(cores, machines.usable * machines.postgres_cores),
            _count(wal, machines.postgres_log),
        )
    return Postgres(cores, servers, wal, times(load.rate, DAY, rows))


def _stage(
    cores: float | None,
    base: float | None,
    held: float | None,
    machines: Machines,
    prefixes: int,
    *,
    is_even: bool = True,
) -> Stage:
    """``base``: bytes of a process without what it holds; ``held``: bytes that all hold."""
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
    count = even(wanted[bound]) if is_even else math.ceil(wanted[bound])
    processes = count * prefixes
    return Stage(cores, processes, base + held / processes, bound)


def _kafka(
    load: Load, figures: Figures, machines: Machines, prefixes: int, stages: tuple[Stage, Stage]
) -> Kafka:
    raw, canonical = delivery_bytes(load, figures)
    copies, at_peak = machines.replication, load.rate * load.peak
    cores = times(at_peak, MICRO, figures.broker_cpu.value)
    written = times(at_peak, copies, total(raw, canonical))
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
            "copies": max(LEAST_BROKERS, copies),
        }
        bound = max(wanted, key=lambda each: (wanted[each], each == "copies"))
        brokers = wanted[bound]
    return Kafka(
        cores, partitions, replicas, brokers, bound, written,
        times(load.rate, load.retention_s, copies, raw),
        times(load.rate, 365 * DAY, copies, canonical),
    )  # fmt: skip


def _count(needed: float, each: float) -> int:
    return max(1, math.ceil(needed / each))
