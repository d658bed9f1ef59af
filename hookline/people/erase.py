"""Erases a person, or allows them again: the ledger first, then whoever reads it does the rest."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.people import deliveries
from hookline.people.find import Found, Who
from hookline.people.person import Person
from hookline.people.search import Search, normal
from hookline.people.table_scan import OwnRows, add_own_rows, of_sessions
from hookline.stack_address import StackAddress
from hookline.tables.queries import connected
from runtime import erasures as runtime_erasures
from runtime.kafka.reasons import explained
from runtime.kafka.topics_admin import admin_client
from runtime.settings import Settings
from schemas.json_records import erasures
from schemas.json_records.erasures import PSEUDONYM, Entry, Erasure, Ledger, Rotation, Span
from schemas.topics import ALL, SEGMENT, Group

_POLL = 0.5
_PATIENCE = 120.0
"""Seconds without any entry applied, while sinks run, after which a command ends."""
_WITHOUT_SINKS = 30.0
"""The same while no sink runs: one may be starting."""
_SETTLED = 2.0
"""Seconds in which events that were decided before the ledger was read reach the tables."""
_LATE = """
    SELECT customer_key FROM customers
    WHERE is_erased AND customer_id IS NOT NULL AND layers::text LIKE %s AND customer_key <> ALL(%s)
"""
_APPLIED = "SELECT entry::text, applied_at, receipt FROM erasures WHERE record_key = ANY(%s)"


def erasing(person: Person, ledger: Ledger, because: str, now: int) -> list[Erasure]:
    """Return the entries that erase all subjects of a person: those that are open stay as they are.

    ``now``: microseconds. All new ones have one pseudonym.
    """
    existing = [found for each in person.subjects if (found := ledger.erasures.get(each))]
    open_ones = [each for each in existing if each.is_open]
    pseudonym = open_ones[0].spans[-1].pseudonym if open_ones else PSEUDONYM + secrets.token_hex(16)
    entries = []
    for subject in person.subjects:
        found = ledger.erasures.get(subject)
        if found is None or not found.is_open:
            spans = (*(found.spans if found else ()), Span(pseudonym, now))
            found = Erasure(subject=subject, spans=spans, because=because)
        entries.append(found)
    return entries


def allowing(person: Person, ledger: Ledger, now: int) -> list[Erasure]:
    """Return the entries that close the open spans of a person; none where none is open."""
    open_ones = (ledger.erasures.get(each) for each in person.subjects)
    return [
        structs.replace(
            each, spans=(*each.spans[:-1], structs.replace(each.spans[-1], allowed_at=now))
        )
        for each in open_ones
        if each is not None and each.is_open
    ]


def new_ones(entries: Sequence[Entry], ledger: Ledger) -> list[Entry]:
    """Return the entries that are not on the ledger as they are."""
    return [
        each
        for each in entries
        if (
            ledger.erasures.get(each.subject) != each
            if isinstance(each, Erasure)
            else ledger.rotations.get(each.before) != each.hashed
        )
    ]


def gone_by(now: datetime) -> datetime:
    """Return when the last record with personal data that exists now is deleted from the log."""
    return (
        now
        + max(topic.retention for topic in ALL if topic.retention and topic.is_personal)
        + SEGMENT
    )


async def sinks_running(settings: Settings) -> int:
    """Ask how many sinks run. Raises DeniedError."""
    async with (
        explained(settings, "Describe", of_group="Describe"),
        admin_client(settings) as admin,
    ):
        group = f"{settings.prefix}{Group.SINKS}"
        responses = await admin.describe_consumer_groups([group])
        return sum(len(each[5]) for response in responses for each in response.groups)


async def wait_applied(
    settings: Settings, entries: Sequence[Entry], progress: Progress, patience: float = _PATIENCE
) -> dict[str, int]:
    """Wait until the sinks have applied the entries; return the rows changed by table.

    Raises CommandError where no sink runs, or none goes on for ``patience`` seconds.
    """
    wanted = {each.key.decode(): each for each in entries}
    loop = asyncio.get_running_loop()
    done, since, running = -1, loop.time(), None
    while True:
        rows = await _applied(settings, list(wanted))
        applied = [
            (applied_at, receipt)
            for text, applied_at, receipt in rows
            if (entry := erasures.decode_or_none(text.encode())) is not None
            and _is_same(wanted.get(entry.key.decode()), entry)
        ]
        progress("waiting for the sinks", len(applied), len(wanted))
        if len(applied) == len(wanted):
            return _summed(dict(applied).values())  # entries of one transaction share a receipt
        if len(applied) != done:
            done, since = len(applied), loop.time()
        if running is None:
            running = await sinks_running(settings)
        waited = loop.time() - since
        if waited > (patience if running else min(patience, _WITHOUT_SINKS)):
            raise CommandError(not_applied(done, len(wanted), running, waited))
        await asyncio.sleep(_POLL)


def not_applied(done: int, total: int, running: int, waited: float) -> str:
    """Return the sentence for entries that no sink applied for ``waited`` seconds."""
    why = "no sink runs: start one"
    if running:
        sinks = "1 sink runs, and it has applied no entry"
        if running > 1:
            sinks = f"{running} sinks run, and none has applied an entry"
        why = f"{sinks} for {waited:.0f} s: look at `hookline status`"
    return (
        f"{done} of {total} entries of the ledger are applied to the tables, and {why}; what was"
        " written holds: run the same command again, it goes on waiting"
    )


def _is_same(wanted: Entry | None, entry: Entry) -> bool:
    if isinstance(wanted, Rotation) and isinstance(entry, Rotation):
        return wanted.hashed == entry.hashed  # of an earlier run, at another time
    return wanted == entry


async def _applied(settings: Settings, record_keys: list[str]) -> list[tuple[str, Any, Any]]:
    async with connected(settings, "people") as connection:
        cursor = await connection.execute(_APPLIED, [record_keys])
        return [(str(entry), at, receipt) for entry, at, receipt in await cursor.fetchall()]


def _summed(receipts: Iterable[dict[str, int] | None]) -> dict[str, int]:
    total: dict[str, int] = {}
    for receipt in receipts:
        for table, rows in (receipt or {}).items():
            total[table] = total.get(table, 0) + int(rows)
    return dict(sorted(total.items()))


@dataclass(frozen=True, slots=True)
class Plan:
    """What `forget` found and would do. ``rows``: by table; ``written``: entries still to write."""

    person: Person
    rows: dict[str, int]
    letters: int
    reads_contacts: bool
    entries: list[Erasure]
    written: list[Entry]


async def plan(stack: StackAddress, who: Who, because: str, progress: Progress) -> Plan:
    """Find the person; change nothing. Raises CommandError."""
    settings = stack.settings
    if who.email and normal(who.email).strip() in normal(because):
        raise CommandError("--because holds the address: it would be on the ledger for ever")
    reads_contacts = bool(stack.contacts_reader_url)
    async with Found(stack, contacts=reads_contacts) as found:
        person, ledger = await found.look_up(who, progress), found.ledger
        own = OwnRows()
        for session, of in of_sessions(found.sessions, settings.sql_schema):
            add_own_rows(own, session, of, person)
    if not person.subjects:
        raise CommandError("the ledger has no subject of this pseudonym: give a key or an address")
    entries = erasing(person, ledger, because, microseconds())
    written = new_ones(entries, ledger)
    letters = await deliveries.open_letters(settings, person, Search(person), progress)
    return Plan(person, own.counts(), letters.count, reads_contacts, entries, written)


async def carry_out(stack: StackAddress, planned: Plan, progress: Progress) -> dict[str, Any]:
    """Erase the person: ledger, dead letters, then wait for the sinks. Return the receipt.

    Raises CommandError where they do not go on.
    """
    settings, person = stack.settings, planned.person
    await runtime_erasures.record(settings, planned.written)
    letters = await deliveries.open_letters(settings, person, Search(person), progress)
    await deliveries.discard(settings, letters)
    deleted, entries = await wait_applied(settings, planned.entries, progress), planned.entries
    while late := await _late(settings, entries):
        await runtime_erasures.record(settings, late)
        entries = [*entries, *late]
        deleted = await wait_applied(settings, entries, progress)
    return {
        **who_is_erased(entries, planned.written),
        "deleted": deleted,
        "dead_letters_discarded": letters.names,
        "ledger_entries": len(entries),
        "ledger_entries_written": len(planned.written) + len(entries) - len(planned.entries),
        "last_copy_in_the_log_gone_by": gone_by(now()),
    }


def who_is_erased(entries: Sequence[Erasure], written: Sequence[Entry]) -> dict[str, Any]:
    """Return since when a person is erased, and by which names. ``written``: what was new."""
    spans = [each.spans[-1] for each in entries]
    since = min(span.erased_at for span in spans)
    subjects = [each.subject for each in entries]
    return {
        "erased_at": datetime.fromtimestamp(since // 1_000_000, UTC),
        "was_erased_before": since < min((_erased_at(each) for each in written), default=since + 1),
        "pseudonyms": sorted({span.pseudonym for span in spans}),
        "customers": sorted(each for each in subjects if "/" in each),
        "hashes": sorted(each for each in subjects if "/" not in each),
    }


def _erased_at(entry: Entry) -> int:
    return entry.at if isinstance(entry, Rotation) else entry.spans[-1].erased_at


async def _late(settings: Settings, entries: Sequence[Erasure]) -> list[Erasure]:
    """Return entries for customers of the person who came while the ledger was written.

    Their events have the pseudonym by now; only their contact data can have been stored.
    """
    await asyncio.sleep(_SETTLED)
    last = entries[0].spans[-1]
    known = [each.subject for each in entries]
    async with connected(settings, "people") as connection:
        cursor = await connection.execute(_LATE, [f"%{last.pseudonym}%", known])
        keys = [str(key) for (key,) in await cursor.fetchall()]
    return [Erasure(subject=key, spans=(last,), because=entries[0].because) for key in keys]


async def allow(stack: StackAddress, who: Who) -> int:
    """Close the open erasures of a person; return how many they are."""
    async with Found(stack, contacts=False) as found:
        person = await found.look_up(who)
        entries = allowing(person, found.ledger, microseconds())
    await runtime_erasures.record(stack.settings, entries)
    return len(entries)


def microseconds() -> int:
    """The time now, as the ledger has it."""
    return time.time_ns() // 1000


def now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)
