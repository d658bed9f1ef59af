"""Now: up to when the tables are whole, what holds them, and what has moved."""

from datetime import datetime, timedelta
from typing import Any

from hookline.dashboard.database import Page, Query
from hookline.dashboard.filters import Filters
from hookline.tables.queries import ENTITIES

MINUTES = 60

_FRESHNESS = "SELECT now() AS at, f.* FROM freshness f"
_MINUTES = " UNION ALL ".join(
    f"""
    SELECT '{table}' AS kind, date_trunc('minute', appended_at) AS minute, count(*) AS rows
      FROM {table} WHERE appended_at > now() - interval '{MINUTES} minutes'
     GROUP BY minute"""  # noqa: S608 - our own names
    for table in ENTITIES
)
_ACTIVITY = f"SELECT * FROM ({_MINUTES}) moved ORDER BY minute, kind LIMIT 1000"  # noqa: S608
_PARTITIONS = """
    SELECT topic, count(*) AS partitions, sum(next_offset)::bigint AS stored,
           max(updated_at) AS moved_at, count(DISTINCT holder) AS sessions
      FROM fences GROUP BY topic ORDER BY topic LIMIT 100
"""
_SINKS = """
    SELECT holder, count(*) AS partitions, max(updated_at) AS moved_at
      FROM fences WHERE holder IS NOT NULL GROUP BY holder ORDER BY moved_at DESC LIMIT 50
"""
_WAITING = """
    SELECT (SELECT count(*) FROM outbox) AS signals,
           (SELECT min(written_at) FROM outbox) AS oldest_signal,
           (SELECT count(*) FROM carts WHERE next_due IS NOT NULL) AS carts_open,
           (SELECT coalesce(sum(open), 0)::bigint FROM dead_letters_by_day) AS dead_letters,
           (SELECT max(predicted_at) FROM prediction_runs) AS predicted_at
"""

ADVICE = {
    "sweep": "See whether a sink runs and reaches Kafka: `hookline status`, and the sinks' log.",
    "ingress": "See whether an ingress runs and reaches Kafka: `hookline status`. After a silence,"
    " senders may still deliver what they held back (HOOKLINE_SENDER_GRACE).",
    "processors": "See the log of the processor that has this partition. More processors share the"
    " work: `hookline process`.",
    "sinks": "See the log of the sink that has this partition. More sinks share the work:"
    " `hookline sink`.",
}
"""What holds the tables -> what to look at."""
LATE = timedelta(minutes=2)
"""Behind by more than this, although nothing holds them, is late."""


def view(query: Query, _filters: Filters) -> Page:
    """Return how fresh the tables are, the last hour by minute, and what waits."""
    fresh = freshness(query)
    at = fresh["at"]
    [waiting] = query(_WAITING).as_dicts()
    return {
        "at": at,
        "freshness": fresh,
        "minutes": _minutes(query(_ACTIVITY).rows, at),
        "topics": query(_PARTITIONS).as_dicts(),
        "sinks": query(_SINKS).as_dicts(),
        "waiting": waiting,
    }


def freshness(query: Query) -> Page:
    """Return how fresh the tables are: every page shows it."""
    [fresh] = query(_FRESHNESS).as_dicts()
    return {**fresh, "state": state_of(fresh), "advice": ADVICE.get(fresh["held_by"])}


def state_of(fresh: dict[str, Any]) -> str:
    """Return ``ok``, ``late``, ``held``, or ``waiting`` where nothing is known yet."""
    if fresh["whole_until"] is None:
        return "waiting"
    if fresh["held_by"] is not None:
        return "held"
    return "late" if fresh["behind"] > LATE else "ok"


def _minutes(rows: Any, at: datetime) -> list[dict[str, Any]]:
    """Every minute of the last hour, oldest first, with its rows by kind."""
    by_minute: dict[datetime, dict[str, int]] = {}
    for kind, minute, count in rows:
        by_minute.setdefault(minute, {})[kind] = count
    last = at.replace(second=0, microsecond=0)
    minutes = (last - timedelta(minutes=back) for back in reversed(range(MINUTES)))
    return [
        {"minute": minute, "kinds": kinds, "rows": sum(kinds.values())}
        for minute in minutes
        for kinds in [by_minute.get(minute, {})]
    ]
