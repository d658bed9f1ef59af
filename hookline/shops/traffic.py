"""What Kafka tells of each shop: its last delivery, how many of late, what became dead letters.

Bounded whatever the shops send: counts come from the ingresses' heartbeats, exact times from the
newest records of the raw topic, and dead letters are few.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.dead_letters import letters
from hookline.dead_letters.letters import Choice
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes, heartbeats
from schemas.heartbeats import Heartbeat
from schemas.topics import INGRESS, WEBHOOKS

NEWEST = 5_000
"""Raw records of each partition in which the last deliveries are looked for."""

Progress = Callable[[str, int, int], None]
"""What is read, how many records of it, of how many."""


@dataclass(slots=True)
class Traffic:
    """What was seen of one shop since the time asked for.

    ``last_ms``: when its last delivery was appended (within a heartbeat if it is not among the
    newest), None for none. ``failures``: dead letters that are still open, by reason.
    """

    deliveries: int = 0
    last_ms: int | None = None
    failures: Counter[str] = field(default_factory=Counter)

    def seen(self, at_ms: int) -> None:
        """A delivery was appended at this time."""
        self.last_ms = max(self.last_ms or 0, at_ms)


Shops = dict[str, Traffic]
"""``source/shop`` -> what was seen."""


class Tally:
    """Counts accepted deliveries from heartbeats, each given with its append time, in order.

    A heartbeat tells totals since its process began: the differences count. Of a process that
    began before ``since_ms`` the first heartbeat is the base.
    """

    def __init__(self, since_ms: int, found: Shops) -> None:
        self._since_ms, self._found = since_ms, found
        self._before: dict[tuple[str, int], Mapping[str, int]] = {}

    def add(self, at_ms: int, beat: Heartbeat) -> None:
        """Take in one heartbeat."""
        key = beat.ingress, beat.started
        base = self._before.get(key)
        if base is None:
            base = {} if beat.started // 1000 >= self._since_ms else beat.accepted
        for shop, count in beat.accepted.items():
            if (more := count - base.get(shop, 0)) > 0:
                traffic = self._found.setdefault(shop, Traffic())
                traffic.deliveries += more
                traffic.seen(at_ms)
        self._before[key] = beat.accepted


async def look(settings: Settings, since_ms: int, progress: Progress) -> Shops:
    """What was seen of each shop. Raises as clients of Kafka do, and CommandError."""
    found: Shops = {}
    async with log_reader.consumer(settings) as client:
        places = await log_reader.places(settings)
        tally = Tally(since_ms, found)
        async for batch in _since(client, places[INGRESS], since_ms, "heartbeats", progress):
            for record in batch:
                tally.add(record.timestamp, heartbeats.decode(record.value))
        raw = places[WEBHOOKS]
        async for batch in _since(client, raw, since_ms, "newest deliveries", progress, NEWEST):
            for record in batch:
                headers = dict(record.headers)
                if envelopes.REPLAY_OF not in headers:
                    found.setdefault(_shop(headers), Traffic()).seen(record.timestamp)
    return found


async def count_failures(settings: Settings, since_ms: int, found: Shops) -> None:
    """Add the open dead letters by reason. Needs the database too, which knows what was settled."""
    choice = Choice(since_ms=since_ms)
    async for letter, _ in letters.listed(settings, choice, settled=False):
        found.setdefault(letter.shop, Traffic()).failures[letter.reason] += 1


def _shop(headers: Mapping[str, bytes]) -> str:
    return f"{headers[envelopes.SOURCE].decode()}/{headers[envelopes.SHOP].decode()}"


async def _since(
    client: AIOKafkaConsumer,
    places: Sequence[TopicPartition],
    since_ms: int,
    what: str,
    progress: Progress,
    newest: int | None = None,
) -> AsyncIterator[Sequence[Any]]:
    """The records appended since a time, of each partition at most the newest so many."""
    end = await log_reader.ends(client, places)
    start = await log_reader.since(client, places, since_ms)
    if newest is not None:
        start = {place: max(first, end[place] - newest) for place, first in start.items()}
    done, everything = 0, sum(end[place] - start[place] for place in places)
    async for _, batch in log_reader.records(client, start, end):
        yield batch
        done += len(batch)
        progress(what, done, everything)
