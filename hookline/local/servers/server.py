"""What the three servers have in common: prepare, start, wait until ready, stop."""

import time
from pathlib import Path

from hookline.local.process import Child, tail


class LocalError(RuntimeError):
    """Something on this machine does not work; the message says what to do."""


class Server:
    """A server on 127.0.0.1 with its data in ``directory``.

    ``start`` returns when it answers. The port and the data outlive ``stop`` and ``kill``.
    """

    name = "server"
    start_timeout = 90.0

    def __init__(self, directory: Path, port: int, logs: Path | None = None) -> None:
        self.directory = directory.resolve()
        self.port = port
        self.log = (logs or directory.parent / "logs").resolve() / f"{self.name}.log"
        self.child: Child | None = None
        self._is_wanted = True

    def prepare(self) -> Child:
        """Lay out the data folder where that is still to be done, and describe the process."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def launch(self) -> None:
        """Start the process without waiting."""
        if self.child is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.child = self.prepare()
        if not self._is_wanted:
            raise LocalError(f"{self.name} was stopped while it started")
        self.child.start()

    def wait(self) -> None:
        """Wait until it answers. Raises LocalError with its last words if it does not."""
        child = self.child
        if child is None:
            raise LocalError(f"{self.name} was not started")
        deadline = time.monotonic() + self.start_timeout
        while not self.is_ready():
            if not child.is_running:
                raise LocalError(
                    f"{self.name} ended with {child.exit_code} while starting; "
                    f"its last words ({self.log}):\n{tail(self.log)}"
                )
            if time.monotonic() > deadline:
                child.stop(5)
                raise LocalError(
                    f"{self.name} did not answer within {self.start_timeout:.0f} s; "
                    f"its last words ({self.log}):\n{tail(self.log)}"
                )
            time.sleep(0.1)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._is_wanted = True
        self.launch()
        self.wait()

    def stop(self) -> None:
        """End it in order, also while it starts."""
        self._is_wanted = False
        if self.child is not None:
            self.child.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        if self.child is not None:
            self.child.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        if self.child is not None:
            self.child.pause()

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        if self.child is not None:
            self.child.resume()
