"""What changed in the payloads that shops send: raw deliveries of two spans of time, compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.errors import CommandError
from hookline.shops import document_shape
from hookline.shops.document_shape import Change, Shape
from processors.parse import inflated, raw_of
from processors.sources.readers.document import Document, from_json
from processors.sources.readers.refusals import Refused
from processors.sources.readers.xml import from_xml
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import RawDelivery, Reject
from schemas.topics import WEBHOOKS

MAX_EVENTS = 1_000
"""Events of shops that are told apart; what comes beyond is counted."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Span:
    """What is compared: deliveries from ``first_ms`` to ``split_ms``, and those since."""

    first_ms: int
    split_ms: int


@dataclass(slots=True)
class Pair:
    """The shapes of one event, before and after."""

    before: Shape = field(default_factory=Shape)
    after: Shape = field(default_factory=Shape)

    @property
    def changes(self) -> list[Change]:
        """What differs; nothing where one side has no deliveries."""
        return document_shape.changes(self.before, self.after)


@dataclass(slots=True)
class Drift:
    """What was found. ``events``: (source/shop, event) -> its shapes; ``unread``: no document."""

    span: Span
    events: dict[tuple[str, str], Pair] = field(default_factory=dict)
    unread: int = 0
    omitted: int = 0

    def add(self, raw: RawDelivery) -> None:
        """Take in one delivery; a replay is old news."""
        if raw.replay_of is not None:
            return
        key = f"{raw.source}/{raw.shop}", raw.event
        pair = self.events.get(key)
        if pair is None:
            if len(self.events) >= MAX_EVENTS:
                self.omitted += 1
                return
            pair = self.events[key] = Pair()
        document = _document(raw)
        if document is None:
            self.unread += 1
            return
        side = pair.before if raw.appended_ms < self.span.split_ms else pair.after
        side.add(document_shape.fields(document), raw.appended_ms)


def _document(raw: RawDelivery) -> Document | None:
    body = inflated(raw)
    if isinstance(body, Reject):
        return None
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

    ``shop``: source/shop or the shop alone, None for all. ``split_ms`` None: the middle of the
    time; ``first_ms`` None: as long before ``split_ms`` as it is ago, or all that is kept.
    Raises CommandError.
    """
    async with log_reader.consumer(settings) as client:
        places = (await log_reader.places(settings))[WEBHOOKS]
        end = await log_reader.ends(client, places)
        begin = await log_reader.begins(client, places)
        if all(begin[place] == end[place] for place in places):
            raise CommandError("no delivery is kept in the raw topic: there is nothing to compare")
        if first_ms is None:
            first_ms = await _oldest(client, begin, end) if split_ms is None else None
        if first_ms is None and split_ms is not None:
            first_ms = 2 * split_ms - now_ms
        assert first_ms is not None  # noqa: S101 - one of the two
        split_ms = (first_ms + now_ms) // 2 if split_ms is None else split_ms
        if not first_ms < split_ms < now_ms:
            raise CommandError("--against must be before --since, and both before now")
        drift = Drift(Span(first_ms, split_ms))
        start = await log_reader.since(client, places, first_ms)
        done, everything = 0, sum(end[place] - start[place] for place in places)
        async for _, batch in log_reader.records(client, start, end):
            for record in batch:
                if _is_of(record, shop):
                    drift.add(raw_of(record))
            done += len(batch)
            progress("reading deliveries", done, everything)
    return drift


def _is_of(record: Any, shop: str | None) -> bool:
    if shop is None:
        return True
    headers = dict(record.headers)
    source, name = headers[envelopes.SOURCE].decode(), headers[envelopes.SHOP].decode()
    return shop in (name, f"{source}/{name}")


async def _oldest(
    client: AIOKafkaConsumer,
    begin: Mapping[TopicPartition, int],
    end: Mapping[TopicPartition, int],
) -> int:
    """When the oldest delivery that is kept was appended, in ms."""
    return min(
        [
            await log_reader.appended_at(client, place, first)
            for place, first in begin.items()
            if first < end[place]
        ]
    )
