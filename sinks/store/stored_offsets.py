"""Fences: how far each partition stands in the tables. They, not Kafka's commits, decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, errors

from runtime import logs
from runtime.stage import Partition
from sinks.postgres.arrays import texts

_PATIENCE = "2s"
"""How long a new owner waits for the old one's transaction before it ends that session."""
# A row that stands is left alone: even ON CONFLICT DO NOTHING would wait for who moves it.
_NEW = """
    INSERT INTO fences (topic, partition)
    SELECT told.topic, told.number FROM unnest(%s::text[], %s::int[]) AS told (topic, number)
    WHERE NOT EXISTS (
        SELECT FROM fences WHERE fences.topic = told.topic AND fences.partition = told.number
    )
    ON CONFLICT DO NOTHING
"""
_MOVE = """
    UPDATE fences
    SET next_offset = told.past, cluster_id = %s, last_event_id = told.event, updated_at = now()
    FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])
        AS told (topic, number, due, past, event)
    WHERE fences.topic = told.topic AND partition = told.number AND next_offset = told.due
"""
_log = logs.get("hookline.sinks.fences")


@dataclass(frozen=True, slots=True)
class Fence:
    """Where a partition stands: the offset to read next, its cluster, its last event's id."""

    next_offset: int
    cluster_id: str | None = None
    last_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's fence from ``start`` to ``end``, behind the event with that id."""

    partition: Partition
    start: int
    end: int
    last_event_id: str | None = None


async def read(connection: AsyncConnection[Any], partition: Partition) -> Fence:
    """The fence as committed; at 0 where the partition was never stored."""
    cursor = await connection.execute(
        "SELECT next_offset, cluster_id, last_event_id FROM fences"
        " WHERE topic = %s AND partition = %s",
        [partition.topic, partition.number],
    )
    row = await cursor.fetchone()
    return Fence(0) if row is None else Fence(*row)


async def read_all(connection: AsyncConnection[Any]) -> dict[Partition, int]:
    """Every fence's offset to read next."""
    cursor = await connection.execute("SELECT topic, partition, next_offset FROM fences")
    return {Partition(topic, number): at async for topic, number, at in cursor}


async def move(
    connection: AsyncConnection[Any], moves: Sequence[Move], cluster_id: str | None
) -> int:
    """Move the fences that stand at the start of their move; returns how many did.

    Whoever wanted all of them to move rolls back where it is fewer.
    """
    order = sorted(moves, key=lambda move: (move.partition.topic, move.partition.number))
    cursor = await connection.execute(
        _MOVE,
        [
            cluster_id,
            texts(move.partition.topic for move in order),
            [move.partition.number for move in order],
            [move.start for move in order],
            [move.end for move in order],
            [move.last_event_id for move in order],
        ],
    )
    return cursor.rowcount


async def take_over(
    connection: AsyncConnection[Any], partitions: Sequence[Partition], holder: str
) -> dict[Partition, Fence]:
    """Make ``holder`` (a session's application_name) the holder of these; give their fences.

    A session that still holds one of them inside a transaction is ended after a while: it
    belongs to a process that was stopped, and its transaction could only fail.
    """
    order = sorted(partitions, key=lambda p: (p.topic, p.number))
    await connection.execute(_NEW, [[p.topic for p in order], [p.number for p in order]])
    await connection.execute("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE])
    for partition in order:
        await _claim(connection, partition, holder)
    return {partition: await read(connection, partition) for partition in order}


async def _claim(connection: AsyncConnection[Any], partition: Partition, holder: str) -> None:
    place = [partition.topic, partition.number]
    claim = "UPDATE fences SET holder = %s WHERE topic = %s AND partition = %s"
    try:
        async with connection.transaction():
            await connection.execute(claim, [holder, *place])
    except errors.LockNotAvailable:
        cursor = await connection.execute(
            "SELECT holder, count(pg_terminate_backend(pid)) FROM fences"
            " JOIN pg_stat_activity ON application_name = holder"
            " WHERE topic = %s AND partition = %s AND holder <> %s GROUP BY holder",
            [*place, holder],
        )
        ended = await cursor.fetchone()
        _log.warning(
            "ended the session of a stopped sink", holder=ended and ended[0], fence=str(partition)
        )
        await connection.execute(claim, [holder, *place])
