"""``hookline doctor``: what is missing, what is wrong, what to do."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from aiokafka.errors import KafkaError

from hookline.errors import CommandError
from hookline.local.folder import Folder, find_shops
from hookline.local.servers import fetch, java, postgres
from hookline.local.servers.server import LocalError
from runtime.settings import Settings, SettingsError
from schemas import shops

_ROOM = 2_000_000_000
_OLDEST = 140000


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: ``level`` is ``ok``, ``note`` (worth knowing) or ``wrong``.

    ``words`` say what was found, and for what is wrong also what to do.
    """

    subject: str
    level: str
    words: str


def machine(data: Path, shops_given: Path | None) -> Iterator[Finding]:
    """What ``hookline up`` needs of this machine."""
    yield _tried("java", lambda: str(java.java()))
    yield _tried("postgresql", lambda: str(postgres.binaries()))
    for part in fetch.PARTS:
        if part.is_here:
            yield Finding("cache", "ok", f"{part.title} in {part.path}")
        else:
            words = f"{part.title} is not in {fetch.cache_dir()}: `hookline up` fetches it once"
            yield Finding("cache", "note", words)
    yield from _room(data)
    yield _tried("shops", lambda: _shops(shops_given))


def _tried(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, "ok", look())
    except (LocalError, shops.ShopsError, SettingsError) as error:
        return Finding(subject, "wrong", str(error))


def _shops(given: Path | None) -> str:
    path = find_shops(given)
    return f"{len(shops.load(path))} shops in {path}"


def _room(data: Path) -> Iterator[Finding]:
    for subject, folder in (("disk of the data", data), ("disk of the cache", fetch.cache_dir())):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        words = f"{free / 1e9:.1f} GB free at {existing}"
        if free < _ROOM:
            yield Finding(subject, "wrong", f"{words}: make room, {_ROOM / 1e9:.0f} GB are needed")
        else:
            yield Finding(subject, "ok", words)


def processes(data: Path) -> Iterator[Finding]:
    """What runs in a data folder, and whether it is well."""
    folder = Folder(data)
    said = folder.read()
    if said is None:
        yield Finding(
            "stack", "note", f"nothing runs in {folder.path}: start it with `hookline up`"
        )
        return
    for process in said["processes"]:
        if process["is_looping"]:
            words = f"ends as soon as it starts (last with {process['last_exit']}): see "
            yield Finding(process["name"], "wrong", words + process["log"])
        elif not process["is_running"]:
            words = f"is down, a restart is due: see {process['log']}"
            yield Finding(process["name"], "wrong", words)
        else:
            yield Finding(process["name"], "ok", f"process {process['pid']}")


def services(settings: Settings) -> Iterator[Finding]:
    """What the stages stand on: topics, registry, tables."""
    yield from _topics(settings)
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
        words = f"no broker answers at {settings.brokers} ({error}): is HOOKLINE_BROKERS right?"
        yield Finding("kafka", "wrong", words)
        return
    else:
        yield Finding("topics", "ok", f"stand as declared at {settings.brokers}")
    try:
        lacking = asyncio.run(topics_admin.advice(settings))
    except (KafkaError, topics_admin.TopicsError) as error:
        yield Finding("brokers", "note", f"do not tell their settings: {error}")
        return
    for words in lacking:
        yield Finding("brokers", "wrong", words)
    if not lacking:
        words = "keep what is acknowledged"
        if settings.replication_factor == 1:
            words = "one copy of everything, as HOOKLINE_REPLICATION_FACTOR=1 asks"
        yield Finding("brokers", "ok", words)


def _index(settings: Settings) -> Iterator[Finding]:
    from hookline.local import index_size

    try:
        known = shops.load(Path(settings.shops_file)).values()
        window_s = max((shop.window for shop in known), default=0)
        size = asyncio.run(index_size.measure(settings, window_s))
    except (shops.ShopsError, KafkaError, CommandError) as error:
        yield Finding("dedupe index", "note", f"its size is not known: {error}")
    else:
        yield Finding("dedupe index", "ok", str(size))


def _registry(settings: Settings) -> Iterator[Finding]:
    from runtime import registry

    try:
        ids = asyncio.run(registry.look_up(settings))
    except registry.RegistryError as error:
        yield Finding("registry", "wrong", str(error))
    else:
        words = f"{len(ids.current)} schemas at {settings.registry_url}"
        yield Finding("registry", "ok", words)


def _database(settings: Settings) -> Iterator[Finding]:
    from sinks.postgres.migrate import UnmigratedError, check_migrated

    try:
        with psycopg.connect(settings.database_url, connect_timeout=3) as connection:
            version = connection.info.server_version
        if version < _OLDEST:
            words = f"PostgreSQL {version // 10000} is too old: use 14 or newer"
            yield Finding("database", "wrong", words)
        check_migrated(settings)
    except psycopg.Error as error:
        words = f"{str(error).strip().splitlines()[0]}: is HOOKLINE_DATABASE_URL right?"
        yield Finding("database", "wrong", words)
    except UnmigratedError as error:
        yield Finding("database", "wrong", str(error))
    else:
        yield Finding("database", "ok", f"PostgreSQL {version // 10000}, tables of this version")
