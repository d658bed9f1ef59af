"""Entries of the ledger, each applied to the tables once."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection

from schemas.events import Micros
from schemas.json_records import erasures
from schemas.json_records.erasures import Entry, Ledger, Rotation
from sinks.erasure.rename import Names, rename
from sinks.merge.last_writer import Layers, load
from sinks.postgres.session import Database
from sinks.store.entity_locks import MoreKeysError
from sinks.store.entity_rows import CONTACTS, contact_row

Connection = AsyncConnection[Any]
# Whoever writes events has read the table: it waits here until those transactions have ended,
# and theirs that begin later see what this one writes.
_LOCK = "LOCK TABLE erasures IN ACCESS EXCLUSIVE MODE"
_STORED = "SELECT record_key, entry FROM erasures WHERE record_key = ANY(%b)"
_SAVE = """
    INSERT INTO erasures (record_key, entry, receipt) VALUES (%s, %s::jsonb, '{}')
    ON CONFLICT (record_key) DO UPDATE SET entry = excluded.entry, number = DEFAULT,
        applied_at = now()
"""
_LOW_BITS = 127
"""Of a byte of a length in Avro; the highest says that more follow."""
_RECEIPT = "UPDATE erasures SET receipt = %b::jsonb WHERE record_key = ANY(%b)"
# Hashes of the same addresses by other contact keys, and what the ledger has about them.
_NAMED = """
    WITH RECURSIVE named (hash) AS (
        SELECT unnest(%b::text[])
        UNION
        SELECT other.hash FROM named, LATERAL (
            SELECT entry->>'hashed' FROM erasures WHERE record_key = 'rotation/' || named.hash
            UNION ALL SELECT entry->>'before' FROM erasures WHERE entry->>'hashed' = named.hash
        ) AS other (hash)
    )
    SELECT hash, entry, number FROM named LEFT JOIN erasures
        ON record_key = ANY(ARRAY['rotation/' || hash, 'erasure/' || hash])
    ORDER BY number
"""
_ALSO = "SELECT customer_key FROM customers WHERE email_hash = ANY(%b) AND customer_id IS NOT NULL"
_CONTACTS = """
    SELECT c.customer_key, k.email_hash, c.layers
    FROM customer_contacts c LEFT JOIN customers k USING (customer_key)
    WHERE c.customer_key = ANY(%b) OR EXISTS (
        SELECT FROM jsonb_array_elements(c.layers) AS layer
        WHERE layer->2->>'email_hash' = ANY(%b)
    )
"""
_REJECTS = """
    SELECT topic, partition, record_offset, record_key, record_value FROM sink_rejects
    WHERE EXISTS (
        SELECT FROM unnest(%b::text[]) AS subject (text)
        WHERE position(convert_to(subject.text, 'UTF8') IN record_value) > 0
            OR position(convert_to(subject.text, 'UTF8') IN record_key) > 0
    )
"""
_DELETE_REJECTS = """
    DELETE FROM sink_rejects WHERE (topic, partition, record_offset) IN (
        SELECT * FROM unnest(%b::text[], %b::integer[], %b::bigint[])
    )
"""


async def apply_all(
    database: Database,
    given: Callable[[Connection], Awaitable[Iterable[Entry]]],
    clock: Callable[[], Micros],
) -> int:
    """Apply what ``given`` reads, in a transaction of ``database``; return how many entries."""
    extra: frozenset[str] = frozenset()
    while True:

        async def work(connection: Connection, keys: frozenset[str] = extra) -> int:
            return await apply_entries(connection, await given(connection), keys, clock)

        try:
            return await database.run(work)
        except MoreKeysError as error:
            extra |= error.keys


async def apply_entries(
    connection: Connection,
    entries: Iterable[Entry],
    extra: frozenset[str],
    clock: Callable[[], Micros],
) -> int:
    """Apply what is not applied yet, in one transaction with its note; return how many entries.

    Raises MoreKeysError: the caller rolls back and repeats it with these keys in ``extra``.
    """
    newest: dict[str, Entry] = {}
    for entry in entries:
        newest.pop(key := entry.key.decode(), None)  # in the order of the newest
        newest[key] = entry
    if not newest:
        return 0
    await connection.execute(_LOCK)
    cursor = await connection.execute(_STORED, [list(newest)])
    stored = {key: msgspec.convert(entry, Entry) async for key, entry in cursor}
    fresh = {key: entry for key, entry in newest.items() if stored.get(key) != entry}
    if not fresh:
        return 0
    for key, entry in fresh.items():
        await connection.execute(_SAVE, [key, erasures.encode(entry).decode()])
    if receipt := await _apply(connection, list(fresh.values()), extra, clock):
        counts = msgspec.json.encode(receipt).decode()
        await connection.execute(_RECEIPT, [counts, list(fresh)])
    return len(fresh)


async def _apply(
    connection: Connection,
    entries: Sequence[Entry],
    extra: frozenset[str],
    clock: Callable[[], Micros],
) -> Mapping[str, int]:
    names = await _names(connection, entries)
    done: Counter[str] = Counter()
    hashes = [each for each in names.hashes if names.is_erased(each)]
    also = [key async for (key,) in await connection.execute(_ALSO, [hashes])]
    keys = {*names.customers, *also}
    done["customer_contacts"] = await _store_contacts(connection, names, keys)
    if names.ledger.erasures:
        done["sink_rejects"] = await _delete_rejects(connection, [*keys, *hashes])
    done += await rename(connection, names, extra, clock)
    return +done


async def _names(connection: Connection, entries: Sequence[Entry]) -> Names:
    """Return what entries concern, with all that the ledger has about it by now."""
    hashes, customers, ledger = set[str](), set[str](), Ledger()
    for entry in entries:
        if isinstance(entry, Rotation):
            hashes |= {entry.before, entry.hashed}
        elif "/" not in entry.subject:
            hashes.add(entry.subject)
        else:
            customers.add(entry.subject)
            ledger.add(entry)
    async for hashed, entry, _ in await connection.execute(_NAMED, [sorted(hashes)]):
        hashes.add(hashed)
        if entry is not None:
            ledger.add(msgspec.convert(entry, Entry))
    return Names(ledger, hashes, customers)


async def _store_contacts(connection: Connection, names: Names, keys: Iterable[str]) -> int:
    """Delete contact data that an erasure covers, rename the rest; return how many rows changed."""
    changed: dict[str, Layers] = {}
    cursor = await connection.execute(_CONTACTS, [list(keys), list(names.hashes)])
    async for key, hashed, stored in cursor:
        layers = load(stored)
        known = (names.of_contact(key, hashed, layer) for layer in layers)
        kept = tuple(layer for layer in known if layer is not None)
        if kept != layers:
            changed[key] = kept
    rows = (contact_row(key, layers) for key, layers in changed.items() if layers)
    await CONTACTS.replace(connection, changed, rows)
    return len(changed)


async def _delete_rejects(connection: Connection, subjects: Sequence[str]) -> int:
    """Delete records set aside that hold one of the subjects; return how many."""
    wholes = [whole(subject) for subject in subjects]
    found = [
        tuple(place)
        async for *place, key, value in await connection.execute(_REJECTS, [subjects])
        if any(each.search(text) for text in (key, value) if text is not None for each in wholes)
    ]
    if found:
        await connection.execute(
            _DELETE_REJECTS, [list(column) for column in zip(*found, strict=True)]
        )
    return len(found)


def whole(subject: str) -> re.Pattern[bytes]:
    """Return a pattern of a subject that is no beginning of a longer key: 1 is not in 12.

    In an Avro record its length precedes it, and any byte may follow.
    """
    text = subject.encode()
    length = 2 * len(text)
    before = bytearray()
    while length > _LOW_BITS:
        before.append(length & _LOW_BITS | _LOW_BITS + 1)
        length >>= 7
    before.append(length)
    named, avro = re.escape(text), re.escape(bytes(before))
    return re.compile(avro + named + rb"|" + named + rb"(?![\w.:\x80-\xff-])")
