"""Paired, alternating runs of two or more sides, and what is told of them: median and spread.

CPU is what the kernel charged to the measured process (user and system, as getrusage tells it),
over the run alone: start and warm-up are left out.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one side. ``memory``: the largest resident bytes seen; ``more``: by name."""

    events: int
    seconds: float
    cpu_seconds: float = 0.0
    memory: int = 0
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds an event."""
        return self.cpu_seconds / self.events * 1e6


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of the ascending values lies."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Bar:
    """What must hold of the median: of the ``ratio`` to the baseline, or of the ``value``."""

    of: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, figure: float) -> bool:
        """Whether a figure is within it."""
        enough = self.at_least is None or figure >= self.at_least
        return enough and (self.at_most is None or figure <= self.at_most)

    def __str__(self) -> str:
        sign, limit = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        return f"{sign} {limit:,g}{' x' if self.of == 'ratio' else ''}"


def ratio_at_least(limit: float) -> Bar:
    """So many times the baseline, or more."""
    return Bar("ratio", at_least=limit)


def ratio_at_most(limit: float) -> Bar:
    """So many times the baseline, or less."""
    return Bar("ratio", at_most=limit)


def at_least(limit: float) -> Bar:
    """This much, or more."""
    return Bar("value", at_least=limit)


def at_most(limit: float) -> Bar:
    """This much, or less."""
    return Bar("value", at_most=limit)


@dataclass(slots=True)
class Row:
    """One line of the table.

    ``values`` and ``base_values``: a figure of each run in ``unit``, ours and the baseline's of
    the same round. ``audit``: the exit status of ``hookline audit`` after the runs. No values:
    ``note`` says why.
    """

    scenario: str
    work: str
    unit: str = ""
    values: Sequence[float] = ()
    baseline: str = ""
    base_values: Sequence[float] = ()
    cpu_us: Sequence[float] = ()
    base_cpu_us: Sequence[float] = ()
    bar: Bar | None = None
    audit: int | None = None
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours over the baseline's, round by round."""
        if not self.base_values:
            return []
        return [ours / theirs for ours, theirs in zip(self.values, self.base_values, strict=True)]

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met by the median; None where there is no bar or no figure."""
        if self.bar is None or not self.values:
            return None
        figures = self.ratios if self.bar.of == "ratio" else self.values
        return self.bar.holds(statistics.median(figures))

    def as_dict(self) -> dict[str, Any]:
        """For a machine, with medians and spreads beside the runs."""
        told = {name: figures for name, figures in asdict(self).items() if name != "bar"}
        for name in ("values", "base_values", "ratios", "cpu_us", "base_cpu_us"):
            runs = list(getattr(self, name))
            told[name] = runs and {"runs": runs, **asdict(Spread.of(runs))}
        return {**told, "bar": str(self.bar) if self.bar else None, "holds": self.holds}


def rates(
    scenario: str,
    work: str,
    ours: Sequence[Sample],
    baseline: str = "",
    theirs: Sequence[Sample] = (),
    **told: Any,
) -> Row:
    """A row of events a second, with the CPU of an event where it was measured."""
    return Row(
        scenario,
        work,
        "/s",
        [each.rate for each in ours],
        baseline,
        [each.rate for each in theirs],
        [each.cpu_us for each in ours if each.cpu_seconds],
        [each.cpu_us for each in theirs if each.cpu_seconds],
        **told,
    )


Side = Callable[[], Sample]


def alternate(
    sides: Sequence[Side], runs: int, told: Callable[[int, int], object] = lambda *_: None
) -> list[list[Sample]]:
    """Run all sides ``runs`` times, in turns; the samples of each side, round by round.

    Each side runs once before, for nothing. Every other round goes the other way, so that what
    drifts with time falls on all alike. ``told`` is given (runs done, runs in all).
    """
    found: list[list[Sample]] = [[] for _ in sides]
    total, done = len(sides) * (runs + 1), 0
    for turn in range(runs + 1):
        numbers = range(len(sides))
        for number in numbers if turn % 2 else reversed(numbers):
            sample = sides[number]()
            if turn:
                found[number].append(sample)
            done += 1
            told(done, total)
    return found


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores run the stage under test, and which everything else."""

    stage: frozenset[int]
    servers: frozenset[int]

    @property
    def all(self) -> frozenset[int]:
        """Both."""
        return self.stage | self.servers

    @property
    def is_shared(self) -> bool:
        """Whether one core must do for both: ratios then say little."""
        return self.stage == self.servers


def split(cores: Iterable[int]) -> Cores:
    """The last core for the stage under test, the others for servers and load."""
    ordered = sorted(cores)
    return Cores(frozenset(ordered[-1:]), frozenset(ordered[:-1] or ordered))


def pin(pid: int, cores: frozenset[int]) -> None:
    """Bind a process, its threads and its children to cores; what they start later follows."""
    for process in family(pid):
        with suppress(psutil.Error, ProcessLookupError):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, cores)


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it; none if it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(process: psutil.Process) -> int:
    """Resident bytes; 0 if it is gone."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has been charged with. Raises psutil.NoSuchProcess."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def own_cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], int]) -> Sample:
    """Run ``work`` in this process; it returns how many events it did."""
    cpu, began = own_cpu(), time.perf_counter()
    events = work()
    return Sample(events, time.perf_counter() - began, own_cpu() - cpu)
