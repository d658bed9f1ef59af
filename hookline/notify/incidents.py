"""Conditions become incidents: raised once, repeated while they last, resolved once. Pure."""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from hookline.notify.conditions.condition import Condition, Scope

GROWN = 2
"""A level so many times that of the last message is reported at once."""
TEST = "test"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that was seen. ``sent_at``: its last message, None before the first."""

    condition: Condition
    sent_at: datetime | None = None
    sent_level: int = 0


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver gets, and ``id``, by which it knows a message that it gets again."""

    id: str
    type: Literal["raised", "repeated", "resolved", "test"]
    at: datetime
    alert: str
    severity: str
    what: str
    since: datetime
    do: str
    page: str
    shop: str = ""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at a time, in the scopes that could be looked at."""

    at: datetime
    scopes: frozenset[Scope]
    conditions: tuple[Condition, ...]


def advance(
    incidents: Mapping[str, Incident],
    reading: Reading,
    repeat: timedelta,
    ignored: Collection[str] = (),
) -> tuple[dict[str, Incident], list[Message]]:
    """Return the incidents after a reading, and the messages that are due."""
    found = {each.key: each for each in reading.conditions if each.shop not in ignored}
    after: dict[str, Incident] = {}
    messages: list[Message] = []
    for key, incident in incidents.items():
        if key in found:
            continue
        if incident.condition.scope not in reading.scopes:
            after[key] = incident
        elif incident.sent_at is not None:
            messages.append(message_of("resolved", incident.condition, reading.at))
    for key, condition in found.items():
        known = incidents.get(key)
        if known is not None:  # it lasts: since when, and where it began, stays
            since = min(known.condition.since, condition.since)
            condition = msgspec.structs.replace(condition, since=since)  # noqa: PLW2901
        after[key], kind = _reported(known, condition, reading.at, repeat)
        if kind is not None:
            messages.append(message_of(kind, condition, reading.at))
    return after, messages


def _reported(
    known: Incident | None, condition: Condition, at: datetime, repeat: timedelta
) -> tuple[Incident, Literal["raised", "repeated"] | None]:
    if known is None or known.sent_at is None:
        if (at - condition.since).total_seconds() < condition.after:
            return Incident(condition=condition), None
        kind: Literal["raised", "repeated"] = "raised"
    elif at - known.sent_at >= repeat or condition.level >= GROWN * known.sent_level > 0:
        kind = "repeated"
    else:
        return msgspec.structs.replace(known, condition=condition), None
    return Incident(condition=condition, sent_at=at, sent_level=condition.level), kind


def message_of(
    kind: Literal["raised", "repeated", "resolved"], condition: Condition, at: datetime
) -> Message:
    """Return a new message about a condition."""
    return Message(
        id=new_id(),
        type=kind,
        at=at,
        alert=condition.alert,
        severity=condition.severity,
        what=condition.what,
        since=condition.since,
        do=condition.do,
        page=condition.page,
        shop=condition.shop,
    )


def trial_message(at: datetime) -> Message:
    """Return what ``hookline notify --test`` sends."""
    return Message(
        id=new_id(),
        type="test",
        at=at,
        alert=TEST,
        severity="warning",
        what="this is a test: messages of Hookline arrive here",
        since=at,
        do="nothing",
        page="/now",
    )


def new_id() -> str:
    """Return the id of a new message."""
    return f"msg_{uuid.uuid4().hex}"
