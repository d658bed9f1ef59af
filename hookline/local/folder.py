"""The data folder of a local stack: its lock, its ``run.json``, its settings."""

import fcntl
import json
import os
import re
import secrets
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hookline.local.process import wait_until
from hookline.local.servers import cluster
from hookline.local.servers.server import LocalError
from hookline.local.stack import Stack
from runtime.process.own_secrets import STAGES, own_variables
from runtime.process.private_files import (
    close_to_others,
    create_folder,
    open_private,
    write_private,
)
from runtime.settings import Settings, from_env

EXAMPLE_SHOPS = "shops.example.toml"
_STOP_TIMEOUT = 60.0
_LOCAL: dict[str, Any] = {"partitions": 4, "sender_grace": 0.0}
"""Defaults that differ from production; environment variables override them."""
_LOGINS = ("HOOKLINE_DASHBOARD_PASSWORD_HASH", "HOOKLINE_DASHBOARD_PROXY_USER_HEADER")
_SERVERS = ("BROKERS", "SECURITY_PROTOCOL", "SASL_", "SSL_", "REGISTRY_", "DATABASE_", "SHOPS_")
"""Variables of external servers, ignored for those that we start."""


_OURS = re.compile(
    r"(run|starting|ports|cluster)\.(json|new)|lock|contact_key(_before)?(\.new)?|logs|state"
    r"|shops\.toml|[a-z0-9_]*notify\.(json|new|lock)"
    r"|kafka(-\d+)?|registry|postgres|imports|dashboard-audit\.jsonl"
)
"""What a stack writes into its folder."""


class Folder:
    """A data folder.

    While its stack is up it holds ``run.json``, while it starts ``starting.json``, and in both
    cases a locked file ``lock``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock = self.path / "lock"
        self._run = self.path / "run.json"
        self._starting = self.path / "starting.json"

    def create(self) -> None:
        """Create the folder and its lock. Raises LocalError if this user cannot write there.

        Only its owner may read what is in it, also where an earlier version wrote it. A folder
        that holds other files too keeps its own mode.
        """
        try:
            create_folder(self.path)
            open_private(self._lock, "a+").close()
            ours = [path for path in self.path.iterdir() if _OURS.fullmatch(path.name)]
            is_all_ours = len(ours) == len(list(self.path.iterdir()))
            for path in [self.path] if is_all_ours else ours:
                close_to_others(path)
        except OSError as error:
            raise LocalError(
                f"{self.path} cannot hold the data: {error.strerror}; choose another --data"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder. Raises LocalError if another process has locked it."""
        self.create()
        with self._lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self.runs_already(self.owner()) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            # kill -9 leaves them behind: they would be taken for those of this start.
            self._forget_run()
            try:
                yield
            finally:
                self._forget_run()
                lock.truncate(0)

    def runs_already(self, owner: int | None) -> LocalError:
        """Return the error of a second start: where the first one's dashboard is, what stops it."""
        run = self.read()
        is_at = f"its dashboard is {run['dashboard_url']}" if run else "it is still starting"
        return LocalError(
            f"a stack already runs in {self.path} (process {owner}): {is_at}. `hookline down --data"
            f" {shlex.quote(str(self.path))}` stops it; another --data starts a second one"
        )

    def _forget_run(self) -> None:
        self._run.unlink(missing_ok=True)
        self._starting.unlink(missing_ok=True)

    def owner(self) -> int | None:
        """The process that has locked the folder, None if none has."""
        try:
            with self._lock.open("r+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(lock.read() or 0) or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise LocalError(
                f"{self.path} is another user's: run this as that user, or choose another --data"
            ) from error
        return None

    def stop(self) -> bool:
        """Stop the stack of this folder and wait until it has exited; False if none runs."""
        owner = self.owner()
        if owner is None:
            return False
        os.kill(owner, signal.SIGTERM)
        if not wait_until(lambda: self.owner() != owner, _STOP_TIMEOUT):
            os.kill(owner, signal.SIGKILL)  # the kernel then kills its children: see tether.py
        return True

    def write(self, run: Mapping[str, Any]) -> None:
        """Replace run.json: the stack is up."""
        write_private(self._run, json.dumps(run, indent=1))
        self._starting.unlink(missing_ok=True)

    def write_step(self, step: str) -> None:
        """Note what the start waits for."""
        write_private(self._starting, json.dumps({"step": step}))

    def step(self) -> str | None:
        """What a start waits for; None if none is under way or it has not noted anything yet."""
        if self.owner() is None:
            return None
        try:
            return str(json.loads(self._starting.read_text())["step"])
        except FileNotFoundError:
            return None

    def read(self) -> dict[str, Any] | None:
        """Read run.json; None if no stack runs or it is not up yet."""
        owner = self.owner()
        if owner is None:
            return None
        try:
            run: dict[str, Any] = json.loads(self._run.read_text())
        except FileNotFoundError:
            return None
        return run if run["pid"] == owner else None

    def contact_key(self) -> str:
        """The key of e-mail hashes, generated once: a new key would give customers new hashes."""
        path = self.path / "contact_key"
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text().rstrip("\r\n")

    def contact_keys(self, environment: Mapping[str, str]) -> tuple[str, str]:
        """Return the contact key and the one before it, or an empty text.

        A new key is kept for the next runs where the environment gives the kept one as its
        predecessor: it was rotated.
        """
        kept, former = self.contact_key(), self.path / "contact_key_before"
        given = environment.get("HOOKLINE_CONTACT_KEY") or kept
        if given != kept and environment.get("HOOKLINE_CONTACT_KEY_BEFORE") == kept:
            write_private(former, kept)
            write_private(self.path / "contact_key", given)
        before = environment.get("HOOKLINE_CONTACT_KEY_BEFORE", "")
        if not before and former.exists():
            before = former.read_text().rstrip("\r\n")
        return given, "" if before == given else before

    def own_shops(self, shops: Path) -> Path:
        """Return the shops file to use: of the example a copy in this folder, to be changed.

        The copy is made once: shops that were added stay in it.
        """
        if shops.name != EXAMPLE_SHOPS:
            return shops
        own = self.path / "shops.toml"
        if not own.exists():
            write_private(own, shops.read_text())
        return own

    def settings(self, stack: Stack, shops: Path, port: int) -> Settings:
        """Settings of operators' commands on ``stack``; environment variables override the rest.

        Raises SettingsError for a contact key that is too short.
        """
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.removeprefix("HOOKLINE_").startswith(_SERVERS)
        }
        local = {
            name: value
            for name, value in {**_LOCAL, **_copies(stack)}.items()
            if f"HOOKLINE_{name.upper()}" not in environment
        }
        key, before = self.contact_keys(environment)
        settings = replace(
            from_env(environment),
            **local,
            brokers=stack.brokers,
            registry_url=stack.registry.url,
            database_url=stack.postgres.operator_url,
            shops_file=str(shops),
            contact_key=key,
            contact_key_before=before,
            state_dir=str(self.path / "state"),
            port=port,
        )
        settings.require_contact_key()  # at once, not in the log of a processor that cannot start
        return settings


_OF_DASHBOARD = (
    "HOOKLINE_BROKERS", "HOOKLINE_REGISTRY_URL", "HOOKLINE_PREFIX", "HOOKLINE_PARTITIONS",
    "HOOKLINE_CONTACT_KEY", "HOOKLINE_CONTACT_KEY_BEFORE",
    "HOOKLINE_SHOPS_FILE", "HOOKLINE_LOG_FORMAT", "HOOKLINE_LOG_LEVEL",
    *_LOGINS, "HOOKLINE_TRUSTED_PROXIES",
)  # fmt: skip


def stage_environments(settings: Settings, sink_url: str) -> dict[str, dict[str, str]]:
    """Return the variables of each stage: the settings without the secrets of others."""
    given = replace(settings, database_url=sink_url)
    return {stage: own_variables(stage, given) for stage in STAGES}


def metrics_of(ports: Mapping[str, int]) -> dict[str, str]:
    """Return the URLs of the workers' metrics of ``hookline up``, by its ports."""
    workers = {name: name for name in ports if name == "sink" or name.startswith("process-")}
    # An older stack has one port for the webhooks and the pages.
    workers = {"ingest": "ingest-pages" if "ingest-pages" in ports else "ingest", **workers}
    return {
        worker: f"http://127.0.0.1:{ports[name]}/metrics"
        for worker, name in workers.items()
        if name in ports
    }


def dashboard_environment(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of the dashboard: where it reads, and as whom. ``run``: run.json.

    The contact key hashes an address that is looked for. Only where a login is set is it given
    what an operator writes with.
    """
    given = run["environment"]
    is_writing = any(given.get(name) for name in _LOGINS)
    names = (*_OF_DASHBOARD, *(("HOOKLINE_DATABASE_URL",) if is_writing else ()))
    return {
        **{name: given[name] for name in names if name in given},
        "HOOKLINE_READER_URL": run["reader_url"],
        "HOOKLINE_INGRESS_URL": run["ingress_url"],
        "HOOKLINE_METRICS": ",".join(
            f"{name}={url}" for name, url in metrics_of(run["ports"]).items()
        ),
    }


def _copies(stack: Stack) -> dict[str, Any]:
    return {"replication_factor": min(len(stack.kafkas), cluster.REPLICAS)}


def example_shops() -> Path | None:
    """The example shops file, beside this package or in it; None if it is not installed."""
    package = Path(__file__).resolve().parents[1]
    candidates = (package / EXAMPLE_SHOPS, package.parent / EXAMPLE_SHOPS)
    return next((path for path in candidates if path.is_file()), None)


def find_shops(given: Path | None) -> Path:
    """The given file, ./shops.toml, or the example. Raises LocalError if there is none."""
    if given is not None:
        if not given.is_file():
            raise LocalError(f"there is no file {given}: see {EXAMPLE_SHOPS} for its format")
        return given.resolve()
    for candidate in (Path("shops.toml"), example_shops()):
        if candidate is not None and candidate.is_file():
            return candidate.resolve()
    raise LocalError(
        "there is no shops.toml in this folder: write one, or name a file with --shops"
    )
