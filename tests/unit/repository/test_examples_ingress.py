"""Every example through the ingress as its platform would send it, headers in all spellings."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ingest.app import create_app
from ingest.publisher import MemoryPublisher, Record
from ingest.sources import SOURCES, prove
from processors.sources.contract import Delivery
from runtime.health import Health
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas.envelopes import Reject
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop
from tests.example_files import CONTACT_KEY, SHOPS, Example, examples, rejects, verdict

SECRET = "a secret of the examples"
EXAMPLES = [*examples(), *rejects()]
SPIFFY = [example for example in EXAMPLES if example.platform == "spiffy"]
DOMAIN = "johns-apparel.spiffystores.com"


@dataclass
class Ingress:
    """The application with what it handed to Kafka."""

    client: httpx.AsyncClient
    publisher: MemoryPublisher
    shops: dict[tuple[str, str], Shop]

    async def take(self, example: Example, extra: dict[str, str] | None = None) -> RawDelivery:
        """The raw record that a 200 stands for."""
        shop = self.shops[example.platform, "demo"]
        path, headers = prove(shop, SECRET.encode(), example.body, example.told["event"])
        headers |= {"content-type": example.told["content_type"]}
        if extra is not None:
            headers = {n: v for n, v in headers.items() if not n.endswith("-topic")} | extra
        if example.told["query"]:
            path += f"?{example.told['query']}"
        answer = await self.client.post(path, content=example.body, headers=headers)
        assert answer.status_code == 200, answer.text
        return as_read(self.publisher.records.pop())


def as_read(record: Record) -> RawDelivery:
    """The record as a processor would read it from the topic."""
    return RawDelivery.of(3, 42, 1, record.key, record.value, tuple(record.headers))


@pytest.fixture
async def ingress(tmp_path: Path) -> AsyncIterator[Ingress]:
    rows = [
        f'[[shops]]\nsource = "{shop.source}"\nid = "{shop.id}"\nsecrets = ["{SECRET}"]\n'
        + (f'currency = "{shop.currency}"\n' if shop.currency else "")
        for shop in SHOPS.values()
    ]
    path = tmp_path / "shops.toml"
    path.write_text("\n".join(rows))
    book, publisher = ShopBook(path), MemoryPublisher()
    app = create_app(Settings(), book, publisher, Health())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingress") as client:
        yield Ingress(client, publisher, dict(book.shops))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_sent_as_its_platform_sends_it_is_stored_with_its_event_and_key(
    ingress: Ingress, example: Example
) -> None:
    raw = await ingress.take(example)
    header_or_url = SOURCES[example.platform].event_headers or example.platform == "ciklik"
    assert (raw.body, raw.key.decode()) == (example.body, example.told["key"])
    assert (raw.content_type, raw.query) == (example.told["content_type"], example.told["query"])
    if header_or_url or "reject" not in example.told:
        assert raw.event == example.told["event"]
    made = verdict(Delivery(raw, SHOPS[example.platform], raw.body, CONTACT_KEY))
    if isinstance(made, Reject):
        assert (made.reason, made.path) == (
            example.told["reject"]["reason"],
            example.told["reject"]["path"],
        )
    else:
        assert list(made[1]) == [event["slot"] for event in example.told["events"]]


@pytest.mark.parametrize(
    ("topic", "domain"),
    [
        ("X-Spiffy-Topic", "X-Spiffy-Shop-Domain"),
        ("X-Spiffy-Topic", "X-Spiffy-Stores-Shop-Domain"),
        ("X-Spiffy-Stores-Topic", "X-Spiffy-Shop-Domain"),
        ("X-Spiffy-Stores-Topic", "X-Spiffy-Stores-Shop-Domain"),
    ],
)
async def test_both_spellings_of_spiffys_headers_say_the_same(
    ingress: Ingress, topic: str, domain: str
) -> None:
    for example in SPIFFY:
        raw = await ingress.take(example, {topic: example.told["event"], domain: DOMAIN})
        assert raw.event == example.told["event"]
        assert dict(raw.headers)["hookline-shop-header"] == DOMAIN.encode()
        assert raw.key.decode() == example.told["key"]
