"""The platforms' example deliveries: ``tests/examples``, ``hookline/examples`` once installed."""

from dataclasses import dataclass
from pathlib import Path

from hookline.errors import CommandError
from ingest.sources import SOURCES, Source
from schemas.keys import slug

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "examples", _PACKAGE.parent / "tests" / "examples")
_TYPES = {".json": "application/json", ".xml": "application/xml"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A body to send. ``event`` is the platform's own word, where it is told outside the body."""

    source: str
    name: str
    event: str
    body: bytes
    content_type: str
    query: str = ""


def folder() -> Path:
    """Where the examples are. Raises CommandError where they were not installed."""
    for place in _FOLDERS:
        if place.is_dir():
            return place
    raise CommandError("the example deliveries are not installed: send your own with --file")


def names(source: str) -> list[str]:
    """The examples of a platform, as ``hookline send`` takes them. Raises CommandError."""
    if source not in SOURCES:
        raise CommandError(f"no platform {source!r}: there is {', '.join(SOURCES)}")
    return sorted(_files(source))


def _files(source: str) -> dict[str, Path]:
    return {
        path.stem: path
        for path in (folder() / source).glob("*")
        if path.suffix in _TYPES and not path.stem.endswith(".expected")
    }


def event_word(source: Source, name: str) -> str:
    """The platform's own spelling of the event that ``name`` (``carts-create``) stands for."""
    known = [word for word in source.events_in_url if name.startswith(slug(word))]
    if known:
        return max(known, key=len)
    noun, _, rest = name.partition("-")
    # What stands behind a second dash tells examples of one event apart.
    return f"{noun}/{rest.partition('-')[0]}" if source.event_headers else ""


def sample(source: str, name: str, file: Path | None = None) -> Sample:
    """The example ``name`` of a platform, or the bytes of ``file`` as if it were that example.

    Raises CommandError naming what there is.
    """
    known = names(source)
    wanted = slug(name)
    found = next((k for k in known if slug(k).replace("_", "-") == wanted.replace("_", "-")), None)
    if file is None:
        if found is None:
            raise CommandError(f"{source} has no example {name!r}: there is {', '.join(known)}")
        file = _files(source)[found]
    try:
        body = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    return Sample(
        source=source,
        name=found or wanted,
        event=event_word(SOURCES[source], found or wanted),
        body=body,
        content_type=_TYPES.get(file.suffix, "application/octet-stream"),
    )
