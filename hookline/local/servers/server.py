"""Base class of the local servers: prepare, start, wait until ready, stop."""

from pathlib import Path

from hookline.local.process import Child, tail, wait_until
from runtime.process.private_files import create_folder


class LocalError(RuntimeError):
    """The local stack cannot go on; the message gives the reason and the remedy."""


class Server:
    """A server on 127.0.0.1 with its data in ``directory``.

    ``start`` returns when it answers. Port and data stay the same after ``stop``.
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
        """Initialise the data folder if needed, and describe the process."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def launch(self) -> None:
        """Start the process without waiting."""
        if self.child is None:
            create_folder(self.directory)
            create_folder(self.log.parent)
            self.child = self.prepare()
        if not self._is_wanted:
            raise LocalError(f"{self.name} was stopped while it started")
        self.child.start()

    def wait(self) -> None:
        """Wait until it answers. Raises LocalError with the end of its log if it does not."""
        child = self.child
        if child is None:
            raise LocalError(f"{self.name} was not started")

        def answers() -> bool:
            if self.is_ready():
                return True
            if not child.is_running:
                raise self._start_error(f"exited with {child.exit_code} while starting")
            return False

        if not wait_until(answers, self.start_timeout):
            child.stop(5)
            raise self._start_error(f"did not answer within {self.start_timeout:.0f} s")

    def _start_error(self, problem: str) -> LocalError:
        return LocalError(f"{self.name} {problem}; its last output ({self.log}):\n{tail(self.log)}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._is_wanted = True
        self.launch()
        self.wait()

    def stop(self) -> None:
        """Stop it in order, also while it is starting."""
        self._is_wanted = False
        if self.child is not None:
            self.child.stop()
