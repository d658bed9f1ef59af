"""The stack on which set-ups are broken."""

import asyncio
import os
import signal
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hookline.local.folder import Folder
from hookline.local.process import wait_until
from hookline.local.stack import NAMES
from hookline.stack_address import find_stack
from runtime.settings import Settings
from tests import senders
from tests.raw import Raw, append


@dataclass
class Target:
    """The stack of a run. ``shops`` is its shops file."""

    data: Path
    shops: Path
    environment: dict[str, str]
    sent: int = 0

    @cached_property
    def settings(self) -> Settings:
        return find_stack(self.data, {}).settings

    @property
    def run(self) -> dict[str, Any]:
        run = Folder(self.data).read()
        assert run is not None, "the stack is not up"
        return run

    @property
    def stages(self) -> int:
        return len(self.run["ports"].keys() - set(NAMES))

    def pid(self, name: str) -> int:
        [pid] = [each["pid"] for each in self.run["processes"] if each["name"] == name]
        return int(pid)

    def signal(self, name: str, number: int) -> None:
        os.kill(self.pid(name), number)

    def restart(self, *names: str) -> None:
        """Kill processes and wait until the supervisor has started them again."""
        before = {name: self.pid(name) for name in names}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(self.pid(name) != pid for name, pid in before.items()), 20)

    def append(self, count: int, shop: str = senders.SHOP) -> None:
        """Append deliveries as the ingress does."""
        raws = [
            Raw("run-free", shop, f"order:{order.number}", order.body)
            for order in senders.orders(self.sent + 1, count)
        ]
        self.sent += count
        asyncio.run(append(self.settings, raws))
