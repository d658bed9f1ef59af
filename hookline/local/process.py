"""Child processes that end with their parent, free TCP ports, waiting."""

import fcntl
import functools
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from signal import Signals
from typing import TypeVar

from runtime.process.private_files import OTHERS, create_folder, open_private

T = TypeVar("T")

TETHER = Path(__file__).with_name("tether.py")

# The kernel sends a child its death signal when the *thread* that started it ends, so that all
# are started by one thread that lives as long as the process.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="spawner")


def _ephemeral_ports() -> range:
    """Ports that the system gives to outgoing connections."""
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return range(49152, 65536)
    return range(int(low), int(high) + 1)


_assigned_ports: set[int] = set()


def free_port(*others: int) -> int:
    """Choose a free TCP port outside the ephemeral range, and reserve it.

    An outgoing connection could take an ephemeral port while its server is down. Ports in
    ``others`` or returned before are not chosen: their servers may not have started yet.
    """
    ephemeral = _ephemeral_ports()
    candidates = [
        port
        for port in range(15000, 65536)
        if port not in ephemeral and port not in _assigned_ports and port not in others
    ]
    for port in random.sample(candidates, len(candidates)):
        if reserve(port) and is_free(port):
            return port
    raise OSError("no TCP port is free")


def reserve(port: int) -> bool:
    """Keep other processes of this user from choosing ``port`` as long as this one lives.

    So a server that is down for a while finds its port free again. False if it is another's.
    """
    try:
        # A lock on the byte whose offset is the port: the kernel drops it with the process.
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _assigned_ports.add(port)
    return True


@functools.cache
def _reservations() -> int:
    path = Path(tempfile.gettempdir(), f"hookline-ports-{os.getuid()}")
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def wait_until(check: Callable[[], T | None], timeout: float, every: float = 0.1) -> T | None:
    """Call ``check`` every so many seconds; its first true result, or None after ``timeout``."""
    deadline = time.monotonic() + timeout
    while not (result := check()):
        if time.monotonic() > deadline:
            return None
        time.sleep(every)
    return result


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, or a note that it cannot be read."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 16_384))
            text = log.read().decode(errors="replace")
    except OSError as error:
        return f"({path}: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:])


@dataclass(eq=False)
class Child:
    """A program that runs as at most one process at a time, its output in a file.

    ``death_signal`` is sent by the kernel when this process ends, even by kill -9. ``user`` is
    the account it runs as if this process is root's. ``grace``: seconds that it may take to stop.
    """

    name: str
    command: Sequence[str]
    log: Path
    _: KW_ONLY
    environment: Mapping[str, str] | None = None  # None: that of this process
    directory: Path | None = None
    stop_signal: Signals = Signals.SIGTERM
    death_signal: Signals = Signals.SIGKILL
    user: str = "-"
    grace: float = 30.0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, unless it is running."""
        if self.is_running:
            return
        create_folder(self.log.parent)
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        tether = [sys.executable, "-I", "-S", str(TETHER)]
        arguments = [str(int(self.death_signal)), str(os.getpid()), self.user]
        with open_private(self.log, "ab") as log:
            return subprocess.Popen(
                [*tether, *arguments, *self.command],
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C must reach only the parent, which stops its children in order.
                start_new_session=True,
                umask=OTHERS,
            )

    @property
    def pid(self) -> int | None:
        """The process id, also after it has exited; None before the first start."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether it is running (or paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last process, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def signal(self, number: Signals) -> None:
        """Send a signal, if it is running."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it has exited."""
        self.signal(Signals.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self, grace: float | None = None) -> None:
        """Ask it to stop; kill it after ``grace`` seconds, else after its own."""
        self.signal(self.stop_signal)
        self.signal(Signals.SIGCONT)  # a paused process would not handle the signal
        if not self.exits_within(self.grace if grace is None else grace):
            self.kill()

    def exits_within(self, seconds: float) -> bool:
        """Wait until it has exited; False if it still runs after ``seconds``."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
