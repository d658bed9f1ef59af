"""When a delivery is a repeat: the pure rule.

Every answer is as of the record's own offset, so processing a record again decides the same.
Ages compare the broker's append times (ms), never a clock.
"""

import hashlib
from functools import lru_cache

import msgspec

from processors.sources.contract import Rule
from schemas.platforms import PLATFORMS

DIGEST_BYTES = 16
BODY_BYTES = 8
"""The first bytes of a digest; of platforms in ``UNSIGNED_EVENTS`` they are the body's alone."""
UNSIGNED_EVENTS = frozenset(name for name, row in PLATFORMS.items() if row.has_unsigned_events)
"""Platforms whose signature covers the body and not the event: a body can be sent again as another
event. Their digests begin alike for one body, so that the index finds it under any event."""
_CONTENT = Rule.CONTENT


class PriorOutcome(msgspec.Struct, frozen=True, gc=False):
    """The canonical outcome of an earlier record, which a delivery may repeat."""

    raw_offset: int
    appended_ms: int
    digest: bytes


def digest(source: str, shop: str, event: str, query_identifiers: str, body: bytes) -> bytes:
    """Hash the content of a delivery: BLAKE2b over length-prefixed parts and the body.

    Of ``UNSIGNED_EVENTS`` the event is mixed into the second half alone.
    """
    if source in UNSIGNED_EVENTS:
        state = _prefix(source, shop).copy()
        state.update(body)
        whole = state.digest()
        half = int.from_bytes(whole[BODY_BYTES:], "big") ^ _half(event, query_identifiers)
        return whole[:BODY_BYTES] + half.to_bytes(DIGEST_BYTES - BODY_BYTES, "big")
    if query_identifiers:
        query = query_identifiers.encode()
        state = _prefix(source, shop, event).copy()
        state.update(len(query).to_bytes(4, "big") + query)
    else:
        state = _prefix(source, shop, event, "").copy()
    state.update(body)
    return state.digest()


@lru_cache(maxsize=256)
def _prefix(*parts: str) -> "hashlib.blake2b":
    """The hash state after the length-prefixed parts. Copy it before an update: it is cached."""
    encoded = [part.encode() for part in parts]
    prefixed = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hashlib.blake2b(prefixed, digest_size=DIGEST_BYTES)


@lru_cache(maxsize=256)
def _half(event: str, query: str) -> int:
    """What an event and its query add to the second half of a digest."""
    return int.from_bytes(_prefix(event, query).digest()[BODY_BYTES:], "big")


def repeats(
    rule: Rule,
    digest: bytes,
    appended_ms: int,
    same: PriorOutcome | None,
    latest: PriorOutcome | None,
    window_s: int,
    state_retry_window_s: int,
) -> PriorOutcome | None:
    """The outcome that a delivery repeats, or None if the delivery is new.

    ``same``: the canonical outcome with this digest and the greatest raw offset below the
    record's. ``latest``: the entity's canonical outcome with the greatest raw offset below it.
    """
    if rule is _CONTENT:
        return same if same is not None and within(same, appended_ms, window_s) else None
    if (
        latest is not None
        and latest.digest == digest
        and within(latest, appended_ms, state_retry_window_s)
    ):
        return latest
    return None


def within(prior: PriorOutcome, appended_ms: int, window_s: int) -> bool:
    """Whether an outcome is at most ``window_s`` older than a record appended at this time."""
    return appended_ms - prior.appended_ms <= window_s * 1000
