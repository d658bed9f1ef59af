"""README's commands, in the order of the page, on a stack of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.local.folder import Folder
from tests import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(290)]

README = (ROOT / "README.md").read_text()
TRY, READ = (
    [line.partition("  #")[0].strip() for line in block.splitlines()]
    for block in re.findall(r"```sh\n((?:export|hookline) .*?)```", README, re.DOTALL)
)
ENDLESS = ("--watch", "topics tail")
"""What goes on until Ctrl-C."""


class Shell:
    """A shell in an empty folder, with this environment's `hookline` first in PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first_screen = ""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
        if "HOOKLINE_CACHE" in os.environ:
            kept["HOOKLINE_CACHE"] = os.environ["HOOKLINE_CACHE"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**kept, "PATH": path}

    def run(self, command: str) -> str:
        """What a command prints. An endless one is interrupted after its first line."""
        is_endless = any(part in command for part in ENDLESS)
        with subprocess.Popen(
            ["bash", "--norc", "-c", f"exec {command}" if is_endless else command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                first = process.stdout.readline() if is_endless else ""
                if first:
                    process.send_signal(signal.SIGINT)
                printed, messages = process.communicate(timeout=240)
            finally:
                process.kill()
        expected = {130} if is_endless else {0}
        assert process.returncode in expected, f"{command}: {first}{printed}{messages}"
        assert "Traceback" not in messages
        return first + printed


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in which the commands of "Try it" have run."""
    folder = tmp_path_factory.mktemp("readme")
    ready = Shell(folder)
    order = json.loads((ROOT / "tests/examples/spiffy/orders-paid.json").read_text())
    (folder / "orders.jsonl").write_text(json.dumps(order) + "\n")
    try:
        for command in TRY:
            if command.startswith("hookline simulate"):
                wait_for_recovery(ready)
                ready.first_screen = ready.run("hookline tables")
            ready.run(command)
        yield ready
    finally:
        Folder(folder / ".hookline").stop()


def wait_for_recovery(shell: Shell) -> None:
    deadline = time.monotonic() + 60
    while cart(shell)["status"] != "RECOVERED":
        assert time.monotonic() < deadline, cart(shell)


def cart(shell: Shell) -> dict[str, str]:
    rows = json.loads(shell.run("hookline tables carts --json"))
    return next((row for row in rows if row["native_cart_id"] == "1"), {"status": "none yet"})


@pytest.mark.parametrize("command", READ)
def test_a_command_of_the_page_works_after_its_sends(shell: Shell, command: str) -> None:
    assert shell.run(command).strip()


def test_the_row_that_the_page_explains_is_explained(shell: Shell) -> None:
    [why] = [command for command in READ if command.startswith("hookline why")]
    told = shell.run(why)
    for part in ("run-free/lakeside/cart:1", "448726", "RECOVERED"):
        assert part in told


def test_the_tables_of_the_first_screen_have_the_columns_that_are_shown(shell: Shell) -> None:
    shown = [line.split() for line in shell.first_screen.splitlines()]
    pictured = README[README.index("$ hookline tables") : README.index("$ hookline audit")]
    headings = [line.split() for line in pictured.splitlines() if "currency" in line]
    assert len(headings) == 2
    for heading in headings:
        assert heading in shown
