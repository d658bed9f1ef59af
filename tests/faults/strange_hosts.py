"""What is wrong beside Kafka: other schema ids, a useless state folder, a shop on one host."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hookline.local.servers.registry import Registry
from runtime.registry import cached_ids
from runtime.registry.client import RegistryClient
from runtime.settings import Settings
from schemas import codec
from schemas.topics import BY_RECORD
from tests import senders
from tests.faults.deliveries import KINDS, AddedLater, shops_toml
from tests.faults.fault import QUEUE_ALERTS, Fault
from tests.faults.storm import Storm
from tests.faults.strikes import away
from tests.faults.surroundings import MIB, fill, small_disk

REFUSED = 60.0
"""Seconds within which a worker that starts beside the wrong registry refuses it."""
NEW_IDS = "the registry has new ids for our schemas"
STATE_DISK = 16 * MIB
LATE_SHOP = 10.0
"""Seconds from a shop's first delivery to its entry in the processors' file."""
ADDED_ORDERS = 400
_FIRST_ADDED = 4_000_000_000
"""Number of the first order of the added shop: a multiple of ``KINDS``, used by no other."""
INGRESS_SHOPS = "ingress-shops.toml"


async def registry_permuted(storm: Storm) -> None:
    """Workers start again beside a registry that was restored with other ids for our schemas."""
    await storm.accepted(0.4)
    await away(storm.stack.kill, storm.stack.registry)
    logs = storm.directory / "other-registry"
    other = Registry(storm.directory / "other", storm.stack.registry.port, logs)
    await away(other.start)
    try:
        await _register_in_reverse(storm.settings)
        lost = storm.pipeline.names("process")[0], storm.pipeline.names("sink")[0]
        storm.pipeline.kill(*lost)
        try:
            async with asyncio.timeout(REFUSED):
                while silent := [name for name in lost if NEW_IDS not in _log(storm, name)]:  # noqa: ASYNC110
                    await asyncio.sleep(0.5)
        except TimeoutError:
            storm.remarks.append(f"{', '.join(silent)} did not refuse a registry with other ids")
        if ready := set(lost) - (await away(storm.pipeline.unready)).keys():
            storm.remarks.append(f"{', '.join(ready)} ready beside a registry with other ids")
    finally:
        await away(storm.stack.kill, other)
        await away(storm.stack.registry.start)
    await away(storm.pipeline.wait_ready, 90)


def _log(storm: Storm, name: str) -> str:
    return (storm.pipeline.logs / f"{name}.log").read_text(errors="replace")


async def _register_in_reverse(settings: Settings) -> None:
    async with RegistryClient(settings) as client:
        for name, topic in reversed(BY_RECORD.items()):
            await client.register(topic.subject(settings.prefix), codec.schema_text(name))


@asynccontextmanager
async def state_on_small_disk(storm: Storm) -> AsyncIterator[None]:
    """A small disk for the state folders of all stages: ``storm.disk``."""
    with small_disk(storm.directory / "small-state", STATE_DISK) as disk:
        known = cached_ids.path(storm.settings)
        shutil.copy(known, disk / known.name)
        storm.disk = disk
        storm.settings = storm.staged = replace(storm.settings, state_dir=str(disk))
        yield


async def state_useless(storm: Storm) -> None:
    """The state folder full, its files garbage, then gone and read-only; all starts each time."""
    disk = storm.disk
    assert disk is not None
    await storm.accepted(0.3)
    filler = await away(fill, disk)
    await _all_again(storm)
    filler.unlink()
    await storm.accepted(0.45)
    for path in _state_files(disk, storm.settings):
        path.write_bytes(os.urandom(10_000))
    await _all_again(storm)
    await storm.accepted(0.6)
    for path in disk.iterdir():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    await away(_make_read_only, disk)
    try:
        await _all_again(storm)
        await storm.accepted(0.75)
    finally:
        await away(_make_writable, disk)
    await _all_again(storm)


def _make_read_only(disk: Path) -> None:
    """Mount it over itself: files that are open stay writable, as on a disk with an error."""
    for options in (["--bind"], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, str(disk), str(disk)], check=True)


def _make_writable(disk: Path) -> None:
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def _all_again(storm: Storm) -> None:
    """Kill all workers; return when they are ready again."""
    storm.pipeline.kill(*storm.pipeline.names("process"), *storm.pipeline.names("sink"))
    await asyncio.sleep(1.0)
    await away(storm.pipeline.wait_ready, 90)


def _state_files(disk: Path, settings: Settings) -> Iterator[Path]:
    yield cached_ids.path(settings)
    yield from (disk / f"index-{settings.prefix}{n}.cache" for n in range(settings.partitions))


@asynccontextmanager
async def own_shops_file(storm: Storm) -> AsyncIterator[None]:
    """The ingress reads a shops file of its own, as on another host."""
    file = storm.directory / INGRESS_SHOPS
    file.write_text(shops_toml())
    variables = {
        "ingest": {"HOOKLINE_SHOPS_FILE": str(file)},
        "process": {"HOOKLINE_SHOP_WAIT": str(Settings().shop_wait)},  # not that of quick tests
    }
    storm.shape = replace(storm.shape, variables=variables)
    yield


async def shop_added_on_one_host(storm: Storm) -> None:
    """A shop that the ingress knows before the processors do; its deliveries come at once."""
    await storm.accepted(0.4)
    (storm.directory / INGRESS_SHOPS).write_text(shops_toml(with_added=True))
    now = datetime.now(UTC)
    added = [AddedLater(_FIRST_ADDED + KINDS * n, now) for n in range(ADDED_ORDERS)]
    storm.wanted += added
    sending = asyncio.create_task(
        senders.send_all(storm.pipeline.urls, iter(added), senders=4, rate=40.0, sent=storm.sent)
    )
    await asyncio.sleep(LATE_SHOP)
    await away(Path(storm.settings.shops_file).write_text, shops_toml(with_added=True))
    await sending


ROWS = (
    Fault(
        46,
        "permuted-registry",
        "a registry restored with other ids, workers started beside it",
        registry_permuted,
        alerts=frozenset({"HooklineWorkersEnd"}),
        may_alert=QUEUE_ALERTS | {"HooklineNotReady"},
    ),
    Fault(
        47,
        "useless-state",
        "the state folder full, garbage, empty and read-only; workers killed each time",
        state_useless,
        around=state_on_small_disk,
        exits=0,
        alerts=frozenset({"HooklineWorkersEnd"}),
    ),
    Fault(
        48,
        "shop-on-one-host",
        "a shop added on the ingress's host 10 s before the processors'",
        shop_added_on_one_host,
        around=own_shops_file,
        exits=0,
    ),
)
