"""Stages on this machine that were started beside those of `hookline up`."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import psutil

_STAGES = ("ingest", "process", "sink")


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of a stage. ``started_at`` is Unix time; it listens on ``ports``."""

    stage: str
    pid: int
    started_at: float
    ports: Sequence[int]


def find(brokers: str, prefix: str, known: Collection[int]) -> list[Worker]:
    """Find the workers of this user whose environment names these brokers and this prefix.

    ``known`` pids are left out, and processes that only start others (`ingest --workers`).
    Workers in containers and on other machines are not seen.
    """
    found = []
    parents = set()
    for process in psutil.process_iter():
        try:
            stage = stage_of(process.cmdline())
            if stage is None or process.pid in known:
                continue
            if not _is_of_stack(process.environ(), brokers, prefix):
                continue
            found.append(Worker(stage, process.pid, process.create_time(), list(_ports(process))))
            parents.add(process.ppid())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [worker for worker in found if worker.pid not in parents]


def stage_of(command: Sequence[str]) -> str | None:
    """The stage of ``hookline process`` or ``python -m hookline process``; else None."""
    for name, stage in itertools.pairwise(command):
        if PurePath(name).name == "hookline":
            return stage if stage in _STAGES else None
    return None


def _is_of_stack(environment: Mapping[str, str], brokers: str, prefix: str) -> bool:
    named = environment.get("HOOKLINE_BROKERS", "").replace("localhost", "127.0.0.1")
    return named == brokers and environment.get("HOOKLINE_PREFIX", "") == prefix


def _ports(process: psutil.Process) -> Iterator[int]:
    for connection in process.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            yield connection.laddr.port
