"""The ingress as a process of its own, as we run it but for Kafka: its publisher forgets.

``python -m tests.hostile.server SHOPS``: prints its port, serves until its input ends.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import uvloop

from ingest.app import create_app, raise_descriptor_limit, server_of
from ingest.publisher import MemoryPublisher, Record
from runtime import logs
from runtime.health import Health
from runtime.shop_book import ShopBook
from tests.hostile.house import SETTINGS, SHOPS

PACE = replace(SETTINGS, body_timeout=10.0, produce_timeout=5.0, log_format="json")


class ForgetfulPublisher(MemoryPublisher):
    """Acknowledges and keeps nothing: what the process holds is its own."""

    def send(self, record: Record) -> "asyncio.Future[Any]":
        """See Publisher."""
        acknowledged = super().send(record)
        self.records.clear()
        return acknowledged


async def serve(shops: Path) -> None:
    """Serve on a free port until the input ends."""
    logs.configure(PACE, "ingest")
    raise_descriptor_limit()
    server = server_of(create_app(PACE, ShopBook(shops), ForgetfulPublisher(), Health()), PACE)
    task = asyncio.create_task(server.serve())
    await server.wait_started()
    print(server.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = server.force_exit = True
    await task


@dataclass(frozen=True, slots=True)
class Serving:
    """A process that serves. ``rss``: bytes of memory that it holds now."""

    port: int
    process: psutil.Process

    @property
    def rss(self) -> int:
        return int(self.process.memory_info().rss)


@contextlib.asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Serving]:
    """The process, with its log in ``folder``; ended with the block."""
    shops = folder / "shops.toml"
    shops.write_text(SHOPS)
    with (folder / "ingest.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.hostile.server", str(shops),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            port = int(await child.stdout.readline())
            yield Serving(port, psutil.Process(child.pid))
        finally:
            child.stdin.close()
            try:
                async with asyncio.timeout(10):
                    await child.wait()
            except TimeoutError:
                child.send_signal(signal.SIGKILL)
                await child.wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
