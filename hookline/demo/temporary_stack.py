"""A whole stack as a child process, for as long as a block runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from hookline.errors import CommandError
from hookline.local.folder import Folder
from hookline.local.process import TETHER
from hookline.local.up import health_url, is_ready
from hookline.stack_address import Place, find

START_TIMEOUT = 600.0
"""Seconds: the first start downloads."""
STOP_TIMEOUT = 60.0


@contextmanager
def running(data: Path) -> Iterator[tuple[psutil.Process, Place]]:
    """``hookline up`` in ``data`` with the example's shops; stopped, in order, at the end.

    Settings of the environment are left out. Raises CommandError where it does not start, or
    does not stop.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")
    }
    environment["HOOKLINE_SENDER_GRACE"] = "0"
    # It must not outlive us, and stops its own children when it is told to end.
    tether = ["-I", "-S", str(TETHER), str(int(signal.SIGTERM)), str(os.getpid()), "-"]
    up = ["-P", "-m", "hookline", "up", "--data", str(data), "--shops", str(example_shops())]
    child = subprocess.Popen(
        [sys.executable, *tether, sys.executable, *up],
        env=environment,
        start_new_session=True,  # a terminal's Ctrl-C reaches it through us
    )
    try:
        _wait_ready(child, data)
        yield psutil.Process(child.pid), find(data)
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            child.kill()
            child.wait()
            raise CommandError(f"the stack did not stop within {STOP_TIMEOUT:.0f} s") from error


def example_shops() -> Path:
    """The smallest shops file that works. Raises CommandError where it was not installed."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "shops.example.toml", package.parent / "shops.example.toml"):
        if place.is_file():
            return place
    raise CommandError("shops.example.toml is not installed: get the whole repository")


def _wait_ready(child: "subprocess.Popen[bytes]", data: Path) -> None:
    """Wait until every stage says that it is ready."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise CommandError("the stack did not start; what it said stands above")
        said = Folder(data).read()
        if said is not None:
            urls = [health_url(name, said["ports"]) for name in said["ports"]]
            if all(is_ready(url)[0] for url in urls if url is not None):
                return
        time.sleep(0.2)
    raise CommandError(f"the stack was not ready within {START_TIMEOUT:.0f} s")
