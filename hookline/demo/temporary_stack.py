"""Runs a whole stack as a child process for the duration of a block."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from hookline.console.errors import CommandError
from hookline.local.folder import EXAMPLE_SHOPS, Folder, example_shops
from hookline.local.process import TETHER, wait_until
from hookline.local.up import health_url, is_ready
from hookline.stack_address import StackAddress, find_stack

START_TIMEOUT = 600.0
"""Seconds: the first start downloads the servers."""
STOP_TIMEOUT = 60.0


@contextmanager
def running(data: Path) -> Iterator[tuple[psutil.Process, StackAddress]]:
    """Run ``hookline up`` in ``data`` with the example shops; stop it at the end.

    Ignores HOOKLINE_* variables. Raises CommandError if it does not start or stop.
    """
    shops = example_shops()
    if shops is None:
        raise CommandError(f"{EXAMPLE_SHOPS} is not installed: get the whole repository")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")
    }
    environment["HOOKLINE_SENDER_GRACE"] = "0"
    # If we are killed, it gets SIGTERM and stops its own children.
    tether = ["-I", "-S", str(TETHER), str(int(signal.SIGTERM)), str(os.getpid()), "-"]
    up = ["-P", "-m", "hookline", "up", "--data", str(data), "--shops", str(shops)]
    child = subprocess.Popen(
        [sys.executable, *tether, sys.executable, *up],
        env=environment,
        start_new_session=True,  # on Ctrl-C, we stop it
    )
    try:
        _wait_ready(child, data)
        yield psutil.Process(child.pid), find_stack(data)
    finally:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            child.kill()
            child.wait()
            raise CommandError(f"the stack did not stop within {STOP_TIMEOUT:.0f} s") from error


def _wait_ready(child: "subprocess.Popen[bytes]", data: Path) -> None:
    def all_ready() -> bool:
        if child.poll() is not None:
            raise CommandError("the stack did not start; see its output above")
        run = Folder(data).read()
        if run is None:
            return False
        urls = (health_url(name, run["ports"]) for name in run["ports"])
        return all(is_ready(url)[0] for url in urls if url is not None)

    if not wait_until(all_ready, START_TIMEOUT, every=0.2):
        raise CommandError(f"the stack was not ready within {START_TIMEOUT:.0f} s")
