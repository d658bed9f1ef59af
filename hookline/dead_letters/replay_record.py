"""The raw record that replays a dead letter: its delivery's headers and key, and its origin."""

from collections.abc import Sequence
from typing import Any

from ingest import sources
from ingest.sources import SOURCES
from processors.parse import inflated_body, raw_of
from schemas import envelopes
from schemas.envelopes import Headers, Reject

_VERDICT_HEADERS = frozenset(
    {
        envelopes.RAW_OFFSET,
        envelopes.RAW_TIME,
        envelopes.RAW_PARTITION,
        envelopes.SLOT,
        envelopes.SLOTS,
        envelopes.ENTITY,
        envelopes.DIGEST,
        envelopes.ADAPTER,
        envelopes.STAGE,
        envelopes.REASON,
        envelopes.FIELD_PATH,
        envelopes.DETAIL,
        envelopes.REPLAY_OF,
    }
)
"""Headers that describe the verdict, not the delivery."""


def replay_headers(headers: Sequence[tuple[str, bytes | None]], letter: str) -> Headers:
    """Return the raw headers of a letter's replay: those of its delivery, and its origin.

    ``letter`` is its name. The original raw coordinates are always those of the very first
    record, also when a replay was refused again.
    """
    by_name = dict(headers)
    kept = [
        (name, value)
        for name, value in headers
        if name not in _VERDICT_HEADERS
        and not name.startswith(envelopes.CONNECT)
        and value is not None
    ]
    if envelopes.ORIGINAL not in by_name:
        first = [
            by_name[name] or b""
            for name in (envelopes.RAW_PARTITION, envelopes.RAW_OFFSET, envelopes.RAW_TIME)
        ]
        kept.append((envelopes.ORIGINAL, b":".join(first)))
    return [*kept, (envelopes.REPLAY_OF, letter.encode())]


def replay_key(record: Any) -> bytes | None:
    """Return the key of a letter's replay: the letter's own, unless it is a hash of the body.

    The ingress keys a delivery so if it can read no id; a newer one may read it.
    """
    key: bytes | None = record.key
    headers = dict(record.headers)
    source, shop = (
        (headers.get(name) or b"").decode(errors="replace")
        for name in (envelopes.SOURCE, envelopes.SHOP)
    )
    if source not in SOURCES or not (key or b"").startswith(f"{source}/{shop}/body:".encode()):
        return key
    raw = raw_of(record)
    body = inflated_body(raw)
    if isinstance(body, Reject):
        return key
    return sources.read(SOURCES[source], shop, raw.event, body)[1] or key
