"""One example through ingress and processor, with no server at all.

``python -m tests.one_delivery SHOPS_FILE PLATFORM EXAMPLE [SHOP]`` prints the outcomes as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hookline.send import examples, sender
from ingest.app import create_app
from ingest.publisher import MemoryPublisher
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from runtime.health import Health
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from schemas import envelopes
from schemas.codec import Codec
from schemas.events import RECORDS
from tests.toy_platform import Record

URL = "http://ingress"


async def sent(book: ShopBook, platform: str, example: str, shop: str | None = None) -> Record:
    """The raw record that the ingress made of an example. Raises HTTPStatusError if refused."""
    publisher = MemoryPublisher()
    app = create_app(Settings(), book, publisher, Health())
    chosen = next(s for s in book.shops.values() if s.source == platform and shop in (None, s.id))
    sample = sender.with_query(examples.load(platform, example))
    url, headers, body = sender.request(URL, chosen, sample)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        (await client.post(url, content=body, headers=headers)).raise_for_status()
    (told,) = publisher.records
    return Record(0, told.key, told.value, tuple(told.headers), timestamp=2_000_000_000_000)


def outcomes(book: ShopBook, record: Record) -> list[dict[str, Any]]:
    """What the processor appends for a raw record: topic, slot, and the record or the reason."""
    codec = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
    verdicts = Decider(codec, ADAPTERS, b"key").decide([record], PartitionIndex(), book.shops)
    told = []
    for outcome in (outcome for verdict in verdicts for outcome in verdict.outcomes):
        headers = dict(outcome.headers)
        said = {"topic": outcome.topic, "slot": headers[envelopes.SLOT].decode()}
        if envelopes.REASON in headers:
            said["reason"] = headers[envelopes.REASON].decode()
            said["path"] = headers[envelopes.FIELD_PATH].decode()
            told.append(said)
        else:
            told.append({**said, "record": msgspec.to_builtins(codec.decode(outcome.value))})
    return told


def main(arguments: list[str]) -> int:
    """Print them. 1 where the delivery became a dead letter."""
    file, *rest = arguments
    book = ShopBook(Path(file))
    made = outcomes(book, asyncio.run(sent(book, *rest)))
    sys.stdout.write(json.dumps(made, default=str, indent=2) + "\n")
    return int(any("reason" in outcome for outcome in made))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
