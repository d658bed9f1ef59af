"""Changes in the payloads that shops send: raw deliveries of two periods, compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.shops import document_shape
from hookline.shops.document_shape import Shape
from hookline.shops.unknown_fields import UnknownFields
from hookline.topics.records import scan
from processors.parse import inflated_body, raw_of
from processors.sources.readers.document import Document, from_json
from processors.sources.readers.refusals import Refused
from processors.sources.readers.xml import from_xml
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas.envelopes import Reject
from schemas.raw_delivery import RawDelivery
from schemas.topics import WEBHOOKS

MAX_EVENTS = 1_000
"""Events of shops that are compared; deliveries of further ones are counted as omitted."""


@dataclass(slots=True)
class EventShapes:
    """The shapes of one event's payloads, before and after."""

    before: Shape = field(default_factory=Shape)
    after: Shape = field(default_factory=Shape)


@dataclass(slots=True)
class Drift:
    """Compares deliveries from ``first_ms`` up to ``split_ms`` with those since.

    ``events``: (source/shop, event) -> its shapes. ``unknown``: fields that no adapter knows.
    ``unread``: deliveries whose body is not a readable document.
    """

    first_ms: int
    split_ms: int
    events: dict[tuple[str, str], EventShapes] = field(default_factory=dict)
    unknown: UnknownFields = field(default_factory=UnknownFields)
    unread: int = 0
    omitted: int = 0

    def add(self, raw: RawDelivery) -> None:
        """Add one delivery; replays are ignored, since they repeat an old payload."""
        if raw.replay_of is not None:
            return
        key = f"{raw.source}/{raw.shop}", raw.event
        shapes = self.events.get(key)
        if shapes is None:
            if len(self.events) >= MAX_EVENTS:
                self.omitted += 1
                return
            shapes = self.events[key] = EventShapes()
        body = inflated_body(raw)
        document = None if isinstance(body, Reject) else _document(body)
        if document is None or isinstance(body, Reject):
            self.unread += 1
            return
        self.unknown.add(raw, body)
        side = shapes.before if raw.appended_ms < self.split_ms else shapes.after
        side.add(document_shape.fields(document), raw.appended_ms)


def _document(body: bytes) -> Document | None:
    try:
        return from_xml(body) if body.lstrip()[:1] == b"<" else from_json(body)
    except Refused:
        return None


async def compare(
    settings: Settings,
    shop: str | None,
    split_ms: int | None,
    first_ms: int | None,
    now_ms: int,
    progress: Progress,
) -> Drift:
    """Compare what was appended since ``split_ms`` with what was from ``first_ms`` up to it.

    ``shop``: source/shop or the shop alone, None for all. ``split_ms`` None: halfway between
    ``first_ms`` and now. ``first_ms`` None: as long before ``split_ms`` as that is ago; with
    neither, the oldest delivery kept. Raises CommandError.
    """
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[WEBHOOKS]
        end = await log_reader.end_offsets(client, partitions)
        begin = await log_reader.beginning_offsets(client, partitions)
        if begin == end:
            raise CommandError("the raw topic holds no deliveries: there is nothing to compare")
        if first_ms is None and split_ms is None:
            first_ms = await _oldest(client, begin, end)
        if first_ms is None and split_ms is not None:
            first_ms = 2 * split_ms - now_ms
        assert first_ms is not None  # noqa: S101 - one of the two
        split_ms = (first_ms + now_ms) // 2 if split_ms is None else split_ms
        if not first_ms < split_ms < now_ms:
            raise CommandError("--against must be before --since, and both before now")
        drift = Drift(first_ms, split_ms)
        start = await log_reader.offsets_since(client, partitions, first_ms)
        async for _, batch in scan(client, start, end, "reading deliveries", progress):
            for record in batch:
                raw = raw_of(record)
                if not raw.is_foreign and shop in (None, raw.shop, f"{raw.source}/{raw.shop}"):
                    drift.add(raw)
    return drift


async def _oldest(
    client: AIOKafkaConsumer,
    begin: Mapping[TopicPartition, int],
    end: Mapping[TopicPartition, int],
) -> int:
    """Return when the oldest delivery that is kept was appended, in ms."""
    return min(
        [
            await log_reader.appended_at(client, tp, first)
            for tp, first in begin.items()
            if first < end[tp]
        ]
    )
