"""Bytes of a delivery: the golden examples through the real ingress, adapters and codec."""

import asyncio
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

import httpx
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from ingest.app import create_app
from ingest.publisher import MemoryPublisher, Record
from ingest.sources import prove
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from runtime.health import Health
from runtime.kafka.producer import MAX_BATCH
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas.envelopes import Outcome
from schemas.shops import Shop
from schemas.topics import WEBHOOKS
from tests.bench.build import CODEC
from tests.bench.measure import Row
from tests.example_files import APPENDED_MS, CONTACT_KEY, SHOPS, Example, examples
from tests.sink_events import FakeRecord

MAGIC, NO_COMPRESSION = 2, 0
"""Of the batches that the producers make: see ``new_producer``."""
SECRET = "a secret of the examples"
ShopsByKey = dict[tuple[str, str], Shop]


def run() -> list[Row]:
    """Means over all golden examples."""
    choice = examples()
    records, shops = asyncio.run(taken(choice))
    events = [outcome for record in records for outcome in decided(record, shops)]
    bodies = statistics.mean(len(record.value) for record in records)
    note = f"mean of {len(choice)} golden examples"
    return [
        Row("capacity", "body of a delivery", "B", [bodies], note=note),
        Row("capacity", "raw record beside its body", "B", [mean_bytes(records) - bodies]),
        Row("capacity", "canonical record", "B", [mean_bytes(events)], note="headers in it"),
        Row("capacity", "events of a delivery", "", [len(events) / len(choice)], note=note),
    ]


async def taken(choice: Iterable[Example]) -> tuple[list[Record], ShopsByKey]:
    """What the ingress appends for each example, and the shops that it knows."""
    rows = (
        f'[[shops]]\nsource = "{shop.source}"\nid = "{shop.id}"\nsecrets = ["{SECRET}"]\n'
        + (f'currency = "{shop.currency}"\n' if shop.currency else "")
        for shop in SHOPS.values()
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shops.toml"
        path.write_text("\n".join(rows))
        book = ShopBook(path)
    publisher = MemoryPublisher()
    app = create_app(Settings(), book, publisher, Health())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingress") as client:
        for example in choice:
            shop = book.shops[example.platform, "demo"]
            path_, headers = prove(shop, SECRET.encode(), example.body, example.told["event"])
            query = f"?{example.told['query']}" if example.told["query"] else ""
            answer = await client.post(
                path_ + query,
                content=example.body,
                headers=headers | {"content-type": example.told["content_type"]},
            )
            answer.raise_for_status()
    return publisher.records, dict(book.shops)


def decided(record: Record, shops: ShopsByKey) -> tuple[Outcome, ...]:
    """What the processors append for it. Raises ValueError where that is no event."""
    headers = tuple(record.headers)
    read = FakeRecord(WEBHOOKS.name, 0, 0, record.key, record.value, headers, APPENDED_MS)
    verdicts = Decider(CODEC, ADAPTERS, CONTACT_KEY)
    (verdict,) = verdicts.decide([read], PartitionIndex(), shops)
    if verdict.kind != "canonical":
        raise ValueError(f"{record.key.decode()}: {verdict.kind}, {verdict.reason}")
    return verdict.outcomes


def mean_bytes(records: Iterable[Record | Outcome]) -> float:
    """Bytes of a record in full batches, as the brokers store them: its share of the frame too."""
    stored, count = 0, 0
    batch, held = _new_batch(), 0
    for record in records:
        said = {"key": record.key, "value": record.value, "headers": record.headers}
        if batch.append(held, APPENDED_MS, **said) is None:
            stored += len(batch.build())
            batch, held = _new_batch(), 0
            batch.append(held, APPENDED_MS, **said)
        held += 1
        count += 1
    return (stored + len(batch.build())) / count


def _new_batch() -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(MAGIC, NO_COMPRESSION, 0, -1, -1, 0, MAX_BATCH)
