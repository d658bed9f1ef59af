"""The real servers, once for a test session.

A test that uses them carries ``pytestmark = pytest.mark.stack`` and takes ``stack``: its
``settings()`` have a prefix of their own, so that tests do not see each other.
"""

import asyncio
import re
import shutil
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from hookline.local.process import free_port
from hookline.local.servers.kafka import Kafka
from hookline.local.servers.server import Server
from hookline.local.stack import NAMES, Stack, choose_ports, memory
from runtime.kafka import topics_admin
from runtime.registry import schema_ids
from runtime.settings import Settings
from tests import shown
from tests.log_search import leaks, secrets_of

# How long an example takes is the machine's affair: a timing is never a test.
hypothesis_settings.register_profile(
    "hookline",
    hypothesis_settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("hookline")

T = TypeVar("T")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: workers must collect the same names, and a gzip body holds its time."""
    return argname if isinstance(val, bytes) and not re.fullmatch(rb"[ -~]{1,40}", val) else None


_COSTS = pytest.StashKey[list[str]]()


class BehindProxy(Kafka):
    """A broker with a second listener, for clients that a proxy stands before.

    The proxy listens on ``proxy_port`` and forwards to ``behind_port``.
    """

    def __init__(self, directory: Path, port: int, logs: Path | None = None) -> None:
        super().__init__(directory, port, logs)
        self.proxy_port, self.behind_port = free_port(), free_port()

    def properties(self) -> dict[str, str]:
        told = super().properties()
        told["listeners"] += f",PROXIED://127.0.0.1:{self.behind_port}"
        told["advertised.listeners"] += f",PROXIED://127.0.0.1:{self.proxy_port}"
        told["inter.broker.listener.name"] = "PLAINTEXT"
        told["group.min.session.timeout.ms"] = "1000"  # deaths that are noticed soon
        told["listener.security.protocol.map"] = ",".join(
            f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", "PROXIED")
        )
        return told


class LiveStack(Stack):
    """The stack of the session.

    ``kafka``, ``registry`` and ``postgres`` each have ``start`` and ``stop``: same port, same
    data. What a test leaves down is started again before the next one.
    """

    def __init__(self, directory: Path, ports: dict[str, int]) -> None:
        super().__init__(directory, ports)
        self.kafka: BehindProxy = BehindProxy(
            self.kafka.directory, self.kafka.port, self.directory / "logs"
        )
        self.servers = (self.kafka, self.registry, self.postgres)

    @property
    def brokers(self) -> str:
        return self.kafka.brokers

    @property
    def registry_url(self) -> str:
        return self.registry.url

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def reader_url(self) -> str:
        return self.postgres.reader_url

    def settings(self, prefix: str | None = None, **overrides: Any) -> Settings:
        """Settings for this stack under a fresh prefix; nothing is created yet."""
        prefix = f"t{uuid.uuid4().hex[:8]}_" if prefix is None else prefix
        settings = Settings(
            brokers=self.brokers,
            registry_url=self.registry_url,
            database_url=self.database_url,
            prefix=prefix,
            partitions=4,
            replication_factor=1,
            sender_grace=0.0,
            shop_wait=1.0,
            contact_key="the key of the tests",
            state_dir=str(self.directory / "state"),
            port=0,
            log_format="text",
        )
        return replace(settings, **overrides)

    def recover(self) -> None:
        """Everything runs and answers again, whatever a test did."""
        for server in self.servers:
            self.resume(server)
        self.start()

    def kill(self, server: Server) -> None:
        """Kill a server (SIGKILL)."""
        if server.child is not None:
            server.child.kill()

    def pause(self, server: Server) -> None:
        """Suspend a server (SIGSTOP)."""
        if server.child is not None:
            server.child.signal(signal.SIGSTOP)

    def resume(self, server: Server) -> None:
        if server.child is not None:
            server.child.signal(signal.SIGCONT)

    def memory(self) -> int:
        """Bytes of memory of the running servers."""
        pids = (server.child.pid for server in self.servers if server.child)
        return sum(memory(pid) for pid in pids if pid is not None)


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, also where a loop runs already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session", autouse=True)
def logs_tell_nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of the run: no log of any stage or server holds a secret or personal data."""
    yield
    folder = tmp_path_factory.getbasetemp()
    assert leaks(folder, secrets_of(folder)) == []


@pytest.fixture(scope="session")
def live_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveStack]:
    """The servers, started when the first test asks; use ``stack``."""
    directory = tmp_path_factory.mktemp("stack")
    live = LiveStack(directory, choose_ports(directory, dict.fromkeys(NAMES, 0)))
    took = live.start()
    at_first = live.memory()
    yield live
    cost = f"started in {took:.1f} s, {at_first / 1e6:.0f} MB, {live.memory() / 1e6:.0f} at the end"
    if (output := getattr(request.config, "workeroutput", None)) is not None:
        output["stack"] = cost
    else:
        request.config.stash.setdefault(_COSTS, []).append(cost)
    live.stop()
    for name in NAMES:  # the logs stay for whoever looks into a failure
        shutil.rmtree(directory / name)


@pytest.fixture
def stack(live_stack: LiveStack) -> Iterator[LiveStack]:
    """Kafka, registry and PostgreSQL, all running when the test begins and when it has ended."""
    yield live_stack
    live_stack.recover()


def prepare(settings: Settings) -> Settings:
    """Topics, schemas and tables for these settings. Works in async tests too."""
    from sinks.postgres.migrate import migrate  # noqa: PLC0415 - only where tables are wanted

    run_apart(topics_admin.create_topics(settings))
    run_apart(schema_ids.register(settings))
    migrate(settings)
    return settings


def discard(settings: Settings) -> None:
    """Delete the topics: the broker's folder stays small."""
    run_apart(_delete_topics(settings))


@pytest.fixture
def prepared(stack: LiveStack) -> Iterator[Callable[[Settings], Settings]]:
    """Call it with settings: everything they need stands until the test has ended."""
    used: list[Settings] = []

    def prepare_one(settings: Settings) -> Settings:
        used.append(settings)
        return prepare(settings)

    yield prepare_one
    stack.recover()
    for settings in used:
        discard(settings)


async def _delete_topics(settings: Settings) -> None:
    async with topics_admin.admin_client(settings) as client:
        await client.delete_topics(list(await topics_admin.find_topics(settings)))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of the run says of its stack."""
    if cost := getattr(node, "workeroutput", {}).get("stack"):
        node.config.stash.setdefault(_COSTS, []).append(cost)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: Any) -> None:
    """Say how many of the platforms' events and traps were shown, and what each stack cost."""
    passed, failed = (
        [report.nodeid for outcome in outcomes for report in terminalreporter.getreports(outcome)]
        for outcomes in (("passed",), ("failed", "error"))
    )
    if said := shown.line(passed, failed):
        terminalreporter.write_line(said)
    for cost in config.stash.get(_COSTS, []):
        terminalreporter.write_line(f"stack: {cost}")
