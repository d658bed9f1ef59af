"""What audits found settled, kept in PostgreSQL for when retention has trimmed the log.

A row holds one range of raw offsets of a partition. As long as the range is still in the log
it is counted anew at each audit; afterwards the row speaks for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from psycopg.types.json import Jsonb

from hookline.audit.books import Count
from hookline.tables.session import Connection
from sinks.postgres.migrate import lock_key

_READ = """
    SELECT begin_offset, end_offset, shops FROM audit_ledger
    WHERE topic = %s AND partition = %s ORDER BY begin_offset
"""
_FORGET = "DELETE FROM audit_ledger WHERE topic = %s AND partition = %s"
_WRITE = """
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
    """What the log has lost of a partition, and what the ledger knows of it.

    ``begin``: from where on the log itself is counted. ``unknown``: trimmed ranges that no
    audit found settled before. ``known_to``: behind the last offset that the ledger speaks of.
    """

    begin: int
    entries: tuple[Entry, ...] = ()
    unknown: tuple[tuple[int, int], ...] = ()
    known_to: int = 0


def trimmed(entries: Sequence[Entry], log_start: int) -> Trimmed:
    """The part of a partition that can no longer be counted from a log that starts there.

    ``entries`` in order. One that the log has lost only in part speaks for all of its range.
    """
    lost = tuple(entry for entry in entries if entry.begin < log_start)
    unknown, reached = [], 0
    for entry in lost:
        if entry.begin > reached:
            unknown.append((reached, entry.begin))
        reached = entry.end
    if reached < log_start:
        unknown.append((reached, log_start))
    known_to = entries[-1].end if entries else 0
    return Trimmed(max(reached, log_start), lost, tuple(unknown), known_to)


async def read(connection: Connection, topic: str, partition: int) -> list[Entry]:
    """A partition's entries, in order."""
    cursor = await connection.execute(_READ, [topic, partition])
    return [
        Entry(begin, end, {shop: Count(**count) for shop, count in shops.items()})
        async for begin, end, shops in cursor
    ]


async def write(
    connection: Connection, schema: str, topic: str, partition: int, entries: Sequence[Entry]
) -> None:
    """Put ``entries`` in the place of all that stand for a partition."""
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(%s)", [lock_key(schema, "audit-ledger")]
        )
        await connection.execute(_FORGET, [topic, partition])
        for entry in entries:
            shops = {
                shop: {name: number for name, number in asdict(count).items() if number}
                for shop, count in entry.shops.items()
            }
            await connection.execute(
                _WRITE, [topic, partition, entry.begin, entry.end, Jsonb(shops)]
            )


def joined(entries: Sequence[Entry]) -> list[Entry]:
    """The same counts in as few rows: ranges that touch become one."""
    made: list[Entry] = []
    for entry in entries:
        if made and made[-1].end == entry.begin:
            before = made.pop()
            shops = {
                shop: before.shops.get(shop, Count()) + entry.shops.get(shop, Count())
                for shop in {**before.shops, **entry.shops}
            }
            made.append(Entry(before.begin, entry.end, shops))
        else:
            made.append(entry)
    return made
