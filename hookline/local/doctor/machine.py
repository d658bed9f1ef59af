"""Checks of this machine, and of the processes of ``hookline up``."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hookline.local.doctor.finding import Finding
from hookline.local.folder import Folder, find_shops
from hookline.local.process import tail
from hookline.local.servers import fetch, java, postgres
from hookline.local.servers.server import LocalError
from hookline.local.up import health_url, readiness
from runtime.process.private_files import create_folder
from runtime.settings import Settings, SettingsError
from schemas import shops

_MIN_FREE_BYTES = 2_000_000_000
_LOG_LINES = 200
_PROBE_BYTES = 64 * 1024
"""Written to the state folder: more than a nearly full disk takes."""


def machine(data: Path, shops_given: Path | None) -> Iterator[Finding]:
    """Check what ``hookline up`` needs on this machine."""
    yield _checked("java", lambda: str(java.java()))
    yield _checked("postgresql", lambda: str(postgres.binaries()))
    for part in fetch.PARTS:
        if part.is_cached and (why := fetch.problem(part, part.path)) is not None:
            yield Finding("cache", "wrong", why)
        elif part.is_cached:
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
    """Check the processes of a data folder, and what each stage waits for."""
    folder = Folder(data)
    run = folder.read()
    if run is None:
        yield Finding(
            "stack", "note", f"nothing runs in {folder.path}: start it with `hookline up`"
        )
        return
    for process in run["processes"]:
        name = process["name"]
        if process["is_looping"]:
            why = last_reason(Path(process["log"]))
            message = f"crashes on start (last exit: {process['last_exit']}){why}: see"
            yield Finding(name, "wrong", f"{message} {process['log']}")
        elif not process["is_running"]:
            message = f"is down, about to be restarted: see {process['log']}"
            yield Finding(name, "wrong", message)
        else:
            yield from process_findings(name, process["pid"], health_url(name, run["ports"]))


def last_reason(log: Path) -> str:
    """Return the newest reason that a stage logged for its exit, after a comma; else nothing."""
    for line in reversed(tail(log, _LOG_LINES).splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") == "critical":
            why = entry.get("why") or entry.get("error") or entry.get("exception") or ""
            # Of a traceback the last line names the error.
            *_, sentence = str(why).strip().splitlines() or [entry.get("event", "")]
            return f", {sentence}"
    return ""


def process_findings(name: str, pid: int, url: str | None) -> Iterator[Finding]:
    """Check a process that runs; ``url``: its /readyz, None for a server."""
    answer = readiness(url) if url is not None else None
    if answer is not None and not answer.is_ready:
        yield Finding(name, "wrong", f"process {pid} is not ready: {answer.waits_for}")
    else:
        yield Finding(name, "ok", f"process {pid}")
    if answer is not None:
        for text in answer.warnings:
            yield Finding(name, "note", text)


def state_folder(settings: Settings) -> Finding:
    """Write to the folder of the caches, as a processor does."""
    subject, path = "state folder", Path(settings.state_dir)
    try:
        create_folder(path)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        why = error.strerror or str(error)
        return Finding(
            subject,
            "wrong",
            f"{path} takes no files ({why}): free some space or set HOOKLINE_STATE_DIR. It is a"
            " cache: workers go on without it, and read the topics again when they start",
        )
    return Finding(subject, "ok", f"{path}, {shutil.disk_usage(path).free / 1e9:.1f} GB free")
