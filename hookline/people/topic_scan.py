"""Reads records of topics with all the text that is in them, decoded and decompressed."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from hookline.console.output import Progress
from hookline.topics.records import scan
from runtime.bodies.gzip_body import BodyTooLargeError, MalformedGzipError, inflate
from runtime.kafka import log_reader
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas import envelopes, keys
from schemas.codec import Codec
from schemas.events import CartSignal, Customer, CustomerContact, CustomerRef, Event
from schemas.topics import MAX_BODY, SEGMENT, Topic

_GZIP = b"\x1f\x8b"

Text = str | bytes | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A record. ``event``: what it holds where its topic has a schema, None if unreadable."""

    topic: Topic
    record: Any
    event: Event | CartSignal | None

    @property
    def location(self) -> str:
        """Partition and offset, as commands name them."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def headers(self) -> dict[str, str]:
        """The record's headers as text."""
        return {
            name: (value or b"").decode(errors="replace") for name, value in self.record.headers
        }

    @property
    def body(self) -> bytes:
        """The value, decompressed."""
        return inflated(self.record.value or b"")

    @property
    def customer(self) -> str | None:
        """The key of the customer whose event it is; None where it names none."""
        event = self.event
        if event is None:
            return None
        if isinstance(event, CartSignal):
            return event.customer_key
        given: CustomerRef | None
        if isinstance(event, Customer):
            given = CustomerRef(customer_id=event.customer_id, email_hash=event.email_hash)
        elif isinstance(event, CustomerContact):
            given = CustomerRef(customer_id=event.customer_id)
        else:
            given = event.customer
        if given is None:
            return None
        meta = event.meta
        return keys.customer_key(meta.source, meta.shop, given.customer_id, given.email_hash)

    @property
    def texts(self) -> list[Text]:
        """All text of the record: key, headers, value, and the key of its customer."""
        value = self.body if self.event is None else msgspec.json.encode(self.event)
        return [
            self.record.key,
            *(value for _, value in self.record.headers),
            value,
            self.customer,
        ]

    @property
    def stays_until(self) -> datetime | None:
        """When the last copy is deleted at the latest; None for a record that is kept for ever."""
        if self.topic.retention is None:
            return None
        appended = datetime.fromtimestamp(self.record.timestamp / 1000, UTC)
        return appended + self.topic.retention + SEGMENT


def inflated(value: bytes) -> bytes:
    """Return a body decompressed, as far as it can be."""
    if not value.startswith(_GZIP):
        return value
    try:
        return inflate(value, MAX_BODY)
    except (MalformedGzipError, BodyTooLargeError):
        return value


async def read_topics(
    settings: Settings, topics: Collection[Topic], what: str, progress: Progress
) -> AsyncIterator[Seen]:
    """Yield all records of these topics up to their present ends, in any order of partitions."""
    codec = await load_codec(settings)
    async with log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        of = {tp.topic: topic for topic in topics for tp in partitions[topic]}
        wanted = [tp for topic in topics for tp in partitions[topic]]
        start = await log_reader.beginning_offsets(client, wanted)
        end = await log_reader.end_offsets(client, wanted)
        async for tp, batch in scan(client, start, end, what, progress):
            topic = of[tp.topic]
            for record in batch:
                yield Seen(topic, record, _event(topic, record, codec))


def _event(topic: Topic, record: Any, codec: Codec) -> Any:
    if topic.record is None:
        return None
    try:
        return codec.decode(record.value or b"")
    except Exception:  # noqa: BLE001 - another producer's: its bytes are looked through
        return None


def delivery_of(seen: Seen) -> str:
    """Return the id of the delivery that a record is, or is an outcome of; empty if none."""
    return seen.headers.get(envelopes.DELIVERY, "")
