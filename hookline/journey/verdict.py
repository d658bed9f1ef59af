"""The verdict on a delivery, from its outcomes. Pure."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from hookline.dead_letters.letters import DeadLetter, parse_letter
from hookline.journey.model import EventRecord, Letter, Repeats, Stored, Verdict, VerdictKind
from hookline.journey.outcomes import Found, Outcome, number
from hookline.shops import masked_body
from schemas import envelopes
from schemas.codec import Codec
from schemas.topics import DEAD_LETTERS, DUPLICATES


def to_time(milliseconds: int) -> datetime:
    """Return a time in UTC; the nearest that there is of one that no clock shows."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def stored(record: Any) -> Stored:
    """Return where a record is, and since when."""
    return Stored(record.topic, record.partition, record.offset, to_time(record.timestamp))


def verdict(found: Found) -> Verdict:
    """Return the verdict that the outcomes show; MISSING where there is none."""
    outcomes = found.outcomes
    if not outcomes:
        return Verdict(VerdictKind.MISSING)
    letters = tuple(letter for each in outcomes if (letter := _letter(each)) is not None)
    duplicate = next((each for each in outcomes if each.topic is DUPLICATES), None)
    if any(each.topic not in (DUPLICATES, DEAD_LETTERS) for each in outcomes):
        kind = VerdictKind.CANONICAL
    elif duplicate is not None:
        kind = VerdictKind.DUPLICATE
    else:
        kind = VerdictKind.DEAD_LETTER
    return Verdict(
        kind,
        to_time(outcomes[0].record.timestamp),
        number(outcomes[0].headers.get(envelopes.ADAPTER, b"")),
        None if duplicate is None else repeats(duplicate),
        letters,
    )


def repeats(duplicate: Outcome) -> Repeats | None:
    """Return what a duplicate's record names as the earlier delivery; None for one not of ours."""
    try:
        given = msgspec.json.decode(duplicate.record.value or b"", type=_Duplicate)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    raw = f"{duplicate.record.partition}:{given.repeats_raw_offset}"
    return Repeats(raw, to_time(given.repeats_appended_ms), given.rule)


class _Duplicate(msgspec.Struct):
    repeats_raw_offset: int
    repeats_appended_ms: int
    rule: str = ""


def _letter(outcome: Outcome) -> Letter | None:
    if outcome.topic is not DEAD_LETTERS:
        return None
    letter: DeadLetter | None = parse_letter(outcome.record)
    if letter is None:
        return None
    return Letter(
        stored(outcome.record),
        letter.reason,
        letter.path,
        masked_body.without_addresses(letter.detail),
        letter.stage,
        letter.slot,
    )


def events(found: Found, codec: Codec) -> list[EventRecord]:
    """Return the canonical events among the outcomes; ``entity`` None where one is unreadable."""
    return [
        EventRecord(
            stored(each.record),
            each.topic.name.removeprefix("hookline."),
            each.slot,
            envelopes.event_id(each.text(envelopes.DELIVERY), each.slot),
            _entity(each, codec),
        )
        for each in found.outcomes
        if each.topic not in (DUPLICATES, DEAD_LETTERS)
    ]


def _entity(outcome: Outcome, codec: Codec) -> str | None:
    try:
        event = codec.decode(outcome.record.value or b"")
    except Exception:  # noqa: BLE001 - a record of a newer version, or damaged: it is shown without
        return None
    meta = getattr(event, "meta", None)
    return None if meta is None else meta.entity
