"""The servers of the local stack."""

import json
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import psutil

from hookline.local.process import free_port, is_free, reserve
from hookline.local.servers import cluster, fetch
from hookline.local.servers.kafka import Kafka
from hookline.local.servers.postgres import Postgres
from hookline.local.servers.registry import Registry
from hookline.local.servers.server import LocalError, Server
from runtime.process.private_files import create_folder, write_private

_MAX_PORT = 65_535
NAMES = ("kafka", "registry", "postgres")


def choose_ports(directory: Path, given: dict[str, int]) -> dict[str, int]:
    """Choose a port for each name in ``given``: the given one, the previous one, or a free one.

    0 means not given. Raises LocalError if a given port is taken.
    """
    path = directory / "ports.json"
    previous: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    chosen: dict[str, int] = {}
    for name, wanted in given.items():
        if not 0 <= wanted <= _MAX_PORT:
            raise LocalError(f"port {wanted} for {name}: a port is at most {_MAX_PORT}")
        if wanted and not is_free(wanted):
            raise LocalError(
                f"port {wanted} for {name} is taken: choose another, or omit it for a free one"
            )
        port = wanted or previous.get(name, 0)
        while not port or not is_free(port) or port in chosen.values():
            port = free_port()
        reserve(port)  # where another holds it, it is the one who gave the port to this process
        chosen[name] = port
    create_folder(directory)
    write_private(path, json.dumps({**previous, **chosen}))
    return chosen


def port_names(brokers: int = 1) -> tuple[str, ...]:
    """Name the ports that the servers need."""
    return (*cluster.port_names(brokers), *NAMES[1:])


def is_server(name: str) -> bool:
    """Whether a process is one of the servers, not a stage."""
    return name.partition("-")[0] in NAMES


class Stack:
    """Kafka, registry and PostgreSQL in ``directory``, on the ports given by name.

    ``kafka`` is the first of the ``brokers``.
    """

    def __init__(self, directory: Path, ports: dict[str, int], brokers: int = 1) -> None:
        self.directory = directory.resolve()
        logs = self.directory / "logs"
        kafkas = cluster.create(self.directory, ports, brokers, logs)
        self.kafka = kafkas[0]
        self.registry = Registry(self.directory / "registry", ports["registry"], logs)
        self.postgres = Postgres(self.directory / "postgres", ports["postgres"], logs)
        self.servers: tuple[Server, ...] = (*kafkas, self.registry, self.postgres)

    @property
    def kafkas(self) -> tuple[Kafka, ...]:
        """The brokers that this stack runs."""
        return tuple(server for server in self.servers if isinstance(server, Kafka))

    @property
    def brokers(self) -> str:
        """Bootstrap servers: every broker."""
        return ",".join(kafka.brokers for kafka in self.kafkas)

    def start(self) -> float:
        """Start the servers that are not running; the seconds until all answer.

        Downloads missing programs first. Raises LocalError; no server runs then.
        """
        for part in fetch.PARTS:
            fetch.ensure(part)
        began = time.monotonic()
        with ThreadPoolExecutor(len(self.servers)) as threads:
            starting = [threads.submit(server.start) for server in self.servers]
            try:
                for started in as_completed(starting):
                    started.result()
            except BaseException:
                self.stop()  # makes the other threads stop waiting
                raise
        return time.monotonic() - began

    def stop(self) -> None:
        """Stop all servers at the same time."""
        with ThreadPoolExecutor(len(self.servers)) as threads:
            list(threads.map(lambda server: server.stop(), self.servers))


def memory(pid: int) -> int:
    """Bytes of memory of a process and its children; 0 if it does not exist.

    Proportional (PSS) where available, since PostgreSQL's processes share buffers; else resident.
    """
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.AccessDenied, AttributeError):
            total += resident_memory(process.pid)
        except psutil.NoSuchProcess:
            continue
    return total


def resident_memory(pid: int) -> int:
    """Bytes of resident memory of one process; 0 if it does not exist."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
