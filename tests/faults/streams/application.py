"""The Kafka Streams application: built by Maven into a temporary folder, started, supervised."""

import shutil
import subprocess
import threading
from pathlib import Path

from hookline.local.process import Child
from hookline.local.servers import java
from hookline.local.supervisor import Supervisor
from runtime.settings import Settings

OUTPUT = "streams-comparison"
"""Its output topic, after the prefix."""
GUARANTEES = ("exactly_once_v2", "at_least_once")
_PROJECT = Path(__file__).with_name("pom.xml")
_MAIN = "comparison.StreamsComparison"
_HEAP = "256m"
_BUILD_TIMEOUT = 600
"""Seconds; the first build downloads the libraries."""


class NotBuiltError(RuntimeError):
    """The application cannot be built here; the message gives the reason."""


def build(folder: Path) -> Path:
    """Build the application in ``folder``, outside the repository; return where the jars are.

    Raises NotBuiltError: the comparison then goes on without it.
    """
    for program, purpose in (("mvn", "Maven"), ("javac", "a JDK")):
        if shutil.which(program) is None:
            raise NotBuiltError(f"building it needs {purpose}, and there is no {program} here")
    target = folder / "streams"
    command = ["mvn", "-B", "-q", "-f", str(_PROJECT), f"-Dcomparison.build={target}", "package"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotBuiltError(f"Maven did not finish within {_BUILD_TIMEOUT} s") from None
    if done.returncode != 0:
        raise NotBuiltError(f"Maven failed:\n{(done.stdout + done.stderr)[-1500:]}")
    return target


class Application:
    """One process of it, started again when it ends, as Hookline's own are."""

    def __init__(
        self, jars: Path, folder: Path, settings: Settings, name: str, guarantee: str
    ) -> None:
        options = [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
            "-cp",
            f"{jars}/streams-comparison.jar:{jars}/lib/*",
            _MAIN,
            settings.brokers,
            settings.prefix,
            name,
            guarantee,
            str(settings.replication_factor),
            str(folder / "streams-state"),
        ]
        self.log = folder / "logs" / "streams.log"
        self._child = Child(
            "streams",
            java.command(_HEAP, folder / "streams-tmp", options),
            self.log,
            environment=java.environment(),
        )
        self._supervisor = Supervisor()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervisor.run, args=(self._stopping.wait,))

    def start(self) -> None:
        """Start the process, and keep it running."""
        self._supervisor.add([self._child])
        self._thread.start()

    @property
    def restarts(self) -> int:
        """How often it ended by itself and was started again."""
        return sum(state.restarts for state in self._supervisor.states())

    def stop(self) -> None:
        """Stop it for good."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._supervisor.stop(grace=15)
