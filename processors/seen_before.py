"""Bodies that came before: under another topic, or as an earlier state of their entity.

A platform may send one body under two topics, and a customer may put a cart back as it was, so
these deliveries are applied and counted. Only where its shop is strict is a body under another
topic held, unless it shows itself what the topic says.
"""

from enum import StrEnum

import msgspec

from processors.dedupe import BODY_BYTES, UNSIGNED_EVENTS, PriorOutcome, within
from processors.index.batch_lookup import BatchLookup
from processors.parse import ParsedRecord
from processors.sources.contract import Parsed, Rule
from schemas.envelopes import EVENT, Reason, Reject

_STATE = Rule.STATE


class Kind(StrEnum):
    """What a repeated body is."""

    OTHER_TOPIC = "other-topic"
    STATE = "state"  # an earlier state of the entity, not the latest


class SeenBefore(msgspec.Struct, frozen=True, gc=False):
    """A delivery whose body came before, in the canonical delivery at ``raw_offset``."""

    kind: Kind
    shop: str
    raw_offset: int

    @property
    def header(self) -> bytes:
        """The value of the header of its event."""
        return f"{self.kind}:{self.raw_offset}".encode()


def seen_before(position: int, record: ParsedRecord, lookup: BatchLookup) -> SeenBefore | None:
    """What a delivery that is no repeat was before, within its shop's window; mostly nothing.

    As of its own offset, as all that the index answers; a replay of a dead letter is none.
    """
    raw, parsed, delivery = record.raw, record.parsed, record.delivery
    if delivery is None or not isinstance(parsed, Parsed) or raw.replay_of is not None:
        return None
    if parsed.rule is _STATE:
        found = lookup.same_body_of_entity(position, raw.offset)
    elif raw.source in UNSIGNED_EVENTS:
        found = lookup.same_body(position, raw.offset)
    else:
        return None
    if not found:
        return None  # the usual case
    near = [prior for prior in found if within(prior, raw.appended_ms, delivery.shop.window)]
    if not near:
        return None
    digest = record.origin.digest
    latest = lookup.latest_state(position, raw.offset) if parsed.rule is _STATE else None
    if latest is not None and latest.digest[:BODY_BYTES] != digest[:BODY_BYTES]:
        return SeenBefore(Kind.STATE, raw.shop, _newest(near).raw_offset)
    if latest is not None:
        near = [latest]
    others = [prior for prior in near if prior.digest != digest]
    if not others:
        return None
    return SeenBefore(Kind.OTHER_TOPIC, raw.shop, _newest(others).raw_offset)


def held_back(record: ParsedRecord, seen: SeenBefore) -> Reject | None:
    """The reject of a body under another topic, where its shop is strict and it does not show it."""
    parsed, delivery, adapter = record.parsed, record.delivery, record.adapter
    if seen.kind is not Kind.OTHER_TOPIC or delivery is None or adapter is None:
        return None
    if not delivery.shop.strict_topics or not isinstance(parsed, Parsed):
        return None
    if adapter.body_shows_event(parsed):
        return None
    detail = (
        f"this body was stored already under another topic than {parsed.event}, at raw offset"
        f" {seen.raw_offset}, and does not show itself what {parsed.event} says: the signature"
        " does not cover the topic; if the platform has sent it so, replay this letter"
    )
    return Reject(Reason.TOPIC_REPLAY, EVENT, detail, "dedupe")


def _newest(priors: list[PriorOutcome]) -> PriorOutcome:
    return max(priors, key=lambda prior: prior.raw_offset)
