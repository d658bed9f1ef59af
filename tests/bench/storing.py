"""What a sink's writer costs an event, by how many events a transaction takes: no Kafka, no group.

The worker on one core, PostgreSQL on the other; the next transaction is prepared while one runs.
"""

import asyncio
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch, Partition
from schemas import envelopes
from schemas.codec import Codec
from schemas.events import RECORDS, TOPIC_OF
from schemas.raw_delivery import RawDelivery
from schemas.shops import parse
from sinks.postgres.session import Database
from sinks.store import stored_offsets
from sinks.store.batch_writer import Writer
from tests.bench.bodies import ORDERS, SHOPS, headers_of
from tests.bench.child import call
from tests.bench.measure import Row, Sample, alternate, timed
from tests.bench.real import Bench
from tests.faults.deliveries import Numbered, shops_toml
from tests.sink_events import FakeRecord

COUNT = 12_000
SIZES = (30, 100, 1000)
PARTITIONS = 4
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})


def run(bench: Bench) -> list[Row]:
    """Orders of two lines; then orders, payments, customers, shipments and carts of a storm."""
    rows = []
    for kind, work in (("orders", "orders of two lines"), ("mixed", "events of five topics")):
        sides = [_side(bench, kind, size) for size in SIZES]
        with bench.bar(f"storing: {work}") as told:
            found = alternate(sides, bench.runs, told)
        rows += [
            Row(
                "storing", f"{work}, {size} a transaction", "events/s",
                [each.rate for each in samples], cpu_us=[each.cpu_us for each in samples],
                note="the writer alone, on one core",
            )
            for size, samples in zip(SIZES, found, strict=True)
        ]  # fmt: skip
    return rows


def _side(bench: Bench, kind: str, size: int) -> Any:
    def sample() -> Sample:
        with bench.prefix() as settings:
            told = {"database_url": settings.database_url, "prefix": settings.prefix}
            count = bench.count(COUNT)
            found = call(bench.cores.stage, stored, **told, kind=kind, count=count, size=size)
        return Sample(**found)

    return sample


def stored(database_url: str, prefix: str, kind: str, count: int, size: int) -> dict[str, Any]:
    """A sample of storing the events of ``count`` deliveries, in this process."""
    settings = Settings(database_url=database_url, prefix=prefix)
    groups = list(_transactions(kind, count, size))

    def store() -> int:
        asyncio.run(_stored(settings, groups))
        return sum(len(batch.records) for group in groups for batch in group)

    return asdict(timed(store))


async def _stored(settings: Settings, groups: Sequence[Sequence[Batch]]) -> None:
    database = Database(settings, Health(), "hookline-bench-storing")
    writer = Writer(database, CODEC, lambda: time.time_ns() // 1000)
    places = sorted({batch.partition for group in groups for batch in group}, key=str)
    await database.run(
        lambda connection: stored_offsets.take_over(connection, places, database.name)
    )
    writing: asyncio.Future[None] | None = None
    for group in groups:
        prepared = await writer.prepare(group)
        if writing is not None:
            await writing
        writing = asyncio.ensure_future(writer.write(prepared, "cluster"))
    if writing is not None:
        await writing
    await database.close()


def _transactions(kind: str, count: int, size: int) -> Iterator[list[Batch]]:
    """The events in their order, ``size`` of them a transaction, each partition's as a batch."""
    ends: dict[Partition, int] = defaultdict(int)
    group: dict[Partition, list[FakeRecord]] = defaultdict(list)
    held = 0
    for record in _records(kind, count):
        place = Partition(record.topic, record.partition)
        group[place].append(record)
        held += 1
        if held == size:
            yield _batches(group, ends)
            group, held = defaultdict(list), 0
    if group:
        yield _batches(group, ends)


def _batches(group: dict[Partition, list[FakeRecord]], ends: dict[Partition, int]) -> list[Batch]:
    made = []
    for place, records in group.items():
        start = ends[place]
        ends[place] += len(records)
        made.append(Batch(place, records, start, ends[place], 1, lambda: True))
    return made


def _records(kind: str, count: int) -> Iterator[FakeRecord]:
    offsets: dict[tuple[str, int], int] = defaultdict(int)
    chance = random.Random(1)  # noqa: S311 - the same events for every side
    shops = SHOPS if kind == "orders" else parse(shops_toml())
    for raw in _orders(count) if kind == "orders" else _mixed(count):
        shop = shops[raw.source, raw.shop]
        delivery = Delivery(raw, shop, raw.body, b"the key of the bench")
        adapter = ADAPTERS[raw.source]
        parsed = adapter.parse(delivery)
        if not isinstance(parsed, Parsed):
            raise TypeError(f"the bench sends only what parses: {parsed}")
        events = adapter.events(delivery, parsed)
        if not isinstance(events, dict):
            raise TypeError(f"the bench sends only what maps: {events}")
        number = chance.randrange(PARTITIONS)
        for event in events.values():
            topic = TOPIC_OF[type(event)]
            offset = offsets[topic, number]
            offsets[topic, number] += 1
            said = (
                (envelopes.DELIVERY, str(uuid.UUID(int=offset)).encode()),
                (envelopes.SLOT, event.meta.slot.encode()),
            )
            key, value = event.meta.entity.encode(), CODEC.encode(event)
            yield FakeRecord(topic, number, offset, key, value, said)


def _orders(count: int) -> Iterator[RawDelivery]:
    for number in range(count):
        key, body, said = ORDERS.raw(number)
        yield RawDelivery.of(0, number, 1_800_000_000_000 + number, key, body, said)


def _mixed(count: int) -> Iterator[RawDelivery]:
    began = datetime(2026, 7, 30, tzinfo=UTC)
    words = ("order/created", "order.created", "orders/fulfilled", "cart.abandoned")
    for number in range(count):
        each = Numbered(number, began)
        source, shop, _ = each.entity.split("/", 2)
        said = headers_of(number, source, shop, words[each.kind])
        key, appended = each.entity.encode(), 1_800_000_000_000 + number
        yield RawDelivery.of(0, number, appended, key, each.body, said)
