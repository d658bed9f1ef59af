"""The data folder of one local stack: who runs in it, with what settings."""

import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hookline.local.servers.server import LocalError
from hookline.local.stack import Stack
from runtime.settings import Settings, from_env

EXAMPLE_SHOPS = "shops.example.toml"
_STOPPING = 60.0
_LOCAL: dict[str, Any] = {"partitions": 4, "replication_factor": 1, "sender_grace": 0.0}
"""What one machine has otherwise than production, unless the environment says."""
_SERVERS = ("BROKERS", "SECURITY_PROTOCOL", "SASL_", "SSL_", "REGISTRY_", "DATABASE_", "SHOPS_")
"""Variables for servers elsewhere: not for the ones that we start."""


class Folder:
    """A data folder. ``run.json`` stands in it while its stack is up."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock = self.path / "lock"
        self._run = self.path / "run.json"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder. Raises LocalError if another process does."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LocalError(
                    f"a stack runs in {self.path} already (process {self.owner()}): see "
                    "`hookline status`, end it with `hookline down`, or choose another --data"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                self._run.unlink(missing_ok=True)
                lock.truncate(0)

    def owner(self) -> int | None:
        """The process that holds the folder, None if none does."""
        try:
            with self._lock.open("r+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(lock.read() or 0) or None
        except FileNotFoundError:
            return None
        return None

    def end(self) -> bool:
        """Stop the stack that runs here and wait for its end; False if none does."""
        owner = self.owner()
        if owner is None:
            return False
        os.kill(owner, signal.SIGTERM)
        deadline = time.monotonic() + _STOPPING
        while self.owner() == owner:
            if time.monotonic() > deadline:
                os.kill(owner, signal.SIGKILL)  # the kernel ends its children
                return True
            time.sleep(0.1)
        return True

    def write(self, said: Mapping[str, Any]) -> None:
        """Say what runs. Only the owner may read it: it holds passwords."""
        fresh = self._run.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(said, indent=1))
        fresh.replace(self._run)

    def read(self) -> dict[str, Any] | None:
        """What runs here, None if nothing does (or it is not up yet)."""
        if self.owner() is None:
            return None
        try:
            said: dict[str, Any] = json.loads(self._run.read_text())
        except FileNotFoundError:
            return None
        return said

    def contact_key(self) -> str:
        """The key of e-mail hashes: made once, since other hashes would be other people."""
        path = self.path / "contact_key"
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_hex(32))
            fresh.replace(path)
        return path.read_text()

    def settings(self, stack: Stack, shops: Path, port: int) -> Settings:
        """Settings for the stages on ``stack``; the environment's stand where they can."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.removeprefix("HOOKLINE_").startswith(_SERVERS)
        }
        local = {
            name: value for name, value in _LOCAL.items() if f"HOOKLINE_{name.upper()}" not in kept
        }
        return replace(
            from_env(kept),
            **local,
            brokers=stack.kafka.brokers,
            registry_url=stack.registry.url,
            database_url=stack.postgres.url,
            shops_file=str(shops),
            contact_key=kept.get("HOOKLINE_CONTACT_KEY") or self.contact_key(),
            state_dir=str(self.path / "state"),
            port=port,
        )


def find_shops(given: Path | None) -> Path:
    """The shops file: given, ./shops.toml, or the example. Raises LocalError for none."""
    if given is not None:
        if not given.is_file():
            raise LocalError(f"there is no file {given}: see {EXAMPLE_SHOPS} for what it holds")
        return given.resolve()
    here = Path("shops.toml")
    packaged = Path(__file__).parents[1]
    for candidate in (here, packaged / EXAMPLE_SHOPS, packaged.parent / EXAMPLE_SHOPS):
        if candidate.is_file():
            return candidate.resolve()
    raise LocalError("there is no shops.toml here: write one, or name it with --shops")
