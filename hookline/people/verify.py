"""Looks for a person in every location that holds data, and lists where they are found."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hookline.console.output import Progress
from hookline.people import table_scan
from hookline.people.find import Found, Who
from hookline.people.person import Person, Session, with_given
from hookline.people.search import Kind, Search, text_of
from hookline.people.topic_scan import Seen, read_topics
from hookline.stack_address import StackAddress
from runtime.settings import Settings
from schemas.topics import ALL, Topic

_SHOWN = 3
_CHUNK = 1 << 20
_OVERLAP = 4096
"""Bytes that two chunks of a file share, so that nothing is cut in two."""
FOR_EVER, ERASED, DELETED = "for ever", "until erased", "until deleted"
_WITH_ROW = "as long as the row"


@dataclass(slots=True)
class Finding:
    """What of a person is in one location. ``first``: the first offsets, where it has such."""

    location: str
    kind: Kind
    count: int = 0
    first: list[str] = field(default_factory=list)
    stays_until: datetime | None = None
    how_long: str = ERASED

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON and tables."""
        return {
            "location": self.location,
            "what": str(self.kind),
            "is_personal": self.kind.is_personal,
            "count": self.count,
            "first": self.first,
            "stays": f"until {self.stays_until:%Y-%m-%d}" if self.stays_until else self.how_long,
        }


class Findings:
    """Counts what is found, by location and kind."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Kind], Finding] = {}

    def add_record(self, seen: Seen, kinds: Collection[Kind]) -> None:
        """Count a record of a topic."""
        for kind in kinds:
            finding = self.add(seen.topic.name, kind, FOR_EVER)
            if len(finding.first) < _SHOWN:
                finding.first.append(seen.location)
            if (until := seen.stays_until) is not None:
                finding.stays_until = max(until, finding.stays_until or until)

    def add(self, location: str, kind: Kind, how_long: str) -> Finding:
        """Count something in a location."""
        finding = self._found.setdefault(
            (location, kind), Finding(location, kind, how_long=how_long)
        )
        finding.count += 1
        return finding

    @property
    def all(self) -> list[Finding]:
        """All of them, personal data first."""
        return sorted(
            self._found.values(),
            key=lambda each: (not each.kind.is_personal, each.location, each.kind),
        )


async def records(
    settings: Settings, search: Search, progress: Progress, topics: Collection[Topic] = ALL
) -> AsyncIterator[tuple[Seen, set[Kind]]]:
    """Yield the records that hold something of the person."""
    async for seen in read_topics(settings, topics, "looking through topics", progress):
        if kinds := search.in_texts(seen.texts):
            yield seen, kinds


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator gave to be looked for too."""

    names: Sequence[str] = ()
    phones: Sequence[str] = ()
    streets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """Who was looked for, by which kinds, and what was found."""

    person: Person
    kinds: list[str]
    findings: list[dict[str, Any]]


async def look_for(
    stack: StackAddress, who: Who, given: Given, logs: Path | None, progress: Progress
) -> Looked:
    """Look for a person everywhere. Raises CommandError."""
    async with Found(stack, contacts=True) as found:
        person = with_given(
            await found.look_up(who, progress), given.names, given.phones, given.streets
        )
        search = Search(person)
        findings = await verify(stack, search, found.sessions, logs, progress)
    kinds = [str(kind) for kind in search.kinds]
    return Looked(person, kinds, [each.as_dict() for each in findings])


async def verify(
    stack: StackAddress,
    search: Search,
    sessions: Sequence[Session],
    logs: Path | None,
    progress: Progress,
) -> list[Finding]:
    """Look everywhere. ``sessions``: of the operator and of the contacts' reader.

    ``logs``: the folder of a local stack's logs.
    """
    found = Findings()
    async for seen, kinds in records(stack.settings, search, progress):
        found.add_record(seen, kinds)
    for session, of in table_scan.of_sessions(sessions, stack.settings.sql_schema):
        for row in table_scan.look_through(session, of, search, progress):
            for column, kinds in row.kinds.items():
                for kind in kinds:
                    how_long = ERASED if kind.is_personal else _WITH_ROW
                    found.add(f"{row.table}.{column}", kind, how_long)
    for folder in (Path(stack.settings.state_dir), logs):
        if folder is not None and folder.is_dir():
            for path, kind in _look_through(folder, search, progress):
                found.add(str(path), kind, DELETED)
    return found.all


def _look_through(folder: Path, search: Search, progress: Progress) -> Iterator[tuple[Path, Kind]]:
    """Yield the files under a folder that hold something of the person, with each kind."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for number, path in enumerate(files, start=1):
        for kind in sorted(_kinds(path, search)):
            yield path, kind
        progress(f"looking through {folder.name}", number, len(files))


def _kinds(path: Path, search: Search) -> set[Kind]:
    found: set[Kind] = set()
    try:
        with path.open("rb") as file:
            rest = b""
            while chunk := file.read(_CHUNK):
                found |= search.in_text(text_of(rest + chunk))
                rest = chunk[-_OVERLAP:]
    except OSError:  # deleted meanwhile, or another account's
        return found
    return found
