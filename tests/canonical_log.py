"""Canonical events in the real topics, and the sinks reading them as a worker would."""

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch, MovedError, Partition
from schemas.codec import Codec
from schemas.events import TOPIC_OF, CartSignal, CustomerRef, Event, Micros
from schemas.topics import BY_RECORD, CANONICAL, CART_SIGNALS
from sinks.agent import Sinks
from sinks.log import Log
from tests.sink_events import CODEC, MINUTE, NOON, cart, line, order, record


def story(events: int, seed: int = 1, shop: str = "main") -> Iterator[Event]:
    """Carts and orders of a few customers over some days, in no particular order."""
    rng = random.Random(seed)  # noqa: S311 - a seed repeats it
    for number in range(events):
        customer = rng.randrange(events // 8 + 1)
        who = CustomerRef(customer_id=f"{customer}", email_hash=f"{customer:064x}")
        at = NOON + rng.randrange(3 * 24 * 60) * MINUTE + number
        bought = [line(rng.choice("abc"), rng.randrange(1, 4))]
        source = rng.choice(("run-free", "ciklik"))
        if rng.random() < 0.5:
            told = rng.choice((bought, bought, []))
            yield cart(f"{customer}", at, told, source=source, customer=who, shop=shop)
        else:
            sold = {"offset": number, "shop": shop}
            yield order(f"{number}", at, source=source, customer=who, items=bought, of_meta=sold)


async def append(settings: Settings, events: Iterable[Event]) -> int:
    """Append events as the processors do: an entity's events to one partition. How many."""
    producer = AIOKafkaProducer(**settings.kafka(), enable_idempotence=True)
    await producer.start()
    try:
        sending = []
        for event in events:
            topic = settings.topic(BY_RECORD[TOPIC_OF[type(event)]])
            made = record(topic, 0, event)
            sending.append(
                await producer.send(
                    topic,
                    made.value,
                    key=made.key,
                    partition=zlib.crc32(made.key) % settings.partitions,
                    headers=list(made.headers),
                )
            )
        await asyncio.gather(*sending)
        return len(sending)
    finally:
        await producer.stop()


class Worker:
    """One sink: takes all partitions over, then stores what the log holds, batch by batch.

    ``codec``: None where the log was written by real processors. ``size``: records in a batch.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        codec: Codec | None = CODEC,
        clock: Callable[[], Micros] = lambda: NOON,
        size: int = 100,
    ) -> None:
        self.settings = settings
        self.sinks = Sinks(codec, clock, in_background=False)
        self.size = size
        self.at: dict[Partition, int] = {}
        self.moved = 0

    async def __aenter__(self) -> Self:
        await self.sinks.start(self.settings, Health())
        places = [
            Partition(self.settings.topic(topic), number)
            for topic in CANONICAL
            for number in range(self.settings.partitions)
        ]
        self.at = dict(await self.sinks.assigned(frozenset(places)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sinks.stop()

    async def store(self, most: int | None = None) -> int:
        """Store everything up to the log's present ends; how many records that were.

        ``most``: no more than that of each partition.
        """
        stored = 0
        async with Log(self.settings) as kafka:
            ends = await kafka.ends(*CANONICAL)
            if most is not None:
                ends = {place: min(end, self.at[place] + most) for place, end in ends.items()}
            while any(self.at[place] < end for place, end in ends.items()):
                async for fetched in kafka.read(self.at, ends):
                    for place, records in fetched.items():
                        stored += await self._take(place, records)
        return stored

    async def _take(self, place: Partition, records: list[object]) -> int:
        stored = 0
        for first in range(0, len(records), self.size):
            some = records[first : first + self.size]
            some = [each for each in some if _at(each) >= self.at[place]]
            if not some or _at(some[0]) > self.at[place]:
                continue  # fetched before the fence was found elsewhere: read again
            batch = Batch(place, some, self.at[place], _at(some[-1]) + 1, 1, lambda: True)
            try:
                await self.sinks.handle(batch)
            except MovedError as moved:
                self.moved += 1
                self.at[place] = moved.offset
            else:
                self.at[place] = batch.end
                stored += len(some)
        return stored

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Store in the background whatever is appended, until the block ends."""

        async def forever() -> None:
            while True:
                await self.store()
                await asyncio.sleep(0.05)

        working = asyncio.ensure_future(forever())
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


def _at(fetched: object) -> int:
    return int(fetched.offset)  # type: ignore[attr-defined]


async def signals(settings: Settings) -> list[CartSignal]:
    """Every signal in the topic; of one cart in the order sent."""
    consumer = AIOKafkaConsumer(**settings.kafka(), auto_offset_reset="earliest")
    await consumer.start()
    found: list[CartSignal] = []
    try:
        places = [
            TopicPartition(settings.topic(CART_SIGNALS), number)
            for number in range(settings.partitions)
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while sum([await consumer.position(place) for place in places]) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for each in records:
                    signal = CODEC.decode(each.value)
                    assert isinstance(signal, CartSignal)
                    found.append(signal)
    finally:
        await consumer.stop()
    return found
