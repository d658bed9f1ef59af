"""When a delivery is a repeat: the pure rule.

Every answer is as of the record's own offset, so a replay decides as the first time did.
Ages compare broker append times (milliseconds), never a clock.
"""

import hashlib
from functools import lru_cache

import msgspec

from processors.sources.contract import Rule

DIGEST_BYTES = 16
_CONTENT = Rule.CONTENT


class Said(msgspec.Struct, frozen=True, gc=False):
    """A canonical outcome that an earlier record already has."""

    raw_offset: int
    appended_ms: int
    digest: bytes


def digest(source: str, shop: str, event: str, query_identifiers: str, body: bytes) -> bytes:
    """16 bytes that say what a delivery says: blake2b over length-prefixed parts."""
    if query_identifiers:
        query = query_identifiers.encode()
        state = _told(source, shop, event).copy()
        state.update(len(query).to_bytes(4, "big") + query)
    else:
        state = _told(source, shop, event, "").copy()
    state.update(body)
    return state.digest()


@lru_cache(maxsize=256)
def _told(*parts: str) -> "hashlib.blake2b":
    """What deliveries begin with, hashed: not to be changed, only copied."""
    raw = [part.encode() for part in parts]
    prefixed = b"".join(len(part).to_bytes(4, "big") + part for part in raw)
    return hashlib.blake2b(prefixed, digest_size=DIGEST_BYTES)


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
    if rule is _CONTENT:
        return same if same is not None and within(same, appended_ms, window_s) else None
    if (
        latest is not None
        and latest.digest == said
        and within(latest, appended_ms, state_retry_window_s)
    ):
        return latest
    return None


def within(said: Said, appended_ms: int, window_s: int) -> bool:
    """Whether what was said is at most ``window_s`` older than a record appended then."""
    return appended_ms - said.appended_ms <= window_s * 1000
