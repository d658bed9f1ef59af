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
from runtime.stage import Partition
from sinks.dead_letters import count_store, letters
from sinks.dead_letters.letters import DISCARDED, REPLAYED

if TYPE_CHECKING:
    from hookline.dead_letters.letters import DeadLetter

__all__ = ["DISCARDED", "READ", "REPLAYED", "Mark", "read", "write"]

READ = """
    SELECT letter_offset, delivery_id, mark, reason, marked_at FROM letter_marks
    WHERE topic = %s AND partition = %s AND letter_offset = ANY(%s)
"""
"""Marks by topic, partition and a list of offsets."""


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
    cursor = await connection.execute(READ, [tp.topic, tp.partition, list(offsets)])
    return {offset: Mark(*values) async for offset, *values in cursor}


async def write(
    connection: Connection,
    tp: TopicPartition,
    marked: "Iterable[DeadLetter]",
    kind: str,
    reason: str,
) -> None:
    """Mark letters of one partition, and count them as settled: ``dead_letter_counts``.

    A letter that has a mark gets this one instead.
    """
    if counted := [_counted(letter) for letter in marked]:
        partition = Partition(tp.topic, tp.partition)
        await count_store.mark(connection, partition, counted, kind, reason)


def _counted(letter: "DeadLetter") -> letters.Letter:
    source, _, shop = letter.shop.partition("/")
    at = letter.received_us
    group = letters.group_of(source, shop, letter.entity, letter.reason, at)
    return letters.Letter(letter.offset, letter.delivery_id, group, at)
