"""Bodies that came before: under another topic, or as an earlier state of their entity.

A platform may send one body under two topics, and a customer may put a cart back as it was, so
these deliveries are applied and counted. Only where its shop is strict is a body under another
topic held, unless the body itself shows the change that the topic names.
"""

from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter

import msgspec

from processors.dedupe import BODY_BYTES, UNSIGNED_EVENTS, PriorOutcome, within
from processors.index.batch_lookup import BatchLookup
from processors.parse import ParsedRecord
from processors.sources.contract import Parsed, Rule
from schemas.envelopes import EVENT, Reason, Reject

_STATE = Rule.STATE
_OFFSET = attrgetter("raw_offset")


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

    As of its own offset, as all that the index answers; neither a replay of a dead letter nor an
    imported row is one: an operator wrote it.
    """
    raw, parsed = record.raw, record.parsed
    if type(parsed) is not Parsed or raw.replay_of is not None or raw.imported is not None:
        return None
    is_state = parsed.rule is _STATE
    if is_state:
        found = lookup.same_body_of_entity(position, raw.offset)
    elif raw.source in UNSIGNED_EVENTS:
        found = lookup.same_body(position, raw.offset)
    else:
        return None
    if not found:
        return None  # the usual case
    latest = lookup.latest_state(position, raw.offset) if is_state else None
    return _classified(record, found, latest)


def _classified(
    record: ParsedRecord, found: Sequence[PriorOutcome], latest: PriorOutcome | None
) -> SeenBefore | None:
    """Of ``found``, the outcomes of the same body; ``latest``: of a state, its entity's latest."""
    raw, digest = record.raw, record.origin.digest
    assert record.delivery is not None  # noqa: S101 - there is one for all that parsed
    window = record.delivery.shop.window
    near = [prior for prior in found if within(prior, raw.appended_ms, window)]
    kind = Kind.OTHER_TOPIC
    if latest is not None and latest.digest[:BODY_BYTES] != digest[:BODY_BYTES]:
        kind = Kind.STATE
    else:
        if latest is not None:  # the same state goes on, whatever it was before
            near = [prior for prior in near if prior == latest]
        near = [prior for prior in near if prior.digest != digest]
    return SeenBefore(kind, raw.shop, max(map(_OFFSET, near))) if near else None


def held_back(record: ParsedRecord, seen: SeenBefore) -> Reject | None:
    """The reject of a body under another topic that it does not show, where its shop is strict."""
    parsed, delivery, adapter = record.parsed, record.delivery, record.adapter
    if seen.kind is not Kind.OTHER_TOPIC or delivery is None or adapter is None:
        return None
    if not delivery.shop.strict_topics or not isinstance(parsed, Parsed):
        return None
    if adapter.body_shows_event(parsed):
        return None
    detail = (
        f"this body was stored already under another topic than {parsed.event}, at raw offset"
        f" {seen.raw_offset}, and does not itself show {parsed.event}: the signature does not"
        " cover the topic; if the platform has sent it so, replay this letter"
    )
    return Reject(Reason.TOPIC_REPLAY, EVENT, detail, "dedupe")
