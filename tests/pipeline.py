"""The real stages as processes under the real supervisor, on the session's stack."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import httpx

from hookline.local.process import Child, free_port
from hookline.local.supervisor import Supervisor, stop_all
from runtime.process.own_secrets import child_environment
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Shape:
    """How many processes of each stage, and what is odd about some of them.

    ``entries``: stage or child -> the interpreter's arguments in place of ``-m hookline STAGE``.
    ``variables``: stage or child -> environment variables of its own.
    """

    ingresses: int = 1
    processors: int = 1
    sinks: int = 1
    entries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def count(self, stage: str) -> int:
        return {"ingest": self.ingresses, "process": self.processors, "sink": self.sinks}[stage]


STAGES = ("ingest", "process", "sink")


def command_environment(settings: Settings, command: str) -> dict[str, str]:
    """The environment of ``hookline command``: a stage has its own secrets, others have all."""
    if command in STAGES:
        return child_environment(command, settings)
    return {**os.environ, **settings.environment()}


class Pipeline:
    """The stages, each process restarted when it dies.

    Children are called ``ingest-1`` …, ``process-1`` …, ``sink-1`` …; their logs stand in
    ``logs``. ``ports``: of their pages. Every ingress takes webhooks on a port of its own.
    """

    def __init__(self, settings: Settings, logs: Path, shape: Shape) -> None:
        self.settings = replace(settings, port=free_port())
        self.logs = logs
        self.shape = shape
        self.ports: dict[str, int] = {}
        self._hooks: dict[str, int] = {}
        self.children: dict[str, Child] = {}
        self._kept: dict[str, Supervisor] = {}
        self._numbers = dict.fromkeys(STAGES, 0)
        self._ended_by_us = self._restarts_of_gone = 0
        self._turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _child(self, name: str) -> Child:
        stage = name.partition("-")[0]
        own = {
            **child_environment(stage, self.settings),
            "HOOKLINE_HEALTH_PORT": str(self.ports[name]),
            **({"HOOKLINE_PORT": str(self._hooks[name])} if name in self._hooks else {}),
            **self.shape.variables.get(stage, {}),
            **self.shape.variables.get(name, {}),
        }
        entries = self.shape.entries
        entry = entries.get(name) or entries.get(stage) or ("-m", "hookline", stage)
        return Child(
            name,
            [sys.executable, "-P", *entry],
            self.logs / f"{name}.log",
            environment=own,
            directory=self.logs,
        )

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            with self._turn:
                for supervisor in self._kept.values():
                    supervisor.tick()

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self._hooks[name]}" for name in self.names("ingest")]

    def start(self, *stages: str) -> None:
        """Start these stages, or all; return when they are ready."""
        if not self._thread.is_alive():
            self._thread.start()
        for stage in stages or STAGES:
            for _ in range(self.shape.count(stage)):
                self.join(stage)
        self.wait_ready(60)

    def join(self, stage: str) -> str:
        """Start one process more; its name."""
        self._numbers[stage] += 1
        name = f"{stage}-{self._numbers[stage]}"
        first = stage == "ingest" and self._numbers[stage] == 1
        with self._turn:
            self.ports[name] = free_port()
            if stage == "ingest":
                self._hooks[name] = self.settings.port if first else free_port()
            self.children[name] = self._child(name)
            self._kept[name] = Supervisor()
            self._kept[name].add([self.children[name]])
        return name

    def leave(self, name: str) -> None:
        """End a process in order, for good."""
        with self._turn:
            supervisor = self._kept.pop(name)
        self._restarts_of_gone += supervisor.states()[0].restarts
        supervisor.stop()
        del self.children[name], self.ports[name]

    def fall(self, name: str) -> None:
        """Kill -9, for good."""
        with self._turn:
            supervisor = self._kept.pop(name)
        self._restarts_of_gone += supervisor.states()[0].restarts
        self.children.pop(name).kill()
        del self.ports[name]

    def wait_ready(self, seconds: float) -> None:
        """Return when every stage says that it is ready. Raises TimeoutError with their words."""
        deadline = time.monotonic() + seconds
        while said := self.unready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {seconds} s: {said}; logs: {self.logs}")
            time.sleep(0.1)

    def unready(self) -> dict[str, str]:
        """What each process that is not ready says."""
        said: dict[str, str] = {}
        for name, port in list(self.ports.items()):
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False)
            except httpx.HTTPError as error:
                said[name] = repr(error)
            else:
                if answer.status_code != httpx.codes.OK:
                    said[name] = answer.text
        return said

    def kill(self, *names: str) -> None:
        """Kill -9: the supervisor brings them back."""
        for name in names:
            self.signal(name, SIGKILL)

    def signal(self, name: str, number: Signals) -> None:
        """Send a signal to a process, if it runs."""
        with self._turn:
            ends = number in (SIGKILL, SIGTERM) and self.children[name].is_running
            self._ended_by_us += ends
            self.children[name].signal(number)

    def names(self, stage: str = "") -> list[str]:
        return [name for name in self.children if not stage or name.partition("-")[0] == stage]

    def restarts_of(self) -> dict[str, int]:
        with self._turn:
            return {name: kept.states()[0].restarts for name, kept in self._kept.items()}

    @property
    def exits(self) -> int:
        """Processes that ended by themselves and were started again."""
        restarts = sum(self.restarts_of().values()) + self._restarts_of_gone
        return max(restarts - self._ended_by_us, 0)  # one killed and then taken away: no restart

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        stop_all(list(self.children.values()))


@contextmanager
def running(
    settings: Settings, logs: Path, processors: int = 1, sinks: int = 1
) -> Iterator[Pipeline]:
    """A pipeline that is ready; stopped at the end, whatever happened."""
    with prepared(settings, logs, Shape(processors=processors, sinks=sinks)) as pipeline:
        pipeline.start()
        yield pipeline


@contextmanager
def prepared(settings: Settings, logs: Path, shape: Shape) -> Iterator[Pipeline]:
    """A pipeline of which nothing runs yet; stopped at the end, whatever happened."""
    logs.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(settings, logs, shape)
    try:
        yield pipeline
    finally:
        pipeline.stop()
