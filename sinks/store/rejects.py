"""Records that could not be stored: kept whole, in the transaction that moves the fence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from sinks.log import event_id

_WRITE = """
    INSERT INTO sink_rejects
        (topic, partition, record_offset, event_id, record_key, record_value, reason, detail)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that the tables cannot hold, and why; ``detail`` quotes nothing of it."""

    topic: str
    partition: int
    offset: int
    event_id: str | None
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str


def reject(record: Any, reason: str, detail: str) -> Reject:
    """A consumer record as a reject."""
    found = event_id(record.headers)
    readable = found is not None and "\0" not in found
    return Reject(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        event_id=found if readable else None,
        key=record.key,
        value=record.value,
        reason=reason,
        detail=detail,
    )


async def write(connection: AsyncConnection[Any], rejects: Sequence[Reject]) -> None:
    """Keep them."""
    for each in rejects:
        await connection.execute(
            _WRITE,
            [
                each.topic,
                each.partition,
                each.offset,
                each.event_id,
                each.key,
                each.value,
                each.reason,
                each.detail,
            ],
        )
