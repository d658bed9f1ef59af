"""The counts in PostgreSQL: tables ``dead_letter_counts`` and ``dead_letter_offsets``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from runtime.stage import Partition
from sinks.dead_letters import letters as rules
from sinks.dead_letters.letters import Counts, Letter

Connection = AsyncConnection[Any]

# A swap of the tables locks them in the order of their names: so does every writer.
_LOCK = "LOCK TABLE dead_letter_counts IN ROW EXCLUSIVE MODE"
_OFFSETS = """
    SELECT partition, next_offset, last_event_id,
        (extract(epoch FROM last_appended_at) * 1000)::bigint
    FROM dead_letter_offsets WHERE topic = %s
"""
_FIRST = """
    INSERT INTO dead_letter_offsets
        (next_offset, last_event_id, last_appended_at, topic, partition)
    VALUES (%s, %s, timestamptz 'epoch' + %s * interval '1 millisecond', %s, %s)
    ON CONFLICT DO NOTHING
"""
_MOVE = """
    UPDATE dead_letter_offsets SET next_offset = %s, last_event_id = %s,
        last_appended_at = timestamptz 'epoch' + %s * interval '1 millisecond', updated_at = now()
    WHERE topic = %s AND partition = %s AND next_offset = %s
"""
_COUNT_MARKS = """
    UPDATE letter_marks SET is_counted = true
    FROM unnest(%s::bigint[], %s::text[]) AS letter (at, delivery)
    WHERE topic = %s AND partition = %s AND letter_offset = letter.at
        AND delivery_id = letter.delivery AND NOT is_counted
    RETURNING letter_offset, mark
"""
_COUNTED_MARKS = """
    SELECT letter_offset, mark
    FROM letter_marks JOIN unnest(%s::bigint[], %s::text[]) AS letter (at, delivery)
        ON letter_offset = letter.at AND delivery_id = letter.delivery
    WHERE topic = %s AND partition = %s AND is_counted
    ORDER BY letter_offset FOR UPDATE OF letter_marks
"""
_MARK = """
    INSERT INTO letter_marks
        (topic, partition, letter_offset, delivery_id, mark, reason, is_counted)
    SELECT %s, %s, letter.at, letter.delivery, %s, %s, true
    FROM unnest(%s::bigint[], %s::text[]) AS letter (at, delivery)
    ORDER BY letter.at
    ON CONFLICT (topic, partition, letter_offset) DO UPDATE SET delivery_id = excluded.delivery_id,
        mark = excluded.mark, reason = excluded.reason, is_counted = true, marked_at = now()
"""
_ADD = """
    INSERT INTO dead_letter_counts AS held (source, shop, day, kind, reason, letters, replayed,
        discarded, first_received_at, last_received_at)
    SELECT source, shop, day, kind, reason, letters, replayed, discarded,
        timestamptz 'epoch' + first * interval '1 microsecond',
        timestamptz 'epoch' + last * interval '1 microsecond'
    FROM unnest(%s::text[], %s::text[], %s::date[], %s::text[], %s::text[], %s::bigint[],
        %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS added (source, shop, day, kind, reason, letters, replayed, discarded, first, last)
    ORDER BY source, shop, day, kind, reason
    ON CONFLICT (source, shop, day, kind, reason) DO UPDATE SET
        letters = held.letters + excluded.letters,
        replayed = held.replayed + excluded.replayed,
        discarded = held.discarded + excluded.discarded,
        first_received_at = least(held.first_received_at, excluded.first_received_at),
        last_received_at = greatest(held.last_received_at, excluded.last_received_at)
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """How far a partition is counted: the next offset, and the last record below it.

    ``last_event_id`` and ``last_appended_ms`` are None where no such record was read.
    """

    next_offset: int
    last_event_id: str | None = None
    last_appended_ms: int | None = None


async def read(connection: Connection, topic: str) -> dict[Partition, Counted]:
    """Return how far each partition of a topic is counted."""
    cursor = await connection.execute(_OFFSETS, [topic])
    return {Partition(topic, number): Counted(*row) async for number, *row in cursor}


async def advance(
    connection: Connection,
    partition: Partition,
    before: Counted | None,
    after: Counted,
    letters: Sequence[Letter] = (),
) -> bool:
    """Count letters of one partition, and move its offset in the same transaction.

    False where ``before`` is not the stored offset any more: another process has counted them, or
    an earlier attempt whose commit was not answered. Nothing is changed then.
    """
    await connection.execute(_LOCK)
    where = [partition.topic, partition.number]
    values = [after.next_offset, after.last_event_id, after.last_appended_ms, *where]
    if before is None:
        cursor = await connection.execute(_FIRST, values)
    else:
        cursor = await connection.execute(_MOVE, [*values, before.next_offset])
    if cursor.rowcount != 1:
        return False
    if letters:
        # Marks of an older version: those written since are counted by who settles the letter.
        cursor = await connection.execute(_COUNT_MARKS, [*_ids(letters), *where])
        await _add(connection, rules.count(letters, dict(await cursor.fetchall())))
    return True


async def mark(
    connection: Connection, partition: Partition, letters: Sequence[Letter], kind: str, reason: str
) -> None:
    """Mark letters of one partition, and count them as settled, in one transaction.

    A letter that has a mark gets this one instead. Letters that are not counted themselves yet
    may be marked.
    """
    async with connection.transaction():
        await connection.execute(_LOCK)
        where, ids = [partition.topic, partition.number], _ids(letters)
        cursor = await connection.execute(_COUNTED_MARKS, [*ids, *where])
        counted = dict(await cursor.fetchall())
        await connection.execute(_MARK, [*where, kind, reason, *ids])
        await _add(connection, rules.settle(letters, counted, kind))


def _ids(letters: Sequence[Letter]) -> list[list[Any]]:
    return [[letter.offset for letter in letters], [letter.delivery_id for letter in letters]]


async def _add(connection: Connection, counts: Counts) -> None:
    rows = [
        (*group[:2], group.day.isoformat(), *group[3:], count.letters, count.replayed,
            count.discarded, count.first_us, count.last_us)
        for group, count in counts.items()
    ]  # fmt: skip
    if rows:
        await connection.execute(_ADD, [list(column) for column in zip(*rows, strict=True)])
