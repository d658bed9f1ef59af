"""``hookline up``: the servers, what must stand in them, and the stages, until told to stop."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from hookline.local.folder import Folder, find_shops
from hookline.local.process import Child, tail
from hookline.local.servers.server import LocalError
from hookline.local.stack import NAMES, Stack, choose_ports
from hookline.local.supervisor import State, Supervisor
from runtime.settings import Settings
from schemas import shops as shops_file

_READY_WITHIN = 60.0

Say = Callable[[str], None]


class StoppedError(KeyboardInterrupt):
    """Told to stop while starting."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``up`` is asked for. Ports by name (``ingest kafka registry postgres``), 0 = free."""

    data: Path
    workers: int = 1
    shops: Path | None = None
    ports: Mapping[str, int] | None = None


def run(wanted: Wanted, say: Say, ready: Callable[[dict[str, Any]], None]) -> None:
    """Start everything, call ``ready`` with what run.json says, keep it until a signal.

    Raises LocalError, TopicsError, RegistryError and their like where something cannot start;
    nothing is left running then. Call it in the main thread.
    """
    folder = Folder(wanted.data)
    with folder.claimed(), _stop_signals() as stopping:
        shops = find_shops(wanted.shops)
        shops_file.load(shops)
        names = [*NAMES, "ingest", "sink", *(f"process-{n + 1}" for n in range(wanted.workers))]
        ports = choose_ports(folder.path, {**dict.fromkeys(names, 0), **(wanted.ports or {})})
        stack = Stack(folder.path, ports)
        supervisor = Supervisor()
        try:
            took = stack.start()
            say(f"Kafka, registry and PostgreSQL answer after {took:.1f} s")
            settings = folder.settings(stack, shops, ports["ingest"])
            prepare(settings, say)
            said = _said(settings, stack, shops, ports)
            supervisor = Supervisor(
                lambda states: folder.write(_with(said, states)),
                ended=lambda state: say(_ending(state)),
            )
            supervisor.add(server.child for server in stack.servers if server.child)
            for tier in _stages(settings, ports, folder.path):
                supervisor.add(tier)
            _wait_until_ready(supervisor, ports)
            folder.write(_with(said, supervisor.states()))
            ready(_with(said, supervisor.states()))
            supervisor.run(stopping.wait)
        finally:
            # A second Ctrl-C must not leave half of it running.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            say("stopping")
            supervisor.stop()
            stack.stop()


class _stop_signals:  # noqa: N801 - reads as what it does
    """While starting a signal raises StoppedError; once somebody waits it sets the event."""

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __enter__(self) -> "_Stopping":
        self._before = {number: signal.getsignal(number) for number in self._NUMBERS}
        stopping = _Stopping()
        for number in self._NUMBERS:
            signal.signal(number, stopping.told)
        return stopping

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class _Stopping:
    def __init__(self) -> None:
        self._event = threading.Event()
        self._is_waited_for = False

    def told(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()
        if not self._is_waited_for:
            raise StoppedError

    def wait(self, seconds: float) -> bool:
        self._is_waited_for = True
        return self._event.wait(seconds)


def prepare(settings: Settings, say: Say = lambda _: None) -> None:
    """Topics, schemas and tables, where they do not stand yet."""
    # Other layers' parts, and slow to import: only where they are used.
    from runtime import registry
    from runtime.kafka import topics_admin
    from sinks.postgres.migrate import migrate

    topics = asyncio.run(topics_admin.create_topics(settings))
    asyncio.run(registry.register(settings))
    applied = migrate(settings)
    say(f"{len(topics.created)} topics created, {len(topics.unchanged)} stood")
    if applied:
        say(f"{len(applied)} migrations applied")


def _ending(state: State) -> str:
    return (
        f"{state.name} ended with {state.last_exit} and is started again; its last words stand in"
        f" {state.log}"
    )


def _stages(settings: Settings, ports: Mapping[str, int], data: Path) -> list[list[Child]]:
    """Tiers in the order of their start: what accepts webhooks last, and so stopped first."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")
    }

    def child(name: str, command: str) -> Child:
        return Child(
            name,
            # -P: a folder called `ingest` where we were started is not our package.
            [sys.executable, "-P", "-m", "hookline", command],
            data / "logs" / f"{name}.log",
            environment={
                **inherited,
                **settings.environment(),
                "HOOKLINE_HEALTH_PORT": str(ports[name]),
            },
            directory=data,
        )

    workers = [child(name, "process") for name in ports if name.startswith("process-")]
    return [[child("sink", "sink")], workers, [child("ingest", "ingest")]]


def health_url(name: str, ports: Mapping[str, int]) -> str | None:
    """Where a stage says whether it is ready; None for a server."""
    return None if name in NAMES else f"http://127.0.0.1:{ports[name]}/readyz"


def is_ready(url: str) -> tuple[bool, str]:
    """Whether a stage says that it is ready, and its words."""
    try:
        with httpx.Client(trust_env=False, timeout=2) as client:
            answer = client.get(url)
    except httpx.HTTPError as error:
        return False, f"does not answer ({type(error).__name__})"
    return answer.status_code == httpx.codes.OK, answer.text.strip()


def _wait_until_ready(supervisor: Supervisor, ports: Mapping[str, int]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    waiting = {state.name for state in supervisor.states()} - set(NAMES)
    while waiting:
        supervisor.tick()
        waiting = {name for name in waiting if not is_ready(health_url(name, ports) or "")[0]}
        for state in supervisor.states():
            if state.name in waiting and state.is_looping:
                raise LocalError(
                    f"{state.name} ends as soon as it starts; its last words ({state.log}):\n"
                    f"{tail(Path(state.log))}"
                )
        if time.monotonic() > deadline:
            name = min(waiting)
            words = is_ready(health_url(name, ports) or "")[1]
            raise LocalError(
                f"{', '.join(sorted(waiting))}: not ready after {_READY_WITHIN:.0f} s. "
                f"{name} says: {words}"
            )
        time.sleep(0.2)


def _said(
    settings: Settings, stack: Stack, shops: Path, ports: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "started_at": time.time(),
        "data": str(stack.directory),
        "shops": str(shops),
        "ingress_url": f"http://{settings.host}:{settings.port}",
        "brokers": settings.brokers,
        "registry_url": settings.registry_url,
        "reader_url": stack.postgres.reader_url,
        "contacts_reader_url": stack.postgres.contacts_reader_url,
        "ports": dict(ports),
        "environment": settings.environment(),
    }


def _with(said: Mapping[str, Any], states: list[State]) -> dict[str, Any]:
    return {**said, "processes": [state.as_dict() for state in states]}
