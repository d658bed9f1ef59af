"""The three servers together, in one folder."""

import json
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import psutil

from hookline.local.process import free_port, is_free
from hookline.local.servers import fetch
from hookline.local.servers.kafka import Kafka
from hookline.local.servers.postgres import Postgres
from hookline.local.servers.registry import Registry
from hookline.local.servers.server import LocalError, Server

NAMES = ("kafka", "registry", "postgres")


def choose_ports(directory: Path, given: dict[str, int]) -> dict[str, int]:
    """A port for each of ``given``: as given, else as last time, else a free one.

    0 stands for not given. Raises LocalError where a given one is taken.
    """
    path = directory / "ports.json"
    last: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    chosen: dict[str, int] = {}
    for name, wanted in given.items():
        if wanted and not is_free(wanted):
            raise LocalError(
                f"port {wanted} for {name} is taken: choose another, or leave it out for a free one"
            )
        port = wanted or last.get(name, 0)
        while not port or not is_free(port) or port in chosen.values():
            port = free_port()
        chosen[name] = port
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**last, **chosen}))
    return chosen


class Stack:
    """Kafka, registry and PostgreSQL under ``directory``, on the ports given by name."""

    def __init__(self, directory: Path, ports: dict[str, int]) -> None:
        self.directory = directory.resolve()
        logs = self.directory / "logs"
        self.kafka = Kafka(self.directory / "kafka", ports["kafka"], logs)
        self.registry = Registry(self.directory / "registry", ports["registry"], logs)
        self.postgres = Postgres(self.directory / "postgres", ports["postgres"], logs)
        self.servers: tuple[Server, ...] = (self.kafka, self.registry, self.postgres)

    def start(self) -> float:
        """Start what does not run, all at once; the seconds until all answer.

        What is missing is fetched first. Raises LocalError; then none is left running.
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
                self.stop()  # the others stop waiting, so that the threads end
                raise
        return time.monotonic() - began

    def stop(self) -> None:
        """End all in order, at the same time."""
        with ThreadPoolExecutor(len(self.servers)) as threads:
            list(threads.map(lambda server: server.stop(), self.servers))

    def memory(self) -> int:
        """Bytes of memory that the running servers hold."""
        pids = (server.child.pid for server in self.servers if server.child)
        return sum(memory(pid) for pid in pids if pid is not None)


def memory(pid: int) -> int:
    """Bytes held by a process and its children; 0 if it is gone.

    Proportional (PSS), since PostgreSQL's processes share their buffers, else resident.
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
            total += _resident(process)
        except psutil.NoSuchProcess:
            continue
    return total


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
