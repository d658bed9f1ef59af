"""Records that cannot be stored: kept whole, in the transaction that moves the stored offset."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from sinks.log import event_id

_WRITE = """
    INSERT INTO sink_rejects
        (topic, partition, record_offset, event_id, record_key, record_value, reason, detail)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


class Reject(NamedTuple):
    """A row of ``sink_rejects``. ``detail`` never quotes the record: it may hold personal data."""

    topic: str
    partition: int
    offset: int
    event_id: str | None
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str


def reject(record: Any, reason: str, detail: str) -> Reject:
    """Build the reject of a consumer record."""
    identifier = event_id(record.headers)
    if identifier is not None and "\0" in identifier:  # PostgreSQL's text cannot hold it
        identifier = None
    return Reject(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        event_id=identifier,
        key=record.key,
        value=record.value,
        reason=reason,
        detail=detail,
    )


async def write(connection: AsyncConnection[Any], rejects: Sequence[Reject]) -> None:
    """Insert rejects."""
    for row in rejects:
        await connection.execute(_WRITE, row)
