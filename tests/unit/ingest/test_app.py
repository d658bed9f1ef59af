"""The whole ingress in one process, with a fake producer: it listens, serves and stops."""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ingest import app, publisher
from ingest.publisher import KafkaPublisher
from runtime.health import Health, Server
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from tests.batches import Batch

SHOPS = """
[[shops]]
source = "gooten"
id = "prints"
secrets = ["t0ken"]
"""
PATH = "/hooks/gooten/prints/t0ken"
SETTINGS = Settings(port=0, produce_timeout=0.1, body_timeout=0.5, ingress_heartbeat=60.0)


class Producer:
    """A producer that is away until ``arrived``, and answers while ``answers``."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.answers = True
        self.keys: list[bytes] = []
        self.stopped = 0

    async def start(self) -> None:
        await self.arrived.wait()

    async def stop(self) -> None:
        self.stopped += 1

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, _topic: str, *, partition: int) -> Any:
        assert partition == 0
        self.keys += [record["key"] for record in batch.records]
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.answers:
            future.set_result(None)
        return future


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Producer:
    made = Producer()
    monkeypatch.setattr(publisher, "new_producer", lambda _settings, **_overrides: made)
    return made


@pytest.fixture
def shops(tmp_path: Path) -> ShopBook:
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    return ShopBook(path)


@asynccontextmanager
async def served(shops: ShopBook) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """The ingress, stopped at the end of the block, where its errors are raised."""
    servers: list[Server] = []
    work = app.serve(SETTINGS, shops, KafkaPublisher(SETTINGS), Health(), servers.append)
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    await servers[0].wait_started()
    url = f"http://127.0.0.1:{servers[0].port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield servers[0], client
    servers[0].should_exit = True
    async with asyncio.timeout(20):
        await task


async def test_it_listens_before_kafka_is_reached_and_takes_deliveries_after(
    producer: Producer, shops: ShopBook
) -> None:
    async with served(shops) as (_, client):
        assert (await client.post(PATH, content=b'{"Id": 1}')).status_code == 503
        producer.arrived.set()
        await asyncio.sleep(0.1)
        assert (await client.post(PATH, content=b'{"Id": 2}')).status_code == 200
        assert (await client.get("/nowhere")).status_code == 404
    assert b"gooten/prints/order:2" in producer.keys
    assert b"gooten/prints/order:1" not in producer.keys
    assert producer.stopped == 1


async def test_a_stop_with_unacknowledged_deliveries_exits_without_a_flush(
    producer: Producer, shops: ShopBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    exits: list[str] = []
    monkeypatch.setattr(app, "exit_without_flush", exits.append)
    producer.arrived.set()
    async with served(shops) as (_, client):
        producer.answers = False
        assert (await client.post(PATH, content=b'{"Id": 3}')).status_code == 503
    assert len(exits) == 1
    assert producer.stopped == 0


async def test_a_failed_background_task_stops_the_whole_ingress(
    producer: Producer, shops: ShopBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = asyncio.Event()

    async def fail() -> None:
        await due.wait()
        raise RuntimeError("a task failed")

    monkeypatch.setattr(shops, "watch", fail)
    producer.arrived.set()
    async with served(shops) as (server, _):
        assert server.should_exit is False
        due.set()
        async with asyncio.timeout(20):
            while not server.should_exit:  # noqa: ASYNC110 - what is watched knows no event
                await asyncio.sleep(0.01)


@pytest.fixture
def own_logs() -> Iterator[None]:
    """Restores the logging that ``run`` configures for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("own_logs")
def test_it_serves_until_sigterm(
    producer: Producer, shops: ShopBook, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    before = signal.getsignal(signal.SIGHUP)

    def stop() -> None:
        for _ in range(200):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        app.run(replace(SETTINGS, port=port, shops_file=str(shops.path)))
    finally:
        stopper.join()
        signal.signal(signal.SIGHUP, before)
    assert f":{port}/hooks/" in "".join(capfd.readouterr())
    assert producer.stopped == 1


def test_idle_connections_outlive_the_pool_of_a_load_balancer_unless_a_setting_differs() -> None:
    def keep_alive(settings: Settings) -> float:
        served = SimpleNamespace(
            fast_path=None, ingress=SimpleNamespace(reads=None, addresses=None)
        )
        return app.server_of(served, settings).config.timeout_keep_alive  # type: ignore[arg-type]

    assert keep_alive(Settings()) == 75
    assert keep_alive(Settings(keep_alive=0.2)) == 1
