"""A child process: tied to its parent's life, its output in a file, stopped in a known time."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")

# The kernel ties a child to the thread that started it: all come from one that never ends
# before the process does.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="spawner")


def _lent_ports() -> range:
    """Ports that the system gives to outgoing connections."""
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return range(49152, 65536)
    return range(int(low), int(high) + 1)


_given: set[int] = set()


def free_port(*others: int) -> int:
    """A TCP port that nothing listens on now, and that no connection will be given.

    A client's own connection could otherwise take the port while its server is away. Neither
    one of ``others`` nor one that this process was given before: that server may start later.
    """
    lent = _lent_ports()
    own = [
        port
        for port in range(15000, 65536)
        if port not in lent and port not in _given and port not in others
    ]
    for port in random.sample(own, len(own)):
        if is_free(port):
            _given.add(port)
            return port
    raise OSError("no TCP port is free")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 16_384))
            text = log.read().decode(errors="replace")
    except OSError as error:
        return f"({path}: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:])


class Child:
    """One program: started, stopped, paused by name. At most one process of it at a time.

    ``death_signal`` is what the kernel sends it when we end, however we end. ``user`` is the
    account it takes where we are root.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
        user: str = "-",
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(os.environ if environment is None else environment)
        self.directory = directory
        self.stop_signal = stop_signal
        self.death_signal = death_signal
        self.user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.is_running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        tether = [sys.executable, "-I", "-S", str(TETHER)]
        tie = [str(int(self.death_signal)), str(os.getpid()), self.user]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*tether, *tie, *self.command],
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A terminal's Ctrl-C is for the parent, which stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process id, also of one that has ended; None before the first start."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether a process of it lives now (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self, grace: float = 30.0) -> None:
        """Ask it to end; kill it when ``grace`` seconds were not enough."""
        self.signal(self.stop_signal)
        self.signal(signal.SIGCONT)
        if not self.ends_within(grace):
            self.kill()

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end; False if it still runs after ``seconds``."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def pause(self) -> None:
        """Freeze it, as a machine that stalls does."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self.signal(signal.SIGCONT)
