"""The platforms' example deliveries: ``tests/examples``, or ``hookline/examples`` if installed."""

import json
from dataclasses import dataclass
from pathlib import Path

from hookline.console.errors import CommandError
from ingest.sources import SOURCES, Source
from schemas.keys import slug

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "examples", _PACKAGE.parent / "tests" / "examples")
_TYPES = {".json": "application/json", ".xml": "application/xml"}


@dataclass(frozen=True, slots=True)
class ExampleDelivery:
    """A delivery to send. ``event`` is the platform's event name if not given in the body."""

    source: str
    name: str
    event: str
    body: bytes
    content_type: str
    query: str = ""


def folder() -> Path:
    """The folder of the examples. Raises CommandError if they are not installed."""
    for path in _FOLDERS:
        if path.is_dir():
            return path
    raise CommandError("the example deliveries are not installed: send your own with --file")


def names(source: str) -> list[str]:
    """The names of a platform's examples, for ``hookline send``. Raises CommandError."""
    if source not in SOURCES:
        raise CommandError(f"no platform {source!r}: there is {', '.join(SOURCES)}")
    return sorted(_files(source))


def dead_letter_reason(source: str, name: str) -> str | None:
    """Return why an example becomes a dead letter; None if it becomes events."""
    try:
        expected = json.loads((folder() / source / f"{name}.expected.json").read_text())
    except FileNotFoundError:
        return None
    reject: dict[str, str] = expected.get("reject", {})
    return reject.get("reason")


def _files(source: str) -> dict[str, Path]:
    return {
        path.stem: path
        for path in (folder() / source).glob("*")
        if path.suffix in _TYPES and not path.stem.endswith(".expected")
    }


def event_name(source: Source, name: str) -> str:
    """The platform's name (``carts/create``) for the event of an example (``carts-create``)."""
    events = [event for event in source.events_in_url if name.startswith(slug(event))]
    if events:
        return max(events, key=len)
    noun, _, verb = name.partition("-")
    # A second dash separates several examples of one event.
    return f"{noun}/{verb.partition('-')[0]}" if source.event_headers else ""


def load(source: str, name: str, file: Path | None = None) -> ExampleDelivery:
    """Read the example ``name`` of a platform, or ``file`` in its place.

    Raises CommandError with the names of all examples if there is none of this name.
    """
    all_names = names(source)
    wanted = slug(name)
    match = next((n for n in all_names if _dashed(slug(n)) == _dashed(wanted)), None)
    if file is None:
        if match is None:
            raise CommandError(f"{source} has no example {name!r}: there is {', '.join(all_names)}")
        file = _files(source)[match]
    try:
        body = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    return ExampleDelivery(
        source=source,
        name=match or wanted,
        event=event_name(SOURCES[source], match or wanted),
        body=body,
        content_type=_TYPES.get(file.suffix, "application/octet-stream"),
    )


def _dashed(name: str) -> str:
    return name.replace("_", "-")
