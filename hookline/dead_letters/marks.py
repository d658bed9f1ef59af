"""What operators made of dead letters: replayed, or discarded with a reason.

A table, not records in the topic of the letters: that topic is the processors' dedupe state, and
whoever reads it would have to tell marks from verdicts. A mark is a note of an operator: where
it is lost the letter shows again, and a replay asks Kafka what really stands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition

from hookline.tables.session import Connection

REPLAYED, DISCARDED = "replayed", "discarded"

_READ = """
    SELECT letter_offset, delivery_id, mark, reason, marked_at FROM letter_marks
    WHERE topic = %s AND partition = %s AND letter_offset = ANY(%s)
"""
_WRITE = """
    INSERT INTO letter_marks (topic, partition, letter_offset, delivery_id, mark, reason)
    SELECT %s, %s, told.at, told.delivery, %s, %s
    FROM unnest(%s::bigint[], %s::text[]) AS told (at, delivery)
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
    connection: Connection, place: TopicPartition, offsets: Sequence[int]
) -> dict[int, Mark]:
    """The marks on letters at these offsets of one partition."""
    if not offsets:
        return {}
    cursor = await connection.execute(_READ, [place.topic, place.partition, list(offsets)])
    return {offset: Mark(*told) async for offset, *told in cursor}


async def write(
    connection: Connection,
    place: TopicPartition,
    letters: Iterable[tuple[int, str]],
    kind: str,
    reason: str,
) -> None:
    """Mark letters, (offset, delivery id) each, of one partition."""
    told = list(letters)
    if told:
        offsets, deliveries = [offset for offset, _ in told], [delivery for _, delivery in told]
        await connection.execute(
            _WRITE, [place.topic, place.partition, kind, reason, offsets, deliveries]
        )
