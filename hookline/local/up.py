"""``hookline up``: runs the servers and the stages until a signal, here or in the background."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Self

import httpx

from hookline.local.folder import (
    Folder,
    dashboard_environment,
    find_shops,
    stage_environments,
)
from hookline.local.process import Child, tail, wait_until
from hookline.local.servers import cluster
from hookline.local.servers.server import LocalError
from hookline.local.stack import Stack, choose_ports, is_server, port_names
from hookline.local.supervisor import State, Supervisor
from runtime.process.own_secrets import inherited_variables
from runtime.settings import Settings
from schemas import shops as shops_file

PAGES_OF_INGEST = "ingest-pages"
"""The port of the ingress's metrics and readiness; ``ingest`` is that of the webhooks."""
DASHBOARD = "dashboard"
_START_TIMEOUT = 60.0
_STEP_EVERY = 3.0
"""Seconds between reports of what a start waits for."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Options of ``up``. Ports by name (``ingest kafka registry postgres``), 0 = free.

    ``brokers``: None for as many as the data folder has, else one. The port of ``kafka`` is that
    of the first broker.
    """

    data: Path
    workers: int = 1
    shops: Path | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    brokers: int | None = None


def run(options: UpOptions, report: Report, ready: Callable[[dict[str, Any]], None]) -> None:
    """Start everything, call ``ready`` with the contents of run.json, run until a signal.

    Raises LocalError, TopicsError, RegistryError and the like if something cannot start; nothing
    is left running then. Call it in the main thread.
    """
    folder = Folder(options.data)

    def step(text: str) -> None:
        folder.write_step(text)
        report(text)

    with folder.locked(), _StopSignals() as stopping:
        shops = folder.own_shops(find_shops(options.shops))
        if not shops_file.load(shops):
            report(f"{shops} lists no shop: every delivery is refused (`hookline shops add`)")
        brokers = cluster.choose_count(folder.path, options.brokers)
        ports = _choose_ports(folder.path, brokers, options)
        stack = Stack(folder.path, ports, brokers)
        supervisor = Supervisor()
        try:
            kafka = "Kafka" if brokers == 1 else f"Kafka ({brokers} brokers)"
            step(f"{kafka}, registry and PostgreSQL start")
            seconds = stack.start()
            step(f"they answer after {seconds:.1f} s; topics, schemas and tables are next")
            settings = folder.settings(stack, shops, ports["ingest"])
            prepare(replace(settings, database_url=stack.postgres.url), report)
            static = _run_json(settings, stack, shops, ports)
            is_up = threading.Event()

            def changed(states: list[State]) -> None:
                if is_up.is_set():  # run.json would end the start
                    folder.write(_with_processes(static, states))

            supervisor = Supervisor(
                changed,
                exited=lambda state: report(
                    f"{state.name} exited with {state.last_exit} and will be restarted;"
                    f" see {state.log}"
                ),
            )
            supervisor.add(server.child for server in stack.servers if server.child)
            step("the stages start")
            environments = {**static["stages"], DASHBOARD: dashboard_environment(static)}
            for tier in _stages(environments, ports, folder.path):
                supervisor.add(tier)
            _wait_until_ready(supervisor, ports, step)
            current = _with_processes(static, supervisor.states())
            folder.write(current)
            is_up.set()
            ready(current)
            supervisor.run(stopping.wait)
        finally:
            # A second Ctrl-C would interrupt the stop and leave children running.
            for number in _StopSignals.NUMBERS:
                signal.signal(number, signal.SIG_IGN)
            report("stopping")
            supervisor.stop()
            stack.stop()


def _choose_ports(data: Path, brokers: int, options: UpOptions) -> dict[str, int]:
    workers = (f"process-{n + 1}" for n in range(options.workers))
    names = [*port_names(brokers), "ingest", PAGES_OF_INGEST, DASHBOARD, "sink", *workers]
    given = dict(options.ports)
    if brokers > 1:
        given[cluster.server_names(brokers)[0]] = given.pop("kafka", 0)
    return choose_ports(data, {**dict.fromkeys(names, 0), **given})


class _StopSignals:
    """Handles stop signals: they raise KeyboardInterrupt until ``wait`` is called, then end it."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._event = threading.Event()
        self._is_waiting = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.getsignal(number) for number in self.NUMBERS}
        for number in self.NUMBERS:
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def wait(self, seconds: float) -> bool:
        """Wait for a signal; True if one arrived."""
        self._is_waiting = True
        return self._event.wait(seconds)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()
        if not self._is_waiting:
            raise KeyboardInterrupt


def prepare(settings: Settings, report: Report = lambda _: None) -> None:
    """Create missing topics, schemas and tables, as the tables' owner."""
    # Slow to import, and `hookline.local.up` is also imported for its other functions.
    from runtime.kafka import declared_settings, topics_admin
    from runtime.registry import schema_ids
    from sinks.postgres.migrate import migrate

    asyncio.run(declared_settings.configure(settings))  # of topics that an older version created
    topics = asyncio.run(topics_admin.create_topics(settings))
    asyncio.run(schema_ids.register(settings))
    applied = migrate(settings)
    report(f"{len(topics.created)} topics created, {len(topics.unchanged)} already existed")
    if applied:
        report(f"{len(applied)} migrations applied")


def _stages(
    environments: Mapping[str, Mapping[str, str]], ports: Mapping[str, int], data: Path
) -> list[list[Child]]:
    """Tiers in start order: the ingress starts last, and so is stopped first."""

    def child(name: str, command: str, *options: str) -> Child:
        return Child(
            name,
            # -P: never import a folder called `ingest` in the current directory.
            [sys.executable, "-P", "-m", "hookline", command, *options],
            data / "logs" / f"{name}.log",
            environment={
                **inherited_variables(command),
                **environments[command],
                "HOOKLINE_HEALTH_PORT": str(ports[_pages_name(name)]),
            },
            directory=data,
        )

    workers = [child(name, "process") for name in ports if name.startswith("process-")]
    pages = child(DASHBOARD, DASHBOARD, "--port", str(ports[DASHBOARD]))
    return [[child("sink", "sink"), pages], workers, [child("ingest", "ingest")]]


def health_url(name: str, ports: Mapping[str, int]) -> str | None:
    """The readiness URL of a stage; None for a server."""
    if is_server(name):
        return None
    port = ports.get(_pages_name(name), ports[name])  # an older stack has one port for both
    return f"http://127.0.0.1:{port}/readyz"


def _pages_name(stage: str) -> str:
    """The name of the port of a stage's pages."""
    return PAGES_OF_INGEST if stage == "ingest" else stage


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a stage reports of itself: what it waits for if it is not ready, and its warnings."""

    is_ready: bool
    waits_for: str = ""
    warnings: tuple[str, ...] = ()


def readiness(url: str) -> Readiness:
    """Ask a stage's /readyz."""
    try:
        with httpx.Client(trust_env=False, timeout=2) as client:
            answer = client.get(url)
    except httpx.ConnectError:
        return Readiness(False, "starts")
    except httpx.HTTPError as error:
        return Readiness(False, f"does not answer ({type(error).__name__})")
    try:
        page = answer.json()
        waits_for, warnings = _lines(page["waiting"]), _lines(page["warnings"])
    except (ValueError, KeyError):
        waits_for, warnings = [f"answers {answer.status_code}"], []
    is_ready = answer.status_code == httpx.codes.OK
    return Readiness(is_ready, "" if is_ready else ", ".join(waits_for), tuple(warnings))


def _lines(named: Mapping[str, str]) -> list[str]:
    return [f"{name}: {why}" for name, why in named.items()]


def is_ready(url: str) -> tuple[bool, str]:
    """Whether a stage reports itself ready, and else what it waits for."""
    found = readiness(url)
    return found.is_ready, found.waits_for


def _wait_until_ready(supervisor: Supervisor, ports: Mapping[str, int], step: Report) -> None:
    reasons = {state.name: "" for state in supervisor.states() if not is_server(state.name)}
    last_step = time.monotonic()

    def all_ready() -> bool:
        nonlocal last_step
        supervisor.tick()
        for name in list(reasons):
            ready, reasons[name] = is_ready(health_url(name, ports) or "")
            if ready:
                del reasons[name]
        for state in supervisor.states():
            if state.name in reasons and state.is_looping:
                raise LocalError(
                    f"{state.name} crashes on start; its last output ({state.log}):\n"
                    f"{tail(Path(state.log))}"
                )
        if reasons and time.monotonic() - last_step > _STEP_EVERY:
            last_step = time.monotonic()
            step("; ".join(f"{name}: {reason}" for name, reason in sorted(reasons.items())))
        return not reasons

    if not wait_until(all_ready, _START_TIMEOUT, every=0.2):
        name = min(reasons)
        raise LocalError(
            f"{', '.join(sorted(reasons))}: not ready after {_START_TIMEOUT:.0f} s. "
            f"{name} reports: {reasons[name]}"
        )


def _run_json(
    settings: Settings, stack: Stack, shops: Path, ports: Mapping[str, int]
) -> dict[str, Any]:
    """The contents of run.json, except for the state of the processes."""
    return {
        "pid": os.getpid(),
        "started_at": time.time(),
        "data": str(stack.directory),
        "shops": str(shops),
        "ingress_url": f"http://{settings.host}:{settings.port}",
        "dashboard_url": f"http://127.0.0.1:{ports[DASHBOARD]}",
        "brokers": settings.brokers,
        "registry_url": settings.registry_url,
        "reader_url": stack.postgres.reader_url,
        "contacts_reader_url": stack.postgres.contacts_reader_url,
        "ports": dict(ports),
        "owner_url": stack.postgres.url,
        "environment": settings.environment(),
        "stages": stage_environments(settings, stack.postgres.sink_url),
    }


def _with_processes(static: Mapping[str, Any], states: list[State]) -> dict[str, Any]:
    return {**static, "processes": [asdict(state) for state in states]}
