"""What the stages of a storm run in: a proxy before the broker, small disks, odd clocks."""

import asyncio
import errno
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hookline.local.process import free_port
from hookline.local.servers.kafka import Kafka
from hookline.local.servers.postgres import Postgres
from hookline.local.servers.server import Server
from tests.conftest import prepare
from tests.faults.proxy import Proxy
from tests.faults.storm import Storm
from tests.faults.strikes import LATE

MIB = 1 << 20
KAFKA_DISK, POSTGRES_DISK = 640 * MIB, 2048 * MIB
"""Room for what 100,000 deliveries leave, and no more than memory has."""
FULL = 8.0
"""Seconds for which a disk stays full."""
AHEAD = 300
"""Seconds by which an ingress's clock is wrong."""


def clock(seconds: int) -> tuple[str, ...]:
    """The interpreter's arguments for an ingress whose clock is ahead."""
    shift = (
        f"import sys, time; ns = time.time_ns; at = time.time;"
        f" time.time_ns = lambda: ns() + {seconds} * 10**9;"
        f" time.time = lambda: at() + {seconds};"
        " sys.argv = ['hookline', 'ingest']; from hookline.cli import main; main()"
    )
    return ("-c", shift)


@asynccontextmanager
async def behind_proxy(storm: Storm) -> AsyncIterator[None]:
    """Every client of the stages reaches the broker through a proxy: ``storm.proxy``."""
    broker = storm.stack.kafka
    storm.proxy = Proxy(broker.behind_port, seed=storm.chance.randrange(2**32))
    storm.staged = replace(storm.settings, brokers=f"127.0.0.1:{broker.proxy_port}")
    async with storm.proxy.listening(broker.proxy_port):
        yield


@asynccontextmanager
async def kafka_on_small_disk(storm: Storm) -> AsyncIterator[None]:
    """A broker of the storm's own on a small disk: ``storm.disk``, ``storm.server``."""
    with small_disk(storm.directory / "disk", KAFKA_DISK) as disk:
        kafka = Kafka(disk / "kafka", free_port(), storm.directory / "logs")
        await asyncio.to_thread(kafka.start)
        try:
            storm.use(kafka, disk, brokers=kafka.brokers)
            await asyncio.to_thread(prepare, storm.settings)
            yield
        finally:
            await asyncio.to_thread(storm.stack.kill, kafka)


@asynccontextmanager
async def postgres_on_small_disk(storm: Storm) -> AsyncIterator[None]:
    """A database of the storm's own on a small disk: ``storm.disk``, ``storm.server``."""
    with small_disk(storm.directory / "disk", POSTGRES_DISK) as disk:
        disk.chmod(0o755)
        postgres = Postgres(disk / "postgres", free_port(), storm.directory / "logs")
        await asyncio.to_thread(postgres.start)
        try:
            storm.use(postgres, disk, database_url=postgres.url)
            await asyncio.to_thread(prepare, storm.settings)
            yield
        finally:
            await asyncio.to_thread(postgres.stop)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A file system of ``size`` bytes in memory. Skips where this account may not mount."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "hookline-test", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a disk that runs full needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; delete the file to free it."""
    filler = disk / "filler"
    block = bytes(MIB)
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return filler


async def disk_full(storm: Storm) -> None:
    """The disk of ``storm.server`` full for a while; then room, and whatever fell starts."""
    disk, server = storm.disk, storm.server
    assert disk is not None
    assert isinstance(server, Server)
    await storm.accepted(LATE)
    filler = await asyncio.to_thread(fill, disk)
    await asyncio.sleep(FULL)
    filler.unlink()
    await asyncio.sleep(1)
    await asyncio.to_thread(server.start)


async def spoilt_requests(storm: Storm) -> None:
    """A fifth of all produce requests spoilt, for a while."""
    proxy = storm.proxy
    assert proxy is not None
    await storm.accepted(LATE)
    proxy.rate = 0.2
    await asyncio.sleep(20 * storm.scale)
    proxy.rate = 0.0
