"""The real parts of a measurement: servers, the stages as processes, the log, the audit."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hookline.local.process import Child, free_port, tail
from hookline.local.stack import NAMES, choose_ports
from runtime.kafka.producer import new_producer
from runtime.process.own_secrets import STAGES, child_environment
from runtime.settings import Settings
from schemas.topics import WEBHOOKS, Group, Topic
from tests.bench.bodies import SHOPS_TOML, Record
from tests.bench.measure import Cores, Sample, cpu_of, pin, resident, split
from tests.conftest import LiveStack, discard, prepare

ROOT = Path(__file__).parents[2]
READY = 180.0
"""Seconds that a process has to be ready: an index of 10,000,000 may have to be read."""
PATIENCE = 900.0
"""Seconds that a run may take."""
SESSION = 85.0
"""Seconds that a process may stand still without leaving its group; Faust takes up to 90."""
BREATH = 1.0
"""Seconds in which who stood still tells its group that it lives."""
LOOK = 0.02
"""Seconds between looks at what has been done."""


class BenchError(RuntimeError):
    """A measurement could not be taken; the message says where to look."""


@dataclass(slots=True)
class Bench:
    """What every scenario is given.

    ``runs``: rounds that count. ``scale``: how much of the full numbers is sent. ``full``:
    ten million entries too.
    """

    folder: Path
    console: Console
    cores: Cores
    runs: int = 5
    scale: float = 1.0
    full: bool = False
    programs: "list[Program]" = field(default_factory=list)
    _stack: LiveStack | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def of(cls, folder: Path, console: Console, **told: Any) -> "Bench":
        """On the cores that this process may use."""
        return cls(folder, console, split(os.sched_getaffinity(0)), **told)

    def count(self, full: int, least: int = 200) -> int:
        """So many of ``full`` as the scale leaves."""
        return max(int(full * self.scale), least)

    @property
    def stack(self) -> LiveStack:
        """The servers on their cores, started when the first scenario asks; we go there too."""
        if self._stack is None:
            directory = self.folder / "stack"
            stack = LiveStack(directory, choose_ports(directory, dict.fromkeys(NAMES, 0)))
            self.console.print("[dim]starting Kafka, the registry and PostgreSQL[/]")
            self._open.callback(stack.stop)
            stack.start()
            self._stack = stack
            pin(os.getpid(), self.cores.servers)
        return self._stack

    def place_servers(self, cores: frozenset[int]) -> None:
        """Bind the servers to cores."""
        for server in self.stack.servers:
            if server.child is not None and server.child.pid is not None:
                pin(server.child.pid, cores)

    @contextmanager
    def prefix(self, partitions: int = 4, **overrides: Any) -> Iterator[Settings]:
        """Topics, schemas and tables of their own; the topics are gone at the end."""
        shops = self.folder / "shops.toml"
        shops.write_text(SHOPS_TOML)
        settings = prepare(
            replace(
                self.stack.settings(),
                partitions=partitions,
                shops_file=str(shops),
                session_timeout=SESSION,
                stall_timeout=PATIENCE,
                state_dir=str(self.folder / "state" / str(time.monotonic_ns())),
                **overrides,
            )
        )
        try:
            yield settings
        finally:
            discard(settings)

    def breathe(self) -> None:
        """Let all who stand still tell their groups that they live."""
        standing = [program for program in self.programs if program.is_paused]
        for program in standing:
            program.resume()
        time.sleep(BREATH)
        for program in standing:
            program.pause()

    @contextmanager
    def bar(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar; the function takes (done, in all)."""
        columns = (TextColumn(f"  {what}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as shown:
            task = shown.add_task("", total=None)
            yield lambda done, total: shown.update(task, completed=done, total=total)

    def close(self) -> None:
        """Stop the servers."""
        self._open.close()


class Program:
    """A process on its own cores: one stage, or a baseline that does the same work.

    ``command`` may be made of the port that it is to serve on.
    """

    ready_path = "/readyz"

    def __init__(
        self,
        bench: Bench,
        name: str,
        command: Sequence[str] | Callable[[int], Sequence[str]],
        settings: Settings,
        cores: frozenset[int] | None = None,
        pages_port: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.bench = name, bench
        self.is_paused = False
        self.port = free_port()
        self._cores = bench.cores.stage if cores is None else cores
        self._pages_port = self.port if pages_port is None else pages_port
        told = replace(settings, port=self.port, health_port=self._pages_port)
        Path(settings.state_dir).mkdir(parents=True, exist_ok=True)
        self.log = bench.folder / "logs" / f"{time.monotonic_ns()}-{name}.log"
        self._child = Child(
            name,
            [sys.executable, *(command(self.port) if callable(command) else command)],
            self.log,
            environment={
                **_environment(name, told),
                "PYTHONPATH": str(ROOT),
                **(variables or {}),
            },
            directory=bench.folder,
        )

    def __enter__(self) -> Self:
        self._child.start()
        pin(self.pid, self._cores)
        self.bench.programs.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.bench.programs.remove(self)
        self._child.stop(grace=20)

    @property
    def pid(self) -> int:
        """The process id."""
        if self._child.pid is None:
            raise BenchError(f"{self.name} was not started")
        return self._child.pid

    @property
    def url(self) -> str:
        """Where it serves, if it does."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def _pages(self) -> str:
        return f"http://127.0.0.1:{self._pages_port}"

    def wait_ready(self, seconds: float = READY) -> None:
        """Return once its ``ready_path`` says so. Raises BenchError."""
        deadline = time.monotonic() + seconds
        said = ""
        while time.monotonic() < deadline:
            self.check()
            try:
                answer = httpx.get(f"{self._pages}{self.ready_path}", timeout=5, trust_env=False)
            except httpx.HTTPError as error:
                said = repr(error)
            else:
                if answer.status_code == httpx.codes.OK:
                    return
                said = answer.text
            time.sleep(0.05)
        raise BenchError(f"{self.name} is not ready after {seconds:.0f} s: {said}; {self.log}")

    def metric(self, family: str) -> float:
        """The value of a family without labels on its /metrics."""
        text = httpx.get(f"{self._pages}/metrics", timeout=5, trust_env=False).text
        values = [line.split()[1] for line in text.splitlines() if line.startswith(f"{family} ")]
        return float(values[0])

    def check(self) -> None:
        """Raises BenchError if it has ended."""
        if not self._child.is_running:
            said = tail(self.log)
            raise BenchError(f"{self.name} ended ({self._child.exit_code}):\n{said}\n{self.log}")

    def pause(self) -> None:
        """Stand still."""
        self._child.signal(signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        """Go on."""
        self._child.signal(signal.SIGCONT)
        self.is_paused = False


def _environment(name: str, settings: Settings) -> dict[str, str]:
    if name in STAGES:
        return child_environment(name, settings)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    return {**inherited, **settings.environment()}


def stage(bench: Bench, name: str, settings: Settings, cores: Any = None) -> Program:
    """A stage as an operator starts it: ``ingest``, ``process`` or ``sink``."""
    pages_port = free_port() if name == "ingest" else None
    return Program(bench, name, ["-P", "-m", "hookline", name], settings, cores, pages_port)


def baseline(bench: Bench, name: str, settings: Settings, *arguments: str) -> Program:
    """One of ``baselines/``."""
    return Program(bench, name, ["-m", f"tests.bench.baselines.{name}", *arguments], settings)


@dataclass(slots=True)
class Worker:
    """A program that takes records from the log, and stands still between its runs.

    ``fill`` gives it so many new ones while it stands still; ``done`` tells how many are done.
    """

    programs: Sequence[Program]
    fill: Callable[[int], None]
    done: Callable[[], int]
    count: int

    def sample(self) -> Sample:
        """One run: all its events are there before it begins."""
        self._rest()
        self.programs[0].bench.breathe()
        before = self.done()
        self.fill(self.count)
        return self.drain(before + self.count)

    def drain(self, goal: int) -> Sample:
        """Go on until ``goal`` are done; then stand still again."""
        count, memory = goal - self.done(), 0
        pids = [program.pid for program in self.programs]
        cpu, began = sum(map(cpu_of, pids)), time.perf_counter()
        for program in self.programs:
            program.resume()
        try:
            while (done := self.done()) < goal:
                if time.perf_counter() - began > PATIENCE:
                    raise BenchError(f"{self.programs[0].name}: {goal - done} still to do")
                for program in self.programs:
                    program.check()
                memory = max([memory, *(resident(psutil.Process(p.pid)) for p in self.programs)])
                time.sleep(LOOK)
            seconds = time.perf_counter() - began
            spent = sum(map(cpu_of, pids)) - cpu
        finally:
            self._rest()
        return Sample(count, seconds, spent, memory)

    def wait_for(self, goal: int, seconds: float = READY) -> None:
        """Return once so many are done. Raises BenchError."""
        deadline = time.monotonic() + seconds
        while (done := self.done()) < goal:
            for program in self.programs:
                program.check()
            if time.monotonic() > deadline:
                raise BenchError(
                    f"{self.programs[0].name}: {done} of {goal}; {self.programs[0].log}"
                )
            time.sleep(0.1)

    def _rest(self) -> None:
        for program in self.programs:
            program.pause()


class Log:
    """Appends to the topics of one prefix and tells where they end, from plain functions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    async def _start(self) -> None:
        self._producer = new_producer(self._settings)
        self._reader = AIOKafkaConsumer(**self._settings.kafka(), enable_auto_commit=False)
        await self._producer.start()
        await self._reader.start()

    async def _stop(self) -> None:
        await self._producer.stop()
        await self._reader.stop()

    def _places(self, topics: Iterable[Topic]) -> list[TopicPartition]:
        numbers = range(self._settings.partitions)
        return [TopicPartition(self._settings.topic(topic), n) for topic in topics for n in numbers]

    def ends(self, *topics: Topic) -> int:
        """The ends of all partitions of these topics, added up."""
        found = self._runner.run(self._reader.end_offsets(self._places(topics)))
        return sum(found.values())

    def append(self, topic: Topic, number: int, records: Iterable[Record]) -> None:
        """Append to one partition, in order; return once all is acknowledged."""
        self._runner.run(self._append(self._settings.topic(topic), number, records))

    async def _append(self, topic: str, number: int, records: Iterable[Record]) -> None:
        sent = []
        batch = self._producer.create_batch()
        for key, value, headers in records:
            said = {"key": key, "value": value, "timestamp": None, "headers": headers}
            if batch.append(**said) is None:
                sent.append(await self._producer.send_batch(batch, topic, partition=number))
                batch = self._producer.create_batch()
                batch.append(**said)
        sent.append(await self._producer.send_batch(batch, topic, partition=number))
        await asyncio.gather(*sent)

    def spread(self, topic: Topic, records: Iterable[Record]) -> None:
        """Append to the partitions in turns."""
        by_number: list[list[Record]] = [[] for _ in range(self._settings.partitions)]
        for at, record in enumerate(records):
            by_number[at // 4 % len(by_number)].append(record)
        for number, group in enumerate(by_number):
            if group:
                self.append(topic, number, group)

    def settle(self, each: int) -> None:
        """Say that the processors are done with ``each`` raw records of every partition."""
        self._runner.run(self._settle(each))

    async def _settle(self, each: int) -> None:
        group = f"{self._settings.prefix}{Group.PROCESSORS}"
        member = AIOKafkaConsumer(
            **self._settings.kafka(), group_id=group, enable_auto_commit=False
        )
        await member.start()
        try:
            places = self._places([WEBHOOKS])
            member.assign(places)
            await member.commit(dict.fromkeys(places, each))
        finally:
            await member.stop()


def audit(settings: Settings) -> int:
    """The exit status of ``hookline audit`` on a prefix."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "hookline", "audit", "--json"],
        env={**inherited, **settings.environment()},
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    ).returncode
