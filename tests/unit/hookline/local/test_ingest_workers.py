"""``hookline ingest --workers``: processes that share a port, and are kept running."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from hookline.console.errors import CommandError
from hookline.local import ingest_workers
from hookline.local.process import free_port
from ingest.http.sockets import listening
from runtime.process.own_secrets import child_environment
from runtime.settings import Settings

SHOPS = """
[[shops]]
source = "gooten"
id = "prints"
secrets = ["t0ken"]
"""
PATIENCE = 60.0


@dataclass(frozen=True)
class Running:
    """Workers on ``port``, with pages of all on ``all_pages`` and of each on ``pages``."""

    process: psutil.Process
    port: int
    all_pages: int
    pages: tuple[int, ...]

    def answers(self, number: int) -> int:
        """Webhooks that this worker has answered."""
        text = get(f"http://127.0.0.1:{self.pages[number]}/metrics")
        counts = re.findall(r"^hookline_ingress_answers_total\{.*\} (\S+)$", text, re.MULTILINE)
        return int(sum(map(float, counts)))

    def workers(self) -> set[int]:
        """Their process ids."""
        return {child.pid for child in self.process.children()}


def get(url: str) -> str:
    """The page, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return httpx.get(url, trust_env=False, timeout=5).text
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def running(folder: Path, count: int) -> Iterator[Running]:
    shops = folder / "shops.toml"
    shops.write_text(SHOPS)
    port, (first, *pages) = free_port(), consecutive(count + 1)
    settings = Settings(brokers="127.0.0.1:1", port=port, health_port=first, shops_file=str(shops))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hookline", "ingest", "--workers", str(count)],
            env=child_environment("ingest", settings),
            stdout=log,
            stderr=log,
        )
    try:
        made = Running(psutil.Process(process.pid), port, first, tuple(pages))
        for each in pages:
            get(f"http://127.0.0.1:{each}/healthz")
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, (folder / "log").read_text()


def both(port: int) -> tuple[int, set[str]]:
    """Webhooks answered, and the workers with a gauge, on the page of all of them."""
    text = get(f"http://127.0.0.1:{port}/metrics")
    counts = re.findall(r"^hookline_ingress_answers_total\{.*\} (\S+)$", text, re.MULTILINE)
    workers = re.findall(r'^hookline_build_info\{.*worker="(\d)"\} 1.0$', text, re.MULTILINE)
    return int(sum(map(float, counts))), set(workers)


def consecutive(count: int) -> tuple[int, ...]:
    """Consecutive free ports."""
    while True:
        first = free_port()
        ports = tuple(range(first, first + count))
        try:
            for port in ports:
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return ports


def test_workers_share_the_port_and_one_that_dies_comes_back(tmp_path: Path) -> None:
    with running(tmp_path, 2) as ingress:
        for _ in range(60):  # each its own connection; Kafka is away, so each is a 503
            url = f"http://127.0.0.1:{ingress.port}/hooks/gooten/prints/t0ken"
            assert httpx.post(url, content=b"{}", trust_env=False).status_code == 503
        counts = [ingress.answers(number) for number in range(2)]
        assert sum(counts) == 60
        assert min(counts) > 0
        assert both(ingress.all_pages) == (60, {"1", "2"})
        ready = httpx.get(f"http://127.0.0.1:{ingress.all_pages}/readyz", trust_env=False)
        assert (ready.status_code, set(ready.json()["waiting"])) == (503, {"worker 1", "worker 2"})
        for page in ("metrics", "readyz"):  # never on the webhooks' port
            shown = httpx.get(f"http://127.0.0.1:{ingress.port}/{page}", trust_env=False)
            assert shown.status_code == 404
        before = ingress.workers()
        assert len(before) == 2
        psutil.Process(min(before)).kill()
        deadline = time.monotonic() + PATIENCE
        while len(ingress.workers()) < 2 or min(before) in ingress.workers():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert both(ingress.all_pages)[0] == 60  # what the killed one had counted stays
        for port in (ingress.all_pages, *ingress.pages):
            assert "alive" in get(f"http://127.0.0.1:{port}/healthz")
        last = ingress.workers()
    assert not any(psutil.pid_exists(pid) for pid in last)


def test_workers_need_a_port_that_nobody_has_for_himself() -> None:
    with pytest.raises(CommandError, match="choose one"):
        ingest_workers.run(Settings(port=0), 2)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(CommandError, match="HOOKLINE_PORT"),
    ):
        ingest_workers.run(Settings(port=taken.getsockname()[1]), 2)


def test_only_who_shares_a_port_can_have_it_beside_another() -> None:
    settings = Settings(port=free_port(), share_port=True)
    first, second = listening(settings), listening(settings)
    assert first is not None
    assert second is not None
    for one in (*first, *second):
        one.close()
    assert listening(Settings()) is None


def test_pages_of_workers_stand_behind_those_of_all() -> None:
    assert [ingest_workers.health_port(Settings(health_port=9100), n) for n in (1, 2, 3)] == [
        9101, 9102, 9103
    ]  # fmt: skip
    assert ingest_workers.health_port(Settings(), 0) != ingest_workers.health_port(Settings(), 1)
