"""``hookline doctor``: checks of this machine and the stack, with advice."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from aiokafka.errors import KafkaError

from hookline.console.errors import CommandError, error_message
from hookline.local.folder import Folder, find_shops
from hookline.local.servers import fetch, java, postgres
from hookline.local.servers.server import LocalError
from processors.index.sorted_run import ROW_BYTES
from runtime.kafka import log_reader
from runtime.settings import Settings, SettingsError
from schemas import shops
from schemas.topics import WEBHOOKS

_MIN_FREE_BYTES = 2_000_000_000
_MIN_POSTGRES = 140000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``level``: ``ok``, ``note`` (worth knowing) or ``wrong``.

    The message of what is wrong also advises what to do.
    """

    subject: str
    level: str
    message: str


def machine(data: Path, shops_given: Path | None) -> Iterator[Finding]:
    """Check what ``hookline up`` needs on this machine."""
    yield _checked("java", lambda: str(java.java()))
    yield _checked("postgresql", lambda: str(postgres.binaries()))
    for part in fetch.PARTS:
        if part.is_cached:
            yield Finding("cache", "ok", f"{part.title} in {part.path}")
        else:
            message = f"{part.title} is not in {fetch.cache_dir()}: `hookline up` downloads it once"
            yield Finding("cache", "note", message)
    yield from _disk_space(data)
    yield _checked("shops", lambda: _shops(shops_given))


def _checked(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, "ok", check())
    except (LocalError, shops.ShopsError, SettingsError) as error:
        return Finding(subject, "wrong", str(error))


def _shops(given: Path | None) -> str:
    path = find_shops(given)
    if not (count := len(shops.load(path))):
        raise LocalError(f"{path} lists no shop: add one with `hookline shops add`")
    return f"{count} shops in {path}"


def _disk_space(data: Path) -> Iterator[Finding]:
    for subject, folder in (("disk of the data", data), ("disk of the cache", fetch.cache_dir())):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        message = f"{free / 1e9:.1f} GB free at {existing}"
        if free < _MIN_FREE_BYTES:
            needed = f"{_MIN_FREE_BYTES / 1e9:.0f} GB are needed"
            yield Finding(subject, "wrong", f"{message}: free some space, {needed}")
        else:
            yield Finding(subject, "ok", message)


def processes(data: Path) -> Iterator[Finding]:
    """Check the processes of a data folder."""
    folder = Folder(data)
    run = folder.read()
    if run is None:
        yield Finding(
            "stack", "note", f"nothing runs in {folder.path}: start it with `hookline up`"
        )
        return
    for process in run["processes"]:
        if process["is_looping"]:
            message = f"crashes on start (last exit: {process['last_exit']}): see {process['log']}"
            yield Finding(process["name"], "wrong", message)
        elif not process["is_running"]:
            message = f"is down, about to be restarted: see {process['log']}"
            yield Finding(process["name"], "wrong", message)
        else:
            yield Finding(process["name"], "ok", f"process {process['pid']}")


def services(settings: Settings) -> Iterator[Finding]:
    """Check what the stages depend on: topics, brokers, registry, tables."""
    yield from _topics(settings)
    yield from _contact_key(settings)
    yield from _index(settings)
    yield from _registry(settings)
    yield from _database(settings)


def _topics(settings: Settings) -> Iterator[Finding]:
    from runtime.kafka import topics_admin

    try:
        asyncio.run(topics_admin.check_topics(settings))
    except topics_admin.TopicsError as error:
        for problem in error.problems:
            yield Finding("topics", "wrong", problem)
    except (KafkaError, OSError) as error:
        yield Finding("kafka", "wrong", error_message(error) or str(error))
        return
    else:
        yield from _topic_settings(settings)
    try:
        problems = asyncio.run(topics_admin.advice(settings))
    except (KafkaError, topics_admin.TopicsError) as error:
        yield Finding("brokers", "note", f"their settings cannot be read: {error}")
        return
    for problem in problems:
        yield Finding("brokers", "wrong", problem)
    if not problems:
        message = "keep acknowledged records"
        if settings.replication_factor == 1:
            message = "one copy of everything, as HOOKLINE_REPLICATION_FACTOR=1 asks"
        yield Finding("brokers", "ok", message)


def _topic_settings(settings: Settings) -> Iterator[Finding]:
    """Name each setting of a topic that somebody changed; none of them stops a stage."""
    from runtime.kafka import declared_settings

    differences = asyncio.run(declared_settings.find_differences(settings))
    for difference in differences:
        yield Finding("topics", "wrong", f"{difference}: run `hookline topics configure`")
    if not differences:
        yield Finding("topics", "ok", f"exist as declared at {settings.brokers}")


def _contact_key(settings: Settings) -> Iterator[Finding]:
    """Compare our key of e-mail hashes with the log's; processors of another one do not start."""
    from runtime import contact_key

    subject = "contact key"
    try:
        found = asyncio.run(contact_key.recorded(settings))
    except (KafkaError, OSError) as error:
        yield Finding(subject, "note", f"its fingerprint cannot be read: {error}")
        return
    if not settings.contact_key:
        message = f"the log's has the fingerprint {found}" if found else "none is recorded yet"
        yield Finding(subject, "note", f"HOOKLINE_CONTACT_KEY is not set here; {message}")
        return
    try:
        settings.require_contact_key()
        if found is not None:
            contact_key.check(settings.contact_key, found)
    except (SettingsError, contact_key.AnotherKeyError) as error:
        yield Finding(subject, "wrong", str(error))
        return
    ours = contact_key.fingerprint(settings.contact_key)
    recorded = "the log's" if found else "recorded when the first processor starts"
    yield Finding(subject, "ok", f"fingerprint {ours}, {recorded}")


def _index(settings: Settings) -> Iterator[Finding]:
    try:
        all_shops = shops.load(Path(settings.shops_file)).values()
        window_s = max((shop.window for shop in all_shops), default=0)
        size = asyncio.run(_index_size(settings, window_s))
    except (shops.ShopsError, KafkaError, CommandError) as error:
        yield Finding("dedupe index", "note", f"size unknown: {error}")
    else:
        yield Finding("dedupe index", "ok", str(size))


@dataclass(frozen=True, slots=True)
class IndexSize:
    """Memory of the dedupe indexes: rate x window x bytes a delivery.

    ``rate``: deliveries a second over the last hour; ``window_s``: dedupe window, seconds.
    """

    rate: float
    window_s: int
    partitions: int

    @property
    def nbytes(self) -> int:
        """Bytes in all processors together after a whole window at this rate."""
        return int(self.rate * self.window_s * ROW_BYTES)

    def __str__(self) -> str:
        return (
            f"{self.rate:.1f} deliveries/s in the last hour x {self.window_s / 3600:g} h window x"
            f" {ROW_BYTES} bytes = {self.nbytes / 1e6:,.1f} MB in all processors together,"
            f" {self.nbytes / 1e6 / self.partitions:,.1f} MB a partition"
        )


async def _index_size(settings: Settings, window_s: int) -> IndexSize:
    """Measure the rate of the raw topic in the last hour. Raises CommandError, KafkaError."""
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[WEBHOOKS]
        hour_ago = int(time.time() * 1000) - _HOUR_MS
        since = await log_reader.offsets_since(client, partitions, hour_ago)
        ends = await log_reader.end_offsets(client, partitions)
    count = sum(ends[tp] - since[tp] for tp in partitions)
    return IndexSize(count / (_HOUR_MS / 1000), window_s, len(partitions))


def _registry(settings: Settings) -> Iterator[Finding]:
    from runtime.registry import schema_ids
    from runtime.registry.client import RegistryError

    try:
        ids = asyncio.run(schema_ids.look_up(settings))
    except RegistryError as error:
        yield Finding("registry", "wrong", str(error))
    else:
        message = f"{len(ids.current)} schemas at {settings.registry_url}"
        yield Finding("registry", "ok", message)


def _database(settings: Settings) -> Iterator[Finding]:
    from sinks.postgres.migrate import UnmigratedError, check_migrated

    try:
        with psycopg.connect(settings.database_url, connect_timeout=3) as connection:
            version = connection.info.server_version
        if version < _MIN_POSTGRES:
            message = f"PostgreSQL {version // 10000} is too old: use 14 or newer"
            yield Finding("database", "wrong", message)
        check_migrated(settings)
    except psycopg.Error as error:
        message = f"{str(error).strip().splitlines()[0]}: is HOOKLINE_DATABASE_URL right?"
        yield Finding("database", "wrong", message)
    except UnmigratedError as error:
        yield Finding("database", "wrong", str(error))
    else:
        yield Finding("database", "ok", f"PostgreSQL {version // 10000}, tables of this version")
