"""What a replay of a dead letter would give now: its events, or why it would be refused again.

The parser and the adapter are those of the processors; nothing is written. Whether the delivery is
canonical already is not looked up: a replay finds that and skips the letter.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import msgspec

from hookline.dead_letters.replay_record import replay_headers, replay_key
from hookline.shops import masked_body
from processors.parse import ParsedRecord, RecordParser, internal_error, raw_of
from processors.sources import ADAPTERS
from processors.sources.contract import Adapter, Slots
from processors.sources.personal_ids import with_hashed_ids
from schemas.envelopes import Reject
from schemas.events import TOPIC_OF
from schemas.shops import Shop


@dataclass(frozen=True, slots=True)
class PreviewedEvent:
    """An event as a replay would append it, private values masked; ``topic``: its short name."""

    slot: str
    topic: str
    record: Any


@dataclass(frozen=True, slots=True)
class Preview:
    """The events of a replay, or its refusal; ``adapter``: the version that would decide."""

    adapter: int
    events: tuple[PreviewedEvent, ...] = ()
    reason: str | None = None
    path: str | None = None
    detail: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the preview as JSON shows it."""
        return asdict(self)


def preview(
    record: Any,
    shops: Mapping[tuple[str, str], Shop],
    contact_key: str,
    adapters: Mapping[str, Adapter] = ADAPTERS,
) -> Preview:
    """Return what a replay of a record of the dead-letter topic would give.

    ``shops``: those of the shops file now. Without a contact key the hashes of addresses are
    others than those of the tables; they are masked here anyway.
    """
    raw = raw_of(
        SimpleNamespace(
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=replay_key(record),
            value=record.value,
            headers=replay_headers(record.headers, f"{record.partition}:{record.offset}"),
        )
    )
    [parsed] = RecordParser(adapters, contact_key.encode(), lambda: None).parse([raw], shops)
    made = _events(parsed)
    version = parsed.origin.adapter_version
    if isinstance(made, Reject):
        detail = masked_body.without_addresses(made.detail)
        return Preview(version, (), made.reason, made.path, detail)
    hashed = with_hashed_ids(made, contact_key.encode())
    return Preview(version, tuple(_masked(slot, event) for slot, event in hashed.items()))


def _events(parsed: ParsedRecord) -> Slots | Reject:
    if isinstance(parsed.parsed, Reject):
        return parsed.parsed
    assert parsed.delivery is not None  # noqa: S101 - there is one for all that parsed
    assert parsed.adapter is not None  # noqa: S101
    try:
        return parsed.adapter.events(parsed.delivery, parsed.parsed)
    except Exception:  # noqa: BLE001 - as in the processors: a bug is a refusal
        return internal_error("transform")


def _masked(slot: str, event: Any) -> PreviewedEvent:
    record = masked_body.masked_document(msgspec.to_builtins(event))
    return PreviewedEvent(slot, TOPIC_OF[type(event)], record)
