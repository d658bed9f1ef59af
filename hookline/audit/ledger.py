"""Settled audit counts, kept in PostgreSQL for when retention has trimmed the log.

A row holds one range of raw offsets of a partition. While the range is still in the log it is
counted again by each audit; once it is trimmed, the row is used instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from psycopg.types.json import Jsonb

from hookline.audit.tally import Count
from hookline.tables.queries import Connection
from sinks.postgres.migrate import lock_key

_READ = """
    SELECT begin_offset, end_offset, shops FROM audit_ledger
    WHERE topic = %s AND partition = %s ORDER BY begin_offset
"""
_DELETE = "DELETE FROM audit_ledger WHERE topic = %s AND partition = %s"
_INSERT = """
    INSERT INTO audit_ledger (topic, partition, begin_offset, end_offset, shops)
    VALUES (%s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Counts by shop of the raw offsets ``[begin, end)``, all settled."""

    begin: int
    end: int
    shops: Mapping[str, Count]


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What the log has lost of a partition, and what the ledger holds of that.

    ``begin``: the offset from which the log itself is counted. ``unknown``: trimmed ranges that
    no audit found settled before. ``audited_to``: the end of the last entry.
    """

    begin: int
    entries: tuple[Entry, ...] = ()
    unknown: tuple[tuple[int, int], ...] = ()
    audited_to: int = 0


def trimmed(entries: Sequence[Entry], log_start: int) -> Trimmed:
    """Return the part of a partition that a log starting at ``log_start`` no longer covers.

    ``entries`` in order. An entry that the log has lost only in part counts for its whole range.
    """
    used = tuple(entry for entry in entries if entry.begin < log_start)
    unknown, reached = [], 0
    for entry in used:
        if entry.begin > reached:
            unknown.append((reached, entry.begin))
        reached = entry.end
    if reached < log_start:
        unknown.append((reached, log_start))
    audited_to = entries[-1].end if entries else 0
    return Trimmed(max(reached, log_start), used, tuple(unknown), audited_to)


async def read(connection: Connection, topic: str, partition: int) -> list[Entry]:
    """Read a partition's entries, in order."""
    cursor = await connection.execute(_READ, [topic, partition])
    return [
        Entry(begin, end, {shop: Count(**count) for shop, count in shops.items()})
        async for begin, end, shops in cursor
    ]


async def write(
    connection: Connection, schema: str, topic: str, partition: int, entries: Sequence[Entry]
) -> None:
    """Replace all entries of a partition, in one transaction."""
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(%s)", [lock_key(schema, "audit-ledger")]
        )
        await connection.execute(_DELETE, [topic, partition])
        for entry in entries:
            shops = {
                shop: {name: number for name, number in asdict(count).items() if number}
                for shop, count in entry.shops.items()
            }
            await connection.execute(
                _INSERT, [topic, partition, entry.begin, entry.end, Jsonb(shops)]
            )


def merge_adjacent(entries: Sequence[Entry]) -> list[Entry]:
    """Merge entries whose ranges touch, adding up their counts."""
    merged: list[Entry] = []
    for entry in entries:
        if merged and merged[-1].end == entry.begin:
            previous = merged.pop()
            shops = {
                shop: previous.shops.get(shop, Count()) + entry.shops.get(shop, Count())
                for shop in {**previous.shops, **entry.shops}
            }
            merged.append(Entry(previous.begin, entry.end, shops))
        else:
            merged.append(entry)
    return merged
