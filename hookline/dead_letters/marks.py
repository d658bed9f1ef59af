"""What operators decided about dead letters: replayed, or discarded with a reason.

Marks are a table, not records of the dead-letter topic: that topic is the processors' dedupe
state, and every reader of it would have to skip the marks. A lost mark does no harm: the
letter is listed as open again, and a replay asks Kafka whether it was settled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from hookline.tables.queries import Connection

if TYPE_CHECKING:
    from hookline.dead_letters.letters import DeadLetter

REPLAYED, DISCARDED = "replayed", "discarded"

_READ = """
    SELECT letter_offset, delivery_id, mark, reason, marked_at FROM letter_marks
    WHERE topic = %s AND partition = %s AND letter_offset = ANY(%s)
"""
_WRITE = """
    INSERT INTO letter_marks (topic, partition, letter_offset, delivery_id, mark, reason)
    SELECT %s, %s, letter.at, letter.delivery, %s, %s
    FROM unnest(%s::bigint[], %s::text[]) AS letter (at, delivery)
    ON CONFLICT (topic, partition, letter_offset) DO UPDATE SET delivery_id = excluded.delivery_id,
        mark = excluded.mark, reason = excluded.reason, marked_at = now()
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark; ``kind`` is REPLAYED or DISCARDED."""

    delivery_id: str
    kind: str
    reason: str
    at: datetime


async def read(
    connection: Connection, tp: TopicPartition, offsets: Sequence[int]
) -> dict[int, Mark]:
    """Return the marks of letters at these offsets of one partition."""
    if not offsets:
        return {}
    cursor = await connection.execute(_READ, [tp.topic, tp.partition, list(offsets)])
    return {offset: Mark(*values) async for offset, *values in cursor}


async def write(
    connection: Connection,
    tp: TopicPartition,
    letters: "Iterable[DeadLetter]",
    kind: str,
    reason: str,
) -> None:
    """Mark letters of one partition; a letter that has a mark gets this one instead."""
    deliveries = {letter.offset: letter.delivery_id for letter in letters}
    if deliveries:
        offsets, ids = list(deliveries), list(deliveries.values())
        await connection.execute(_WRITE, [tp.topic, tp.partition, kind, reason, offsets, ids])
