"""Describes a plan: its table, the limits that are reached first, and caveats."""

from collections.abc import Iterator
from dataclasses import dataclass

from hookline.capacity.load import DAY
from hookline.capacity.measurements import Figures
from hookline.capacity.plan import (
    MICRO,
    MIN_BROKERS,
    Plan,
    Stage,
    delivery_bytes,
    events_of,
    product,
    total,
)

COLUMNS = ("part", "needed", "why")
UNKNOWN = "not measured"
PATIENCE_S = 300
"""Seconds that a partition may wait for its processor's index before it counts as a limit."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the system. ``at``: average deliveries per second; None: not measured.

    ``is_wall``: more processes do not help.
    """

    at: float | None
    what: str
    remedy: str
    is_wall: bool = False


def rows(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield the table of a plan: part, what is needed, why."""
    load, machines, kafka, database = plan.load, plan.machines, plan.kafka, plan.postgres
    yield _stage("ingress", plan.ingress)
    yield _stage("processors", plan.processors)
    yield _stage("sinks", plan.sinks)
    window = f"{load.rate:,.0f}/s for {span(load.window_s)}, over all processors"
    yield "dedupe indexes", size(plan.index), window
    log, cache = map(seconds, plan.take_over)
    start = f"by a processor that starts, from the log; from its cache: {cache}"
    yield "an index read back", log, start
    servers = f"{number(database.servers)} x server of {machines.postgres_cores} cores"
    busy, wal = busy_cores(database.cores), rate(database.wal)
    is_known = database.servers is not None
    yield "PostgreSQL", servers if is_known else UNKNOWN, f"{busy}; write-ahead log: {wal}"
    yield (
        "prefixes",
        f"{plan.prefixes:,}" if is_known else UNKNOWN,
        "one PostgreSQL and one set of topics each; every shop in one of them",
    )
    remark = "of each topic of a prefix: HOOKLINE_PARTITIONS, fixed once the topics exist"
    yield "partitions", number(kafka.partitions), remark
    bound = "" if kafka.brokers is None else f"{kafka.bound}; "
    remark = f"{bound}{busy_cores(kafka.cores)}; written: {rate(kafka.written)}"
    yield "brokers", number(kafka.brokers), f"{remark}; replicas: {number(kafka.replicas)}"
    remark = f"raw deliveries for {span(load.retention_s)}, {machines.replication} copies"
    yield "disk of Kafka", size(kafka.raw), remark
    year = "" if kafka.year is None else " a year"
    yield "", f"{size(kafka.year)}{year}", "events, kept for ever, as many copies"
    day = "" if database.day is None else " a day"
    remark = f"tables and indexes; in a year: {size(product(database.day, 365))}"
    yield "disk of PostgreSQL", f"{size(database.day)}{day}", remark


def find_limits(plan: Plan, figures: Figures) -> list[Limit]:
    """Return the limits of one of each, lowest first; those that are not measured last."""
    load, machines, usable = plan.load, plan.machines, plan.machines.usable
    events = events_of(load, figures)
    raw, canonical = delivery_bytes(load, figures)
    memory = total(machines.process_memory, product(-1, figures.processor_memory.value))
    state = "keep HOOKLINE_STATE_DIR on a persistent disk"
    several = "a larger server, or the shops in several prefixes with a PostgreSQL each"
    limits = [
        Limit(
            _ratio(memory, product(load.window_s, figures.index_entry.value)),
            f"the index of one processor fills {size(machines.process_memory)}",
            "more processors, more memory, or a shorter window",
        ),
        Limit(
            _ratio(PATIENCE_S, product(load.window_s, MICRO, figures.take_over_log.value)),
            f"one processor reads its index from the log for {seconds(PATIENCE_S)}",
            f"{state}; more processors, or a shorter window",
        ),
        *(
            Limit(_ratio(usable, product(load.peak, MICRO, each)), what, remedy)
            for each, what, remedy in (
                (figures.ingress_cpu.value, "one ingress", "more of them behind one address"),
                (product(events, figures.processor_cpu.value), "one processor", "more of them"),
                (product(events, figures.sink_cpu.value), "one sink", "more of them"),
            )
        ),
        Limit(
            _ratio(
                MIN_BROKERS * machines.broker_bytes,
                product(load.peak, machines.replication, total(raw, canonical)),
            ),
            f"{MIN_BROKERS} brokers write {rate(MIN_BROKERS * machines.broker_bytes)}",
            "more brokers; partitions move to them",
        ),
        Limit(
            _ratio(
                usable * machines.postgres_cores,
                product(load.peak, events, MICRO, figures.postgres_cpu.value),
            ),
            f"one PostgreSQL of {machines.postgres_cores} cores",
            several,
            is_wall=True,
        ),
        Limit(
            _ratio(machines.postgres_log, product(load.peak, events, figures.wal.value)),
            f"one PostgreSQL that writes {rate(machines.postgres_log)} of log",
            several,
            is_wall=True,
        ),
    ]
    return sorted(limits, key=lambda limit: (limit.at is None, limit.at or 0.0))


def first_limit(plan: Plan, limits: list[Limit]) -> str:
    """Return a sentence on the limit that is reached first at this rate."""
    wall = next(limit for limit in limits if limit.is_wall)
    if wall.at is None:
        text = f"The limit of one PostgreSQL is {UNKNOWN}: run the bench on a machine like yours."
        if limits[0].at is None:
            return text
        least = f"{limits[0].what}, at {limits[0].at:,.0f} deliveries/s: {limits[0].remedy}"
        return f"{text} The first measured limit: {least}."
    if wall.at < plan.load.rate:
        return (
            f"The first limit is {wall.what}: {wall.at:,.0f} deliveries/s, and more processes do"
            f" not help. Put the shops into {plan.prefixes:,} prefixes (HOOKLINE_PREFIX) with a"
            " PostgreSQL each; the two tables are then read from all of them."
        )
    passed = [limit for limit in limits if limit.at is not None and limit.at < plan.load.rate]
    if passed:
        return (
            f"The first limit: {passed[0].what}, at {passed[0].at:,.0f} deliveries/s:"
            f" {passed[0].remedy}. The table includes that. The first limit that more processes do"
            f" not move is {wall.what}, at {wall.at:,.0f}/s."
        )
    nearest = next(limit for limit in limits if limit.at is not None)
    return (
        f"One of each handles this rate. The first limit: {nearest.what}, at"
        f" {nearest.at:,.0f} deliveries/s: {nearest.remedy}."
    )


def caveats(figures: Figures) -> list[str]:
    """Return what to consider before buying machines, one sentence each."""
    lines = []
    if figures.missing:
        names = ", ".join(figures.missing)
        lines.append(f"{UNKNOWN}, so results that need them are missing: {names}")
    if figures.provisional:
        names = ", ".join(figures.provisional)
        lines.append(f"provisional (a short run or a busy machine): {names}")
    machines = sorted({each.machine for each in figures.named().values() if each.machine})
    if machines:
        lines.append(f"measured on {'; '.join(machines)}: measure on yours with make bench")
    return lines


def size(value: float | None) -> str:
    """Format bytes."""
    if value is None:
        return UNKNOWN
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            break
        value /= _STEP
    return f"{_short(value)} {unit}"


def rate(value: float | None) -> str:
    """Format bytes per second."""
    return UNKNOWN if value is None else f"{size(value)}/s"


def busy_cores(value: float | None) -> str:
    """Format the cores that are busy at the peak."""
    return f"busy cores: {UNKNOWN if value is None else _short(value)}"


def number(value: int | None) -> str:
    """Format a count."""
    return UNKNOWN if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """Format a waiting time."""
    if value is None:
        return UNKNOWN
    for length, unit in ((DAY, "days"), (3600, "h"), (60, "min")):
        if value >= 2 * length:
            return f"{_short(value / length)} {unit}"
    return f"{_short(value)} s"


def span(value: int) -> str:
    """Format a window or a retention as in settings."""
    for length, unit in ((DAY, "d"), (3600, "h"), (60, "m")):
        if value % length == 0:
            return f"{value // length}{unit}"
    return f"{value}s"


def _stage(name: str, stage: Stage) -> tuple[str, str, str]:
    if stage.processes is None:
        return name, UNKNOWN, busy_cores(stage.cores)
    reason = "two at least: one may be down" if stage.bound == "spare" else stage.bound
    remark = f"{reason}; {busy_cores(stage.cores)}; memory of each: {size(stage.memory)}"
    return name, f"{stage.processes:,} processes", remark


def _ratio(limit: float | None, need: float | None) -> float | None:
    return None if limit is None or not need else limit / need


def _short(value: float) -> str:
    if value >= 100:  # noqa: PLR2004 - three digits are enough
        return f"{value:,.0f}"
    return f"{value:.3g}"
