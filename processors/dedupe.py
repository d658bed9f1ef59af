"""When a delivery is a repeat: the pure rule.

Every answer is as of the record's own offset, so a replay decides as the first time did.
Ages compare broker append times (milliseconds), never a clock.
"""

import hashlib
from dataclasses import dataclass

from processors.sources.contract import Rule

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Said:
    """A canonical outcome that an earlier record already has."""

    raw_offset: int
    appended_ms: int
    digest: bytes


def digest(source: str, shop: str, event: str, query_identifiers: str, body: bytes) -> bytes:
    """16 bytes that say what a delivery says: blake2b over length-prefixed parts."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in (source, shop, event, query_identifiers):
        raw = part.encode()
        state.update(len(raw).to_bytes(4, "big"))
        state.update(raw)
    state.update(body)
    return state.digest()


def repeats(
    rule: Rule,
    said: bytes,
    appended_ms: int,
    same: Said | None,
    latest: Said | None,
    window_s: int,
    state_retry_window_s: int,
) -> Said | None:
    """The outcome that a delivery repeats, or None where it says something new.

    ``same``: the canonical outcome with this digest and the greatest raw offset below the
    record's. ``latest``: the entity's canonical outcome with the greatest raw offset below.
    """
    if rule is Rule.CONTENT:
        if same is not None and appended_ms - same.appended_ms <= window_s * 1000:
            return same
        return None
    if (
        latest is not None
        and latest.digest == said
        and appended_ms - latest.appended_ms <= state_retry_window_s * 1000
    ):
        return latest
    return None
