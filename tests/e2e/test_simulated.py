"""Simulated shops on a stack whose workers are killed: every row is the one of the known truth.

The short form is tests/integration/history/test_simulate.py.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hookline.local.folder import Folder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
STAGES = ("process", "sink", "ingest")
FAULTS = (
    *("--duplicates", "0.2", "--reorder", "0.1", "--late", "0.05", "--lost-answers", "0.02"),
    *("--malformed", "0.01", "--clock-skew", "5s"),
)


def hookline(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the stack of a folder, in a shell that knows of no other."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HOOKLINE_") or name == "HOOKLINE_CACHE"
    }
    return subprocess.run(
        [sys.executable, "-m", "hookline", *arguments, "--data", str(data)],
        env=kept, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The folder of a stack with two processors; it is stopped afterwards."""
    started = hookline(tmp_path, "up", "--detach", "--workers", "2")
    try:
        assert started.returncode == 0, started.stderr
        yield tmp_path
    finally:
        Folder(tmp_path).stop()


def workers(data: Path) -> dict[str, list[int]]:
    """The process ids of each stage's workers that are up."""
    found: dict[str, list[int]] = {}
    for each in json.loads(hookline(data, "status", "--json").stdout)["processes"]:
        if each["state"] == "up":
            found.setdefault(each["name"].partition("-")[0], []).append(each["pid"])
    return found


@contextmanager
def kills(data: Path, seconds: float) -> Iterator[list[str]]:
    """Kill a worker every so many seconds, of each stage in turn; yields those that were."""
    killed: list[str] = []
    ended = threading.Event()

    def work() -> None:
        for stage in itertools.cycle(STAGES):
            if ended.wait(seconds):
                return
            for pid in workers(data).get(stage, ())[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(stage)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def simulated(data: Path, seed: int, rate: int, length: str, every: float) -> dict[str, Any]:
    """What ``hookline simulate --verify`` found, with a worker killed every so often meanwhile."""
    with kills(data, every) as killed:
        ended = hookline(
            data, "simulate", "--verify", "--json", *FAULTS,
            *("--seed", str(seed), "--rate", str(rate), "--for", length),
        )  # fmt: skip
    assert ended.stdout, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    summary = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    print(f"seed {seed}, killed {len(killed)}: {summary}")
    assert len(killed) >= 3
    return found


def assert_equal(found: dict[str, Any]) -> None:
    assert "verified" in found, "the tables did not come to rest"
    verified = found["verified"]
    assert verified["differences"] == 0, json.dumps(verified["first"], indent=1)
    assert verified["undecided"] == {}
    assert found["unsettled"] == 0
    assert found["refused"] == 0
    assert all(verified["rows"].values()), verified["rows"]


@pytest.mark.skipif(
    "LONG" not in os.environ, reason="five seeds, 500 a second for ten minutes each: LONG=1"
)
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_every_row_is_the_truths_at_500_a_second_for_ten_minutes(data: Path, seed: int) -> None:
    assert_equal(simulated(data, seed=seed, rate=500, length="10m", every=10))
