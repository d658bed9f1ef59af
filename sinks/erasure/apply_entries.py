"""Entries of the ledger, each applied to the tables once."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection

from schemas import erasures
from schemas.erasures import Entry, Erasure, Rotation
from schemas.events import Micros
from sinks.erasure.rename import Names, rename

Connection = AsyncConnection[Any]
# Whoever writes events has read the table: it waits here until those transactions have ended,
# and theirs that begin later see what this one writes.
_LOCK = "LOCK TABLE erasures IN ACCESS EXCLUSIVE MODE"
_STORED = "SELECT record_key, entry FROM erasures WHERE record_key = ANY(%b)"
_SAVE = """
    INSERT INTO erasures (record_key, entry, receipt) VALUES (%s, %s::jsonb, %s::jsonb)
    ON CONFLICT (record_key) DO UPDATE SET entry = excluded.entry, number = DEFAULT,
        applied_at = now(), receipt = CASE
            WHEN excluded.receipt = '{}' THEN erasures.receipt ELSE excluded.receipt END
"""
_ALSO = "SELECT customer_key FROM customers WHERE email_hash = ANY(%b) AND customer_id IS NOT NULL"
_DELETE_CONTACTS = "DELETE FROM customer_contacts WHERE customer_key = ANY(%b)"
_DELETE_REJECTS = """
    DELETE FROM sink_rejects r USING unnest(%b::text[]) AS subject (text)
    WHERE position(convert_to(subject.text, 'UTF8') IN r.record_value) > 0
       OR position(convert_to(subject.text, 'UTF8') IN r.record_key) > 0
"""


async def apply_entries(
    connection: Connection,
    entries: Iterable[Entry],
    extra: frozenset[str],
    clock: Callable[[], Micros],
) -> int:
    """Apply what is not applied yet, in one transaction with its note; return how many entries.

    Raises MoreKeysError: the caller rolls back and repeats it with these keys in ``extra``.
    """
    newest = {entry.key.decode(): entry for entry in entries}
    if not newest:
        return 0
    await connection.execute(_LOCK)
    cursor = await connection.execute(_STORED, [list(newest)])
    stored = {key: msgspec.convert(entry, Entry) async for key, entry in cursor}
    fresh = {key: entry for key, entry in newest.items() if stored.get(key) != entry}
    if not fresh:
        return 0
    receipt = await _apply(connection, list(fresh.values()), extra, clock)
    counts = msgspec.json.encode(receipt).decode()
    for key, entry in fresh.items():
        await connection.execute(_SAVE, [key, erasures.encode(entry).decode(), counts])
    return len(fresh)


async def _apply(
    connection: Connection,
    entries: Sequence[Entry],
    extra: frozenset[str],
    clock: Callable[[], Micros],
) -> Mapping[str, int]:
    hashes = {entry.before: entry.hashed for entry in entries if isinstance(entry, Rotation)}
    customers: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Erasure) and entry.is_open:
            by_hash = "/" not in entry.subject
            (hashes if by_hash else customers)[entry.subject] = entry.spans[-1].pseudonym
    erased = {each for each, name in hashes.items() if erasures.is_pseudonym(name)}
    done: Counter[str] = Counter()
    if erased or customers:
        also = [key async for (key,) in await connection.execute(_ALSO, [list(erased)])]
        keys = [*customers, *also]
        gone = await connection.execute(_DELETE_CONTACTS, [keys])
        done["customer_contacts"] = gone.rowcount
        gone = await connection.execute(_DELETE_REJECTS, [[*keys, *erased]])
        done["sink_rejects"] = gone.rowcount
    if hashes or customers:
        done += await rename(connection, Names(hashes, customers), extra, clock)
    return +done
