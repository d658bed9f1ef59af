"""Conditions and readings built by hand."""

from datetime import UTC, datetime, timedelta

from hookline.notify.conditions.condition import Condition, Scope
from hookline.notify.incidents import Reading

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALL: frozenset[Scope] = frozenset({"tables", "pipeline", "silence", "failures", "drift"})


def condition(key: str = "dead-letters", scope: Scope = "pipeline", **fields: object) -> Condition:
    values = {
        "key": key, "alert": key.partition(":")[0], "scope": scope, "severity": "warning",
        "what": "something", "do": "hookline status", "page": "/now", "since": NOON,
        "shop": key.partition(":")[2], **fields,
    }  # fmt: skip
    return Condition(**values)  # type: ignore[arg-type]


def reading(*conditions: Condition, minutes: float = 0, scopes: frozenset[Scope] = ALL) -> Reading:
    at = NOON + timedelta(minutes=minutes)
    return Reading(at=at, scopes=scopes, conditions=conditions)
