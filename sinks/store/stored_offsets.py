"""Stored offsets (table ``fences``): how far each partition is in the tables.

They decide where the sinks continue; Kafka's commits only show the lag.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, errors

from runtime import logs
from runtime.stage import Partition

_TAKE_OVER_WAIT = "2s"
"""How long a new owner waits for the previous owner's transaction before it ends that session."""
# NOT EXISTS: ON CONFLICT DO NOTHING alone would wait for a transaction that updates the row.
_NEW = """
    INSERT INTO fences (topic, partition)
    SELECT new.topic, new.number FROM unnest(%b::text[], %s::int[]) AS new (topic, number)
    WHERE NOT EXISTS (
        SELECT FROM fences WHERE fences.topic = new.topic AND fences.partition = new.number
    )
    ON CONFLICT DO NOTHING
"""
_MOVE = """
    UPDATE fences
    SET next_offset = move.past, cluster_id = %s, last_event_id = move.event, updated_at = now()
    FROM unnest(%b::text[], %s::int[], %s::bigint[], %s::bigint[], %b::text[])
        AS move (topic, number, start, past, event)
    WHERE fences.topic = move.topic AND partition = move.number AND next_offset = move.start
"""
_SKIP = """
    UPDATE fences AS old SET next_offset = log.start, last_event_id = NULL, updated_at = now()
    FROM unnest(%b::text[], %s::int[], %s::bigint[]) AS log (topic, number, start)
    JOIN fences AS kept ON kept.topic = log.topic AND kept.partition = log.number
    WHERE old.topic = log.topic AND old.partition = log.number AND old.next_offset < log.start
    RETURNING old.topic, old.partition, log.start - kept.next_offset
"""
_log = logs.get("hookline.sinks.fences")


@dataclass(frozen=True, slots=True)
class StoredOffset:
    """A partition's next offset to store, the cluster it is in, and its last stored event."""

    next_offset: int
    cluster_id: str | None = None
    last_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A step of a partition's stored offset from ``start`` to ``end``, after its last event."""

    partition: Partition
    start: int
    end: int
    last_event_id: str | None = None


async def read_all(connection: AsyncConnection[Any]) -> dict[Partition, StoredOffset]:
    """Return the stored offset of every stored partition."""
    cursor = await connection.execute(
        "SELECT topic, partition, next_offset, cluster_id, last_event_id FROM fences"
    )
    return {Partition(*row[:2]): StoredOffset(*row[2:]) async for row in cursor}


async def next_offsets(connection: AsyncConnection[Any]) -> dict[Partition, int]:
    """Return the next offset of every stored partition."""
    return {tp: offset.next_offset for tp, offset in (await read_all(connection)).items()}


async def move(
    connection: AsyncConnection[Any], moves: Sequence[Move], cluster_id: str | None
) -> int:
    """Apply the moves whose ``start`` is the stored offset; return how many these are.

    A caller that needs all of them rolls back where some did not apply.
    """
    order = sorted(moves, key=lambda move: (move.partition.topic, move.partition.number))
    cursor = await connection.execute(
        _MOVE,
        [
            cluster_id,
            [move.partition.topic for move in order],
            [move.partition.number for move in order],
            [move.start for move in order],
            [move.end for move in order],
            [move.last_event_id for move in order],
        ],
    )
    return cursor.rowcount


async def skip_trimmed(
    connection: AsyncConnection[Any], starts: Mapping[Partition, int]
) -> dict[Partition, int]:
    """Move stored offsets to where these logs begin; return how many records each has lost.

    Only for logs with a retention, whose trimming is what was asked for.
    """
    order = sorted(starts, key=lambda p: (p.topic, p.number))
    cursor = await connection.execute(
        _SKIP,
        [[p.topic for p in order], [p.number for p in order], [starts[p] for p in order]],
    )
    lost = {Partition(topic, number): count async for topic, number, count in cursor}
    for partition, count in lost.items():
        _log.warning("records were trimmed before they were stored", log=partition, records=count)
    return lost


async def take_over(
    connection: AsyncConnection[Any], partitions: Sequence[Partition], holder: str
) -> dict[Partition, StoredOffset]:
    """Make ``holder`` (a session's application_name) the owner; return the stored offsets.

    A session that still locks one of the rows after _TAKE_OVER_WAIT is terminated: it belongs to
    a process that has been stopped, and its transaction could only fail.
    """
    order = sorted(partitions, key=lambda p: (p.topic, p.number))
    await connection.execute(_NEW, [[p.topic for p in order], [p.number for p in order]])
    await connection.execute("SELECT set_config('lock_timeout', %s, true)", [_TAKE_OVER_WAIT])
    for partition in order:
        await _claim(connection, partition, holder)
    stored = await read_all(connection)
    return {partition: stored[partition] for partition in order}


async def _claim(connection: AsyncConnection[Any], partition: Partition, holder: str) -> None:
    row = [partition.topic, partition.number]
    claim = "UPDATE fences SET holder = %s WHERE topic = %s AND partition = %s"
    try:
        async with connection.transaction():
            await connection.execute(claim, [holder, *row])
    except errors.LockNotAvailable:
        cursor = await connection.execute(
            "SELECT holder, count(pg_terminate_backend(pid)) FROM fences"
            " JOIN pg_stat_activity ON application_name = holder"
            " WHERE topic = %s AND partition = %s AND holder <> %s GROUP BY holder",
            [*row, holder],
        )
        ended = await cursor.fetchone()
        _log.warning(
            "ended the session of a stopped sink", holder=ended and ended[0], fence=str(partition)
        )
        await connection.execute(claim, [holder, *row])
