"""Gathers everything that is held of one person, and nothing of anybody else."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hookline.console.errors import CommandError
from hookline.console.output import Progress, json_default
from hookline.people.deliveries import holds
from hookline.people.find import Found, Who
from hookline.people.page import page
from hookline.people.person import Person, Session
from hookline.people.search import Search, normal, readings, text_of
from hookline.people.table_scan import OwnRows, add_own_rows, look_through, of_sessions
from hookline.people.topic_scan import Seen, delivery_of, read_topics
from hookline.stack_address import StackAddress
from runtime.process.private_files import create_folder, write_private
from runtime.settings import Settings
from schemas import envelopes
from schemas.events import CartSignal
from schemas.topics import ALL, CANONICAL, DEAD_LETTERS, WEBHOOKS

_RECEIVED = (WEBHOOKS, DEAD_LETTERS)
_MADE = tuple(topic for topic in ALL if topic not in _RECEIVED)
_JSON, _PAGE = "person.json", "person.html"
_ANY_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass(slots=True)
class Export:
    """What is held of a person. ``records``: by topic; ``rows``: by table.

    ``elsewhere``: locations in data of others that name the person: what is there is not the
    person's alone, so it is not given.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self, person: Person) -> dict[str, Any]:
        """Return the document."""
        return {
            "person": {
                "customers": sorted(person.customers),
                "hashes": sorted(person.hashes),
                "pseudonyms": sorted(person.pseudonyms),
            },
            "tables": self.rows,
            "topics": self.records,
            "named_in_data_of_others": self.elsewhere,
        }

    def add(self, seen: Seen) -> None:
        """Add a record with its content."""
        record: dict[str, Any] = {
            "partition": seen.record.partition,
            "offset": seen.record.offset,
            "appended": seen.record.timestamp,
            "key": None if seen.record.key is None else text_of(seen.record.key),
            "headers": seen.headers,
            "stays_until": seen.stays_until,
        }
        if seen.event is not None:
            record["value"] = msgspec.to_builtins(seen.event)
        else:
            record["value"] = text_of(seen.body)
        self.records.setdefault(seen.topic.name, []).append(record)

    def name(self, location: str, at: str) -> None:
        """Name a location in data of others."""
        self.elsewhere.append({"location": location, "at": at})


async def write(stack: StackAddress, who: Who, folder: Path, progress: Progress) -> dict[str, Any]:
    """Write ``person.json`` and ``person.html`` into a folder; return what was written.

    Raises CommandError where the folder has one of them: it may be of another person.
    """
    check_folder(folder)
    async with Found(stack, contacts=True) as found:
        person = await found.look_up(who, progress)
        made = await gather(stack, person, Search(person), found.sessions, progress)
    document = made.as_dict(person)
    text = json.dumps(document, default=json_default, ensure_ascii=False, indent=2)
    create_folder(folder)
    files = {_JSON: text, _PAGE: page(document, datetime.now(UTC))}
    for name, content in files.items():
        write_private(folder / name, content)
    return {
        "files": [str(folder / name) for name in files],
        "rows": sum(map(len, made.rows.values())),
        "records": sum(map(len, made.records.values())),
        "named_in_data_of_others": len(made.elsewhere),
    }


def check_folder(folder: Path) -> None:
    """Raise CommandError where a folder has an export."""
    for name in (_JSON, _PAGE):
        if (folder / name).exists():
            raise CommandError(
                f"{folder / name} exists, an earlier export: give another folder with --to, or"
                " delete it"
            )


async def gather(
    stack: StackAddress,
    person: Person,
    search: Search,
    sessions: Sequence[Session],
    progress: Progress,
) -> Export:
    """Gather it all. ``sessions``: of the operator and of the contacts' reader."""
    made = Export()
    own = _rows(made, stack.settings, person, search, sessions, progress)
    deliveries = await _events(made, stack.settings, person, search, own, progress)
    await _deliveries(made, stack.settings, person, search, deliveries, progress)
    for records in made.records.values():
        records.sort(key=lambda each: (each["appended"], each["partition"], each["offset"]))
    return made


def _rows(
    made: Export,
    settings: Settings,
    person: Person,
    search: Search,
    sessions: Sequence[Session],
    progress: Progress,
) -> OwnRows:
    own = OwnRows()
    for session, of in of_sessions(sessions, settings.sql_schema):
        add_own_rows(own, session, of, person)
        named: dict[str, int] = {}
        for row in look_through(session, of, search, progress):
            if row.at not in own.rows.get(row.table, {}):
                if _is_about_pseudonyms(row.table):
                    own.rows.setdefault(row.table, {})[row.at] = _row(session, row.table, row.at)
                else:
                    named[row.table] = named.get(row.table, 0) + 1
        for table, count in named.items():
            made.name(table, f"{count} rows")
    made.rows = {table: list(rows.values()) for table, rows in sorted(own.rows.items()) if rows}
    return own


def _is_about_pseudonyms(table: str) -> bool:
    """Whether a row that names the person is the person's, though it has no customer."""
    return table in ("erasures", "link_keys")


def _row(session: Session, table: str, at: str) -> dict[str, Any]:
    statement = f"SELECT * FROM {table} WHERE ctid = %s::tid"  # noqa: S608 - our own names
    cursor = session.execute(statement.encode(), [at])
    names = [column.name for column in cursor.description or ()]
    return dict(zip(names, cursor.fetchall()[0], strict=True))


async def _events(
    made: Export,
    settings: Settings,
    person: Person,
    search: Search,
    own: OwnRows,
    progress: Progress,
) -> set[str]:
    """Add the events, signals and the like of the person; return the deliveries they came from."""
    deliveries: set[str] = set()
    async for seen in read_topics(settings, _MADE, "reading events", progress):
        if is_own(seen, person, own.entities):
            made.add(seen)
            if seen.topic in CANONICAL and (delivery := delivery_of(seen)):
                deliveries.add(delivery)
        elif search.in_texts(seen.texts):
            if seen.topic.record is None:  # the ledger, repeated deliveries: keys alone
                made.add(seen)
            else:
                made.name(seen.topic.name, seen.location)
    return deliveries


def is_own(seen: Seen, person: Person, entities: Iterable[str]) -> bool:
    """Whether an event is the person's: its customer is, or it names none and its entity is."""
    if seen.event is None:
        return (
            seen.topic.record is None
            and seen.record.key is not None
            and (text_of(seen.record.key) in entities)
        )
    if seen.customer is not None:
        return person.is_customer(seen.customer)
    if isinstance(seen.event, CartSignal):
        return seen.event.cart_key in entities
    return seen.event.meta.entity in entities


async def _deliveries(
    made: Export,
    settings: Settings,
    person: Person,
    search: Search,
    own: set[str],
    progress: Progress,
) -> None:
    """Add the raw deliveries and dead letters of the person."""
    undecided: list[Seen] = []
    async for seen in read_topics(settings, _RECEIVED, "reading deliveries", progress):
        if delivery_of(seen) in own:
            made.add(seen)
        elif holds(seen, person, search):
            undecided.append(seen)
    others = await _of_others(settings, undecided, progress)
    for seen in undecided:
        if delivery_of(seen) in others or _names_others(seen, person):
            made.name(seen.topic.name, seen.location)
        else:
            made.add(seen)


async def _of_others(settings: Settings, undecided: Sequence[Seen], progress: Progress) -> set[str]:
    """Return the deliveries whose events name a customer: who is not the person."""
    wanted = {delivery_of(seen) for seen in undecided}
    found: set[str] = set()
    if wanted:
        async for seen in read_topics(settings, CANONICAL, "whose deliveries they are", progress):
            if seen.customer is not None and (delivery := delivery_of(seen)) in wanted:
                found.add(delivery)
    return found


def _names_others(seen: Seen, person: Person) -> bool:
    """Whether a delivery that no event came of holds an address that is not the person's."""
    texts = (text_of(seen.body), seen.headers.get(envelopes.QUERY, ""))
    found = {
        address.strip(".-+")
        for text in texts
        for reading in readings(text)
        for address in _ANY_ADDRESS.findall(normal(reading))
    }
    known = {normal(each).strip() for each in person.addresses}
    return len(found - known) > (0 if known else 1)
