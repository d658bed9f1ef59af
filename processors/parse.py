"""Raw records, parsed by the adapters of their platforms."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from processors import dedupe
from processors.outcomes import DETAIL_BYTES, Origin
from processors.sources.contract import Adapter, Delivery, Parsed
from processors.sources.personal_ids import hashed_key
from runtime.bodies.gzip_body import BodyTooLargeError, MalformedGzipError, inflate
from schemas import envelopes
from schemas.envelopes import Reason, Reject
from schemas.raw_delivery import Imported, RawDelivery
from schemas.shops import Shop
from schemas.topics import MAX_BODY

NO_ADAPTER_VERSION = 0
_PLAIN = ("", "identity")
"""Content encodings that leave a body as it is."""

_FOREIGN = Reject(
    Reason.FOREIGN_RECORD,
    "",
    "no ingress appended this record: another producer writes to the raw topic",
    "parse",
)
Shops = Mapping[tuple[str, str], Shop]


class ParsedRecord(msgspec.Struct, frozen=True, gc=False):
    """A raw record and what its adapter parsed; ``delivery`` is what the adapter was given.

    ``delivery`` is None where ``parsed`` is a reject.
    """

    raw: RawDelivery
    origin: Origin
    delivery: Delivery | None
    parsed: Parsed | Reject
    adapter: Adapter | None


class RecordParser:
    """Parses records of the raw topic. ``begin`` is called before each is parsed.

    ``unknown_shops``: source and shop of records whose shop is not configured.
    """

    def __init__(
        self, adapters: Mapping[str, Adapter], contact_key: bytes, begin: Callable[[], None]
    ) -> None:
        self._adapters = adapters
        self._contact_key = contact_key
        self._begin = begin
        self.unknown_shops: set[tuple[str, str]] = set()

    def parse(self, records: Sequence[Any], shops: Shops) -> list[ParsedRecord]:
        """Parse all records in order, each step for all of them before the next step begins."""
        raws = [self._raw(record) for record in records]
        deliveries = [self._delivery(raw, shops) for raw in raws]
        parsed = [self._parse(delivery) for delivery in deliveries]
        return [self._record(*parts) for parts in zip(raws, deliveries, parsed, strict=True)]

    def condemn(self, records: Sequence[Any]) -> list[ParsedRecord]:
        """Reject all records unparsed: they killed their worker."""
        detail = "its worker died each time that this delivery was built"
        reject = Reject(Reason.KILLED_WORKER, "", detail, "parse")
        raws = [self._raw(record) for record in records]
        return [self._rejected(raw, raw.body, reject) for raw in raws]

    def entity(self, key: bytes | None) -> bytes:
        """Return the entity of a raw key, under which its outcomes are found."""
        return hashed_key(key or b"", self._contact_key)

    def _raw(self, record: Any) -> RawDelivery:
        raw = raw_of(record)
        key = self.entity(raw.key)
        return raw if key == raw.key or raw.is_foreign else structs.replace(raw, key=key)

    def _delivery(self, raw: RawDelivery, shops: Shops) -> Delivery | Reject:
        if raw.is_foreign:
            return _FOREIGN
        body = raw.body if raw.content_encoding in _PLAIN else inflated_body(raw)
        if isinstance(body, Reject):
            return body
        shop = shops.get((raw.source, raw.shop))
        if shop is None or raw.source not in self._adapters:
            self.unknown_shops.add((raw.source, raw.shop))
            detail = (
                f"{raw.source}/{raw.shop} is not in the shops file of the processors: add it there"
                " and replay this letter"
            )
            return Reject(Reason.UNKNOWN_SHOP, envelopes.SHOP, detail, "parse")
        return Delivery(raw, shop, body, self._contact_key)

    def _parse(self, delivery: Delivery | Reject) -> Parsed | Reject:
        if isinstance(delivery, Reject):
            return delivery
        self._begin()
        try:
            return self._adapters[delivery.raw.source].parse(delivery)
        except Exception:  # noqa: BLE001 - a bug in an adapter is a dead letter, not a stuck partition
            return internal_error("parse")

    def _record(
        self, raw: RawDelivery, delivery: Delivery | Reject, parsed: Parsed | Reject
    ) -> ParsedRecord:
        if isinstance(delivery, Reject):
            body = inflated_body(raw)
            return self._rejected(raw, raw.body if isinstance(body, Reject) else body, delivery)
        if isinstance(parsed, Reject):
            return self._rejected(raw, delivery.body, parsed)
        adapter, query = self._adapters[raw.source], parsed.query_identifiers
        body = (
            delivery.body if raw.imported is None else _as_listed(raw, raw.imported, delivery.body)
        )
        digest = dedupe.digest(raw.source, raw.shop, parsed.event, query, body)
        return ParsedRecord(raw, Origin(raw, adapter.version, digest), delivery, parsed, adapter)

    def _rejected(self, raw: RawDelivery, body: bytes, reject: Reject) -> ParsedRecord:
        adapter = self._adapters.get(raw.source)
        version = adapter.version if adapter else NO_ADAPTER_VERSION
        digest = dedupe.digest(raw.source, raw.shop, raw.event, raw.query, body)
        return ParsedRecord(raw, Origin(raw, version, digest), None, reject, adapter)


def raw_of(record: Any) -> RawDelivery:
    """The delivery of a consumer record of the raw topic; one that is read already is returned.

    A record of another producer is wrapped unparsed, so this raises nothing.
    """
    if type(record) is RawDelivery:
        return record
    at = record.partition, record.offset, record.timestamp
    try:
        return RawDelivery.of(*at, record.key, record.value, record.headers)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it must not stop the partition
        return RawDelivery.foreign(*at, record.key, record.value, record.headers)


def inflated_body(raw: RawDelivery) -> bytes | Reject:
    """Decode the body's content encoding; more than ``MAX_BODY`` bytes are a reject."""
    if raw.content_encoding in _PLAIN:
        return raw.body
    if raw.content_encoding != "gzip":
        return Reject(
            Reason.UNSUPPORTED_FORMAT, "content-encoding", raw.content_encoding[:100], "inflate"
        )
    try:
        return inflate(raw.body, MAX_BODY)
    except MalformedGzipError as error:
        return Reject(Reason.MALFORMED_BODY, "@0", f"gzip: {error}", "inflate")
    except BodyTooLargeError:
        return Reject(Reason.TOO_LARGE, "", f"more than {MAX_BODY} bytes inflated", "inflate")


def internal_error(stage: str) -> Reject:
    """Make a reject of the exception being handled: a bug of ours, with its traceback."""
    text = traceback.format_exc()[-DETAIL_BYTES:]
    return Reject(Reason.INTERNAL_ERROR, "", text, stage)


def _as_listed(raw: RawDelivery, mark: Imported, body: bytes) -> bytes:
    """Return what identifies an imported row: its body, and when the list was made.

    Where only the list dates the state (``--taken-at``), the same body in a later list is a newer
    state, which may overrule what came between. A cart is dated by itself.
    """
    if mark.state_at == mark.at or b"/cart:" in raw.key:
        return body
    return b"%b\n%d" % (body, mark.state_at)
