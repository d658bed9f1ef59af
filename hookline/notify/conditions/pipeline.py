"""What is wrong with the pipeline, as its tables show it."""

from datetime import datetime, timedelta
from typing import Any

from hookline.notify.conditions.condition import Condition
from hookline.notify.settings import NotifySettings
from hookline.tables.queries import Rows

FRESHNESS = "SELECT now() AS at, f.* FROM freshness f"
LETTERS = """
    SELECT coalesce(sum(open), 0)::bigint AS open, min(first_received_at) AS first_at,
           count(DISTINCT (source, shop)) AS shops,
           (array_agg(reason ORDER BY open DESC, reason))[1] AS reason
      FROM dead_letters_by_day WHERE open > 0
"""

DO = {
    "sweep": "hookline status; then the log of the sinks",
    "ingress": "hookline status; then the log of the ingress",
    "processors": "hookline status; then the log of the processors",
    "sinks": "hookline status; then the log of the sinks",
    None: "hookline tables freshness",
}
"""What holds the tables -> what to do."""


def unreachable(reason: str, since: datetime, settings: NotifySettings) -> Condition:
    """The tables could not be read."""
    return Condition(
        key="tables-unreachable",
        alert="tables-unreachable",
        scope="tables",
        severity="critical",
        what=f"the tables cannot be read: {reason}",
        do="hookline doctor",
        page="/now",
        since=since,
        after=settings.unreachable,
    )


def conditions(fresh: Rows, letters: Rows, settings: NotifySettings) -> list[Condition]:
    """Return what FRESHNESS and LETTERS show."""
    [row] = fresh.as_dicts()
    found = [_behind(row, settings), _held(row, settings), _open_letters(letters, settings)]
    return [each for each in found if each is not None]


def is_waiting_for_senders(row: dict[str, Any]) -> bool:
    """Whether the tables wait on purpose: the ingress was away (HOOKLINE_SENDER_GRACE)."""
    return row["held_by"] == "ingress" and "hold back" in row["reason"]


def _behind(row: dict[str, Any], settings: NotifySettings) -> Condition | None:
    behind: timedelta | None = row["behind"]
    if behind is None or behind.total_seconds() <= settings.behind or is_waiting_for_senders(row):
        return None
    what = f"the tables are whole up to {_minutes(behind)} ago only"
    return _stalled(alert="tables-behind", what=what, row=row, since=row["whole_until"])


def _held(row: dict[str, Any], settings: NotifySettings) -> Condition | None:
    since = row["held_since"]
    if row["held_by"] is None or since is None or is_waiting_for_senders(row):
        return None
    if (row["at"] - since).total_seconds() <= settings.held:
        return None
    what = f"the tables are held by {row['held_by']}: {row['reason']}"
    return _stalled(alert="tables-held", what=what, row=row, since=since)


def _stalled(*, alert: str, what: str, row: dict[str, Any], since: datetime) -> Condition:
    return Condition(
        key=alert,
        alert=alert,
        scope="pipeline",
        severity="critical",
        what=what,
        do=DO[row["held_by"]],
        page="/now",
        since=since,
    )


def _open_letters(letters: Rows, settings: NotifySettings) -> Condition | None:
    [row] = letters.as_dicts()
    if row["open"] <= settings.letters:
        return None
    return Condition(
        key="dead-letters",
        alert="dead-letters",
        scope="pipeline",
        severity="warning",
        what=f"dead letters are open: {row['open']}, of shops: {row['shops']}, most of them"
        f" {row['reason']}",
        do="hookline dead list --group",
        page="/dead-letters",
        since=row["first_at"],
        level=row["open"],
    )


def _minutes(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004
