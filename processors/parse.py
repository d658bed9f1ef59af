"""Raw records, read and parsed, before anybody asks whether one repeats another."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from processors import dedupe
from processors.outcomes import DETAIL_BYTES, Origin
from processors.sources.contract import Adapter, Delivery, Parsed
from runtime.gzip_body import BodyTooLargeError, MalformedGzipError, inflate
from schemas import envelopes
from schemas.envelopes import RawDelivery, Reason, Reject
from schemas.shops import Shop
from schemas.topics import MAX_BODY

NO_ADAPTER_VERSION = 0
_PLAIN = ("", "identity")
"""Content encodings that leave a body as it is."""

Shops = Mapping[tuple[str, str], Shop]


class Read(msgspec.Struct, frozen=True, gc=False):
    """A raw record and what its adapter makes of it; ``delivery`` is what that was asked."""

    raw: RawDelivery
    origin: Origin
    delivery: Delivery | None
    parsed: Parsed | Reject
    adapter: Adapter | None


class Reader:
    """Reads records of the raw topic by the adapters of their platforms.

    ``begin`` is called before each is parsed.
    """

    def __init__(
        self, adapters: Mapping[str, Adapter], contact_key: bytes, begin: Callable[[], None]
    ) -> None:
        self._adapters = adapters
        self._contact_key = contact_key
        self._begin = begin

    def read(self, records: Sequence[Any], shops: Shops) -> list[Read]:
        """All records, in order; each step is done for all of them before the next begins."""
        raws = [raw_of(record) for record in records]
        asked = [self._asked(raw, shops) for raw in raws]
        parsed = [self._parsed(delivery) for delivery in asked]
        return [self._read(*each) for each in zip(raws, asked, parsed, strict=True)]

    def condemned(self, records: Sequence[Any]) -> list[Read]:
        """All records, refused and not looked into: they killed their worker."""
        detail = "its worker died each time that this delivery was built"
        reject = Reject(Reason.KILLED_WORKER, "", detail, "parse")
        raws = [raw_of(record) for record in records]
        return [self._refused(raw, raw.body, reject) for raw in raws]

    def _asked(self, raw: RawDelivery, shops: Shops) -> Delivery | Reject:
        body = raw.body if raw.content_encoding in _PLAIN else inflated(raw)
        if isinstance(body, Reject):
            return body
        shop = shops.get((raw.source, raw.shop))
        if shop is None or raw.source not in self._adapters:
            detail = f"{raw.source}/{raw.shop} is not in the shops file any more"
            return Reject(Reason.INVALID_PAYLOAD, envelopes.SHOP, detail, "parse")
        return Delivery(raw, shop, body, self._contact_key)

    def _parsed(self, delivery: Delivery | Reject) -> Parsed | Reject:
        if isinstance(delivery, Reject):
            return delivery
        self._begin()
        try:
            return self._adapters[delivery.raw.source].parse(delivery)
        except Exception:  # noqa: BLE001 - a bug in an adapter is a dead letter, not a stuck partition
            return bug("parse")

    def _read(self, raw: RawDelivery, asked: Delivery | Reject, parsed: Parsed | Reject) -> Read:
        if isinstance(asked, Reject):
            body = inflated(raw)
            return self._refused(raw, raw.body if isinstance(body, Reject) else body, asked)
        if isinstance(parsed, Reject):
            return self._refused(raw, asked.body, parsed)
        adapter, query = self._adapters[raw.source], parsed.query_identifiers
        said = dedupe.digest(raw.source, raw.shop, parsed.event, query, asked.body)
        return Read(raw, Origin(raw, adapter.version, said), asked, parsed, adapter)

    def _refused(self, raw: RawDelivery, body: bytes, reject: Reject) -> Read:
        adapter = self._adapters.get(raw.source)
        version = adapter.version if adapter else NO_ADAPTER_VERSION
        said = dedupe.digest(raw.source, raw.shop, raw.event, raw.query, body)
        return Read(raw, Origin(raw, version, said), None, reject, adapter)


def raw_of(record: Any) -> RawDelivery:
    """A consumer record of the raw topic, its headers read, if they were not read already."""
    if type(record) is RawDelivery:
        return record
    return RawDelivery.of(
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
    )


def inflated(raw: RawDelivery) -> bytes | Reject:
    """The body without its content encoding, at most ``MAX_BODY`` bytes of it."""
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


def bug(stage: str) -> Reject:
    """The exception in hand as a reject: a bug of ours, with its traceback."""
    text = traceback.format_exc()[-DETAIL_BYTES:]
    return Reject(Reason.INTERNAL_ERROR, "", text, stage)
