"""Programs of the local servers: downloaded once from Maven Central, then used offline.

They are kept in the user's cache folder, or in ``HOOKLINE_CACHE``. A part appears there only when
it is complete, and is used only if it has the hashes of ``downloads.json``.
"""

import fcntl
import functools
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from hookline.console import output
from hookline.local.servers import hashes
from hookline.local.servers.server import LocalError

KAFKA_VERSION = "4.3.1"
REGISTRY_VERSION = "3.3.3"
_TIMEOUT = 60

Advance = Callable[[int], None]
"""Takes the bytes received since the previous call."""
FileProgress = Callable[[str, int], AbstractContextManager[Advance]]
"""Reports the download of one file, given its name and size: jgo's progress callback."""


@dataclass(frozen=True, slots=True)
class Part:
    """A cached program: the name of its folder and the function that downloads it.

    ``fetch`` fills its first folder and may use the second one for temporary files.
    """

    name: str
    title: str
    fetch: Callable[[Path, Path, FileProgress], None]

    @property
    def path(self) -> Path:
        """Its folder in the cache."""
        return cache_dir() / self.name

    @property
    def is_cached(self) -> bool:
        """Whether it is in the cache."""
        return self.path.is_dir()


def cache_dir() -> Path:
    """The folder of the cache."""
    chosen = os.environ.get("HOOKLINE_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("hookline"))


@contextmanager
def _progress(title: str) -> Iterator[FileProgress]:
    """Report a download on stderr: bars on a terminal, else a line before and after."""
    console = output.err
    received = 0
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )

    @contextmanager
    def file(name: str, size: int) -> Iterator[Advance]:
        task = bar.add_task(name, total=size)

        def advance(count: int) -> None:
            nonlocal received
            received += count
            bar.advance(task, count)

        yield advance
        bar.remove_task(task)

    console.print(f"downloading {title} (once)")
    with bar:
        yield file
    if received:
        console.print(f"downloaded {title}: {received / 1e6:.0f} MB")


def ensure(part: Part) -> Path:
    """The folder of a part, downloaded if it is missing. Raises LocalError with the remedy.

    Its files have been held against the hashes of this version, once for each process.
    """
    _require_known(part, _download(part))
    return part.path


@functools.cache
def _require_known(part: Part, folder: Path) -> None:
    if (why := problem(part, folder)) is not None:
        raise LocalError(why)


def problem(part: Part, folder: Path) -> str | None:
    """Return why the files of a folder must not be used, with the remedy; else None."""
    if (why := hashes.problem_of_folder(part.name, folder)) is None:
        return None
    return (
        f"{part.title} in {folder} is not what this version of Hookline was tested with: {why}."
        " Find out who changed it, then remove the folder: the next start downloads it again"
    )


def _download(part: Part) -> Path:
    if part.is_cached:
        return part.path
    cache = cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not part.is_cached:
                _fetch(part, cache)
    except OSError as error:
        raise LocalError(
            f"{part.title} cannot be downloaded to {cache}: {error}. It comes from Maven Central: "
            "check the connection, the proxy (HTTPS_PROXY) and the free disk space, or set "
            "HOOKLINE_CACHE to a folder that was filled on another machine."
        ) from error
    return part.path


def _fetch(part: Part, cache: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        target = Path(scratch, "complete")
        target.mkdir()
        # A company's own certificate authority is found only in the system's store.
        import truststore

        truststore.inject_into_ssl()
        try:
            with _progress(part.title) as progress:
                part.fetch(target, Path(scratch), progress)
        except (RuntimeError, tarfile.TarError) as error:
            raise OSError(str(error)) from error
        finally:
            truststore.extract_from_ssl()
        if (why := hashes.problem_of_folder(part.name, target)) is not None:
            raise LocalError(_refused(part.title, why))
        for path in (target, *target.rglob("*")):  # programs, for all users of a shared cache
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        target.rename(part.path)


def _refused(title: str, why: str) -> str:
    return (
        f"the download of {title} is refused: {why}. Nothing of it was kept; is there something"
        " between this machine and Maven Central that changes files?"
    )


def _maven(scratch: Path, progress: FileProgress) -> Any:
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=progress)
    return MavenContext(resolver=resolver, repo_cache=scratch / "m2", timeout=_TIMEOUT)


def _fetch_kafka(target: Path, scratch: Path, progress: FileProgress) -> None:
    from jgo.env import EnvironmentBuilder, LinkStrategy

    builder = EnvironmentBuilder(
        context=_maven(scratch, progress),
        cache_dir=scratch / "environments",
        link_strategy=LinkStrategy.COPY,
    )
    built = builder.from_endpoint(
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
    )
    for jar in (*built.path.glob("jars/*.jar"), *built.path.glob("modules/*.jar")):
        shutil.move(jar, target / jar.name)


def _fetch_registry(target: Path, scratch: Path, progress: FileProgress) -> None:
    project = _maven(scratch, progress).project("io.apicurio", "apicurio-registry-app")
    artifact = project.at_version(REGISTRY_VERSION).artifact(classifier="all", packaging="tar.gz")
    path = Path(artifact.resolve())
    if (why := hashes.problem_of_file(REGISTRY.name, path)) is not None:
        raise LocalError(_refused(REGISTRY.title, why))
    with tarfile.open(path) as archive:
        archive.extractall(target, filter="data")


KAFKA = Part(f"kafka-{KAFKA_VERSION}", f"Apache Kafka {KAFKA_VERSION}", _fetch_kafka)
REGISTRY = Part(
    f"registry-{REGISTRY_VERSION}", f"Apicurio Registry {REGISTRY_VERSION}", _fetch_registry
)
PARTS = (KAFKA, REGISTRY)
