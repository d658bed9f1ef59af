"""The real stages as processes under the real supervisor, on the session's stack."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL, Signals

import httpx

from hookline.local.process import Child, free_port
from hookline.local.supervisor import Supervisor
from runtime.settings import Settings


class Pipeline:
    """Ingress, processors and sinks, each a process of its own, restarted when it dies.

    Children are called ``ingest``, ``process-1`` …, ``sink-1`` …; their logs stand in ``logs``.
    """

    def __init__(self, settings: Settings, logs: Path, processors: int = 1, sinks: int = 1) -> None:
        names = ["ingest"]
        names += [f"process-{number + 1}" for number in range(processors)]
        names += [f"sink-{number + 1}" for number in range(sinks)]
        self.health_ports = {name: free_port() for name in names}
        self.settings = replace(settings, port=free_port())
        self.health_ports["ingest"] = self.settings.port  # its pages stand beside its routes
        self.logs = logs
        self.children = {name: self._child(name) for name in names}
        self.restarts = dict.fromkeys(names, 0)
        self._stopping = threading.Event()
        self._supervisor = Supervisor()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _child(self, name: str) -> Child:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
        own = {
            **self.settings.environment(),
            "HOOKLINE_HEALTH_PORT": str(self.health_ports[name]),
        }
        return Child(
            name,
            [sys.executable, "-P", "-m", "hookline", name.partition("-")[0]],
            self.logs / f"{name}.log",
            environment={**inherited, **own},
            directory=self.logs,
        )

    def _run(self) -> None:
        self._supervisor.add(self.children.values())
        self._supervisor.run(self._stopping.wait)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def start(self) -> None:
        self._thread.start()
        self.wait_ready(60)

    def wait_ready(self, seconds: float) -> None:
        """Return when every stage says that it is ready. Raises TimeoutError with their words."""
        deadline = time.monotonic() + seconds
        while said := self.unready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready after {seconds} s: {said}; logs: {self.logs}")
            time.sleep(0.1)

    def unready(self) -> dict[str, str]:
        """What each stage that is not ready says."""
        said: dict[str, str] = {}
        for name, port in self.health_ports.items():
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
            self.children[name].signal(SIGKILL)

    def signal(self, name: str, number: Signals) -> None:
        self.children[name].signal(number)

    def names(self, stage: str) -> list[str]:
        return [name for name in self.children if name.partition("-")[0] == stage]

    def restarts_of(self) -> dict[str, int]:
        return {state.name: state.restarts for state in self._supervisor.states()}

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._supervisor.stop()


@contextmanager
def running(
    settings: Settings, logs: Path, processors: int = 1, sinks: int = 1
) -> Iterator[Pipeline]:
    """A pipeline that is ready; stopped at the end, whatever happened."""
    logs.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(settings, logs, processors, sinks)
    try:
        pipeline.start()
        yield pipeline
    finally:
        pipeline.stop()
