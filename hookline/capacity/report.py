"""A plan in words: its table, what breaks first, and what stands on no firm ground."""

from collections.abc import Iterator
from dataclasses import dataclass

from hookline.capacity.load import DAY
from hookline.capacity.measurements import Figures
from hookline.capacity.plan import (
    LEAST_BROKERS,
    MICRO,
    Plan,
    Stage,
    delivery_bytes,
    events_of,
    times,
    total,
)

COLUMNS = ("part", "needed", "why")
UNKNOWN = "not measured"
PATIENCE_S = 300
"""Seconds that a partition may wait for its processor's index before that is told."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Break:
    """Where something ends. ``at``: deliveries a second on average; None: not measured.

    ``is_wall``: more processes do not help.
    """

    at: float | None
    what: str
    remedy: str
    is_wall: bool = False


def rows(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """The table of a plan: part, what is needed, why."""
    load, machines, kafka, database = plan.load, plan.machines, plan.kafka, plan.postgres
    yield _stage("ingress", plan.ingress)
    yield _stage("processors", plan.processors)
    yield _stage("sinks", plan.sinks)
    window = f"{load.rate:,.0f}/s for {span(load.window_s)}, over all processors"
    yield "dedupe indexes", size(plan.index), window
    log, cache = map(seconds, plan.take_over)
    start = f"by a processor that starts, from the log; from its cache: {cache}"
    yield "an index read back", log, start
    server = f"server of {machines.postgres_cores} cores"
    busy, wal = busy_cores(database.cores), rate(database.wal)
    yield "PostgreSQL", counted(database.servers, server), f"{busy}; write-ahead log: {wal}"
    yield (
        "prefixes",
        UNKNOWN if database.servers is None else f"{plan.prefixes:,}",
        "one PostgreSQL and one set of topics each; every shop in one of them",
    )
    remark = "of each topic of a prefix: HOOKLINE_PARTITIONS, fixed once the topics stand"
    yield "partitions", number(kafka.partitions), remark
    bound = "" if kafka.brokers is None else f"{kafka.bound}; "
    remark = f"{bound}{busy_cores(kafka.cores)}; written: {rate(kafka.written)}"
    yield "brokers", number(kafka.brokers), f"{remark}; replicas: {number(kafka.replicas)}"
    remark = f"raw deliveries for {span(load.retention_s)}, {machines.replication} copies"
    yield "disk of Kafka", size(kafka.raw), remark
    year = "" if kafka.year is None else " a year"
    yield "", f"{size(kafka.year)}{year}", "events, kept for ever, as many copies"
    day = "" if database.day is None else " a day"
    remark = f"tables and indexes; in a year: {size(times(database.day, 365))}"
    yield "disk of PostgreSQL", f"{size(database.day)}{day}", remark


def breaks(plan: Plan, figures: Figures) -> list[Break]:
    """How far one of each goes, the first to end first; what is not measured last."""
    load, machines, usable = plan.load, plan.machines, plan.machines.usable
    events = events_of(load, figures)
    raw, canonical = delivery_bytes(load, figures)
    room = total(machines.process_memory, times(-1, figures.processor_memory.value))
    state = "keep HOOKLINE_STATE_DIR on a disk that stays"
    several = "a larger server, or the shops in several prefixes with a PostgreSQL each"
    found = [
        Break(
            _over(room, times(load.window_s, figures.index_entry.value)),
            f"the index of one processor fills {size(machines.process_memory)}",
            "more processors, more memory, or a shorter window",
        ),
        Break(
            _over(PATIENCE_S, times(load.window_s, MICRO, figures.take_over_log.value)),
            f"one processor reads its index from the log for {seconds(PATIENCE_S)}",
            f"{state}; more processors, or a shorter window",
        ),
        *(
            Break(_over(usable, times(load.peak, MICRO, each)), what, remedy)
            for each, what, remedy in (
                (figures.ingress_cpu.value, "one ingress", "more of them behind one address"),
                (times(events, figures.processor_cpu.value), "one processor", "more of them"),
                (times(events, figures.sink_cpu.value), "one sink", "more of them"),
            )
        ),
        Break(
            _over(
                LEAST_BROKERS * machines.broker_bytes,
                times(load.peak, machines.replication, total(raw, canonical)),
            ),
            f"{LEAST_BROKERS} brokers write {rate(LEAST_BROKERS * machines.broker_bytes)}",
            "more brokers; partitions move to them",
        ),
        Break(
            _over(
                usable * machines.postgres_cores,
                times(load.peak, events, MICRO, figures.postgres_cpu.value),
            ),
            f"one PostgreSQL of {machines.postgres_cores} cores",
            several,
            is_wall=True,
        ),
        Break(
            _over(machines.postgres_log, times(load.peak, events, figures.wal.value)),
            f"one PostgreSQL that writes {rate(machines.postgres_log)} of log",
            several,
            is_wall=True,
        ),
    ]
    return sorted(found, key=lambda each: (each.at is None, each.at or 0.0))


def first(plan: Plan, found: list[Break]) -> str:
    """What breaks first at this rate, in a sentence."""
    wall = next(each for each in found if each.is_wall)
    if wall.at is None:
        said = f"Where one PostgreSQL ends is {UNKNOWN}: run the bench on a machine like yours."
        if found[0].at is None:
            return said
        least = f"{found[0].what}, at {found[0].at:,.0f} deliveries/s: {found[0].remedy}"
        return f"{said} Of what is measured, first breaks: {least}."
    if wall.at < plan.load.rate:
        return (
            f"First breaks {wall.what}: it ends at {wall.at:,.0f} deliveries/s, and no more"
            f" processes help. Put the shops into {plan.prefixes:,} prefixes (HOOKLINE_PREFIX)"
            " with a PostgreSQL each; the two tables are then read from all of them."
        )
    passed = [each for each in found if each.at is not None and each.at < plan.load.rate]
    if passed:
        return (
            f"First breaks: {passed[0].what}, at {passed[0].at:,.0f} deliveries/s:"
            f" {passed[0].remedy}. The table reckons with that. What more processes do not"
            f" help is {wall.what}, at {wall.at:,.0f}/s."
        )
    nearest = next(each for each in found if each.at is not None)
    return (
        f"One of each carries this rate. First breaks: {nearest.what}, at"
        f" {nearest.at:,.0f} deliveries/s: {nearest.remedy}."
    )


def doubts(figures: Figures) -> list[str]:
    """What to know before money is spent."""
    said = []
    if figures.missing:
        names = ", ".join(figures.missing)
        said.append(f"{UNKNOWN}, and therefore left open: {names}")
    if figures.provisional:
        names = ", ".join(figures.provisional)
        said.append(f"provisional (a short run or a busy machine): {names}")
    machines = sorted({each.machine for each in figures.named().values() if each.machine})
    if machines:
        said.append(f"measured on {'; '.join(machines)}: measure on yours with make bench")
    return said


def size(value: float | None) -> str:
    """Bytes."""
    if value is None:
        return UNKNOWN
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            break
        value /= _STEP
    return f"{_short(value)} {unit}"


def rate(value: float | None) -> str:
    """Bytes a second."""
    return UNKNOWN if value is None else f"{size(value)}/s"


def busy_cores(value: float | None) -> str:
    """Cores that are busy at the peak."""
    return f"busy cores: {UNKNOWN if value is None else _short(value)}"


def number(value: int | None) -> str:
    """A count."""
    return UNKNOWN if value is None else f"{value:,}"


def counted(value: int | None, noun: str) -> str:
    """A count of something."""
    return UNKNOWN if value is None else f"{value:,} x {noun}"


def seconds(value: float | None) -> str:
    """A time that somebody waits."""
    if value is None:
        return UNKNOWN
    for length, unit in ((DAY, "days"), (3600, "h"), (60, "min")):
        if value >= 2 * length:
            return f"{_short(value / length)} {unit}"
    return f"{_short(value)} s"


def span(value: int) -> str:
    """A window or a retention, as it is written in settings."""
    for length, unit in ((DAY, "d"), (3600, "h"), (60, "m")):
        if value % length == 0:
            return f"{value // length}{unit}"
    return f"{value}s"


def _stage(name: str, stage: Stage) -> tuple[str, str, str]:
    if stage.processes is None:
        return name, UNKNOWN, busy_cores(stage.cores)
    reason = "two at least: one may be away" if stage.bound == "spare" else stage.bound
    remark = f"{reason}; {busy_cores(stage.cores)}; memory of each: {size(stage.memory)}"
    return name, f"{stage.processes:,} processes", remark


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _short(value: float) -> str:
    if value >= 100:  # noqa: PLR2004 - three digits say enough
        return f"{value:,.0f}"
    return f"{value:.3g}"
