"""What Kafka shows of each shop: its last delivery, recent deliveries, bodies that came before.

Bounded whatever the shops send: counts come from the ingresses' heartbeats, exact times from the
newest records of the raw topic, repeated bodies from the newest events, and dead letters are few.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.console.output import Progress
from hookline.dead_letters.letters import LetterFilter, read_letters
from hookline.topics.records import scan
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.json_records import heartbeats
from schemas.json_records.heartbeats import Heartbeat
from schemas.topics import CANONICAL, INGRESS, WEBHOOKS

NEWEST = 5_000
"""Raw records of each partition that are searched for the last deliveries."""
NEWEST_EVENTS = 1_000
"""Events of each partition that are searched for bodies that came before."""
SEEN_KINDS = ("other-topic", "state")
"""What the header of such an event begins with."""


@dataclass(slots=True)
class Traffic:
    """The traffic of one shop since the time asked for.

    ``last_ms``: when its last delivery was appended (within a heartbeat if it is not among the
    newest), None for none. ``failures``: dead letters that are still open, by reason.
    ``seen_before``: of its newest events those whose body came before, by kind: ``other-topic``,
    or ``state`` for an earlier state that is not the latest.
    """

    deliveries: int = 0
    last_ms: int | None = None
    failures: Counter[str] = field(default_factory=Counter)
    seen_before: Counter[str] = field(default_factory=Counter)

    def appended(self, at_ms: int) -> None:
        """Note that a delivery was appended at this time."""
        self.last_ms = max(self.last_ms or 0, at_ms)


TrafficByShop = dict[str, Traffic]
"""``source/shop`` -> its traffic."""


class HeartbeatCounter:
    """Counts accepted deliveries from heartbeats, each given with its append time, in order.

    A heartbeat holds totals since its process started: the differences are counted. For a process
    that started before ``since_ms`` the first heartbeat is the base.
    """

    def __init__(self, since_ms: int, shops: TrafficByShop) -> None:
        self._since_ms, self._shops = since_ms, shops
        self._totals: dict[tuple[str, int], Mapping[str, int]] = {}

    def add(self, at_ms: int, beat: Heartbeat) -> None:
        """Count one heartbeat."""
        key = beat.ingress, beat.started
        base = self._totals.get(key)
        if base is None:
            base = {} if beat.started // 1000 >= self._since_ms else beat.accepted
        for shop, total in beat.accepted.items():
            if (more := total - base.get(shop, 0)) > 0:
                traffic = self._shops.setdefault(shop, Traffic())
                traffic.deliveries += more
                traffic.appended(at_ms)
        self._totals[key] = beat.accepted


_NOT_SENT = (envelopes.REPLAY_OF, envelopes.IMPORT)
"""Headers of raw records that no platform sent now."""


async def read_traffic(settings: Settings, since_ms: int, progress: Progress) -> TrafficByShop:
    """Read the traffic of each shop. Raises errors of Kafka's client, TopicsError, TimeoutError."""
    shops: TrafficByShop = {}
    async with log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        counter = HeartbeatCounter(since_ms, shops)
        async for batch in _since(client, partitions[INGRESS], since_ms, "heartbeats", progress):
            for record in batch:
                if (beat := heartbeats.decode_or_none(record.value)) is not None:
                    counter.add(record.timestamp, beat)
        raw = partitions[WEBHOOKS]
        async for batch in _since(client, raw, since_ms, "newest deliveries", progress, NEWEST):
            for record in batch:
                headers = dict(record.headers)
                shop = _shop(headers)
                if shop is not None and headers.keys().isdisjoint(_NOT_SENT):
                    shops.setdefault(shop, Traffic()).appended(record.timestamp)
        events = [tp for topic in CANONICAL for tp in partitions[topic]]
        what = "newest events"
        async for batch in _since(client, events, since_ms, what, progress, NEWEST_EVENTS):
            for record in batch:
                count_seen_before(dict(record.headers), shops)
    return shops


def count_seen_before(headers: Mapping[str, bytes | None], shops: TrafficByShop) -> None:
    """Count an event by its headers, if its body came before."""
    seen, entity = headers.get(envelopes.SEEN_BEFORE), headers.get(envelopes.ENTITY)
    kind = (seen or b"").partition(b":")[0].decode(errors="replace")
    if kind not in SEEN_KINDS or entity is None:
        return
    source, _, rest = entity.decode(errors="replace").partition("/")
    shop = f"{source}/{rest.partition('/')[0]}"
    shops.setdefault(shop, Traffic()).seen_before[kind] += 1


async def add_open_letters(settings: Settings, since_ms: int, shops: TrafficByShop) -> None:
    """Add the open dead letters by reason. Needs the database, which has the operators' marks."""
    wanted = LetterFilter(since_ms=since_ms)
    async for letter, _ in read_letters(settings, wanted, settled=False):
        shops.setdefault(letter.shop, Traffic()).failures[letter.reason] += 1


def _shop(headers: Mapping[str, bytes | None]) -> str | None:
    """Return source/shop of a raw record; None where another producer wrote it."""
    source, shop = headers.get(envelopes.SOURCE), headers.get(envelopes.SHOP)
    if not source or shop is None:
        return None
    return f"{source.decode(errors='replace')}/{shop.decode(errors='replace')}"


async def _since(
    client: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    since_ms: int,
    what: str,
    progress: Progress,
    newest: int | None = None,
) -> AsyncIterator[Sequence[Any]]:
    """Yield the records appended since a time, only the ``newest`` of each partition if given."""
    end = await log_reader.end_offsets(client, partitions)
    start = await log_reader.offsets_since(client, partitions, since_ms)
    if newest is not None:
        start = {tp: max(first, end[tp] - newest) for tp, first in start.items()}
    async for _, batch in scan(client, start, end, what, progress):
        yield batch
