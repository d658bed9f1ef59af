"""Workers beside those of `hookline up` are found by their command line and environment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.local.added_workers import find, stage_of
from hookline.local.process import wait_until

BROKERS = "127.0.0.1:9"
PREFIX = f"t{os.getpid()}_"


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        (["/venv/bin/python", "/venv/bin/hookline", "process"], "process"),
        (["python3", "-P", "-m", "hookline", "sink"], "sink"),
        (["hookline", "ingest", "--workers", "4"], "ingest"),
        (["python3", "-m", "hookline", "up", "--data", "process"], None),
        (["grep", "-r", "process", "hookline"], None),
        (["hookline"], None),
        ([], None),
    ],
)
def test_a_stage_is_known_by_its_command(command: list[str], stage: str | None) -> None:
    assert stage_of(command) == stage


SLEEPER = """
import subprocess, sys, time
if "--workers" in sys.argv:
    with subprocess.Popen([sys.executable, __file__, "process"]) as child:
        sys.stdin.read()
        child.kill()
else:
    time.sleep(60)
"""
"""Looks like `hookline process`, and only sleeps; with --workers it starts one and waits."""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "hookline"
    path.write_text(SLEEPER)
    return path


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "HOOKLINE_BROKERS": "localhost:9", "HOOKLINE_PREFIX": PREFIX}


@pytest.fixture
def worker(script: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, str(script), "process"], env=environment) as process:
        yield process
        process.kill()


def test_of_a_process_that_starts_workers_only_these_are_listed(
    script: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, str(script), "ingest", "--workers", "1"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as parent:
        try:
            assert wait_until(
                lambda: [w.stage for w in find(BROKERS, PREFIX, ())] == ["process"], 20
            )
            [child] = find(BROKERS, PREFIX, ())
            assert child.pid != parent.pid
        finally:
            parent.communicate()


def test_a_worker_of_this_stack_is_found_and_no_other(worker: subprocess.Popen[bytes]) -> None:
    assert wait_until(lambda: find(BROKERS, PREFIX, ()), 10)
    [found] = find(BROKERS, PREFIX, ())
    assert (found.stage, found.pid, list(found.ports)) == ("process", worker.pid, [])
    assert find(BROKERS, "", ()) == []
    assert find("127.0.0.1:10", PREFIX, ()) == []
    assert find(BROKERS, PREFIX, {worker.pid}) == []
