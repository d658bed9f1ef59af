"""The example deliveries under ``tests/examples``: read from disk, run through their adapter.

A body stands beside ``<slug>.expected.json``, which says what it is and what becomes of it:
``events``, or the ``reject`` that it must be. Delivery id, shop, times and raw coordinates are
fixed here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ingest import sources
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from schemas.envelopes import Reject
from schemas.events import RECORDS, TOPIC_OF, Event, Record
from schemas.platforms import PLATFORMS
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop

FOLDER = Path(__file__).parent / "examples"
EXPECTED = ".expected.json"
DELIVERY_ID = "019ca8f2-6b7a-7c3d-8e4f-a1b2c3d4e5f6"
RECEIVED_AT = 1_772_366_400_250_000  # 2026-03-01T12:00:00.25Z
APPENDED_MS = 1_772_366_400_300
PARTITION, OFFSET = 3, 42
CONTACT_KEY = b"key of the examples"
CONTENT_TYPES = {".json": "application/json", ".xml": "application/xml"}
SHOPS = {
    "run-free": Shop(source="run-free", id="demo", currency="USD", timezone="America/New_York"),
    "shoprocket": Shop(source="shoprocket", id="demo"),
    "spiffy": Shop(source="spiffy", id="demo", currency="GBP", timezone="Europe/London"),
    "ciklik": Shop(source="ciklik", id="demo", currency="EUR", timezone="Europe/Paris"),
    "gooten": Shop(source="gooten", id="demo", counts_as_sale=False),
}
SHOPS |= {
    name: Shop(source=name, id="demo", currency="EUR", counts_as_sale=row.counts_as_sale)
    for name, row in PLATFORMS.items()
    if name not in SHOPS
}


@dataclass(frozen=True)
class Example:
    """One body and what its expectation says. ``told`` is the expectation as it stands."""

    platform: str
    slug: str
    path: Path
    told: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.platform}/{self.slug}"

    @property
    def body(self) -> bytes:
        return self.path.read_bytes()

    @property
    def expectation(self) -> Path:
        return self.path.with_name(self.slug + EXPECTED)

    def key(self) -> str:
        """The raw key that the ingress would give it."""
        source = sources.SOURCES[self.platform]
        _, key = sources.read(source, "demo", self.told["event"], self.body)
        return (key or sources.hashed_key(source, "demo", self.body)).decode()

    def delivery(self) -> Delivery:
        """The delivery as the adapter is given it."""
        raw = RawDelivery(
            partition=PARTITION,
            offset=OFFSET,
            appended_ms=APPENDED_MS,
            key=self.key().encode(),
            body=self.body,
            delivery_id=DELIVERY_ID,
            source=self.platform,
            shop="demo",
            event=self.told["event"],
            received_at=RECEIVED_AT,
            content_type=self.told.get("content_type", CONTENT_TYPES[self.path.suffix]),
            query=self.told.get("query", ""),
        )
        return Delivery(raw, SHOPS[self.platform], self.body, CONTACT_KEY)

    def run(self) -> tuple[Parsed, dict[str, Event]]:
        """What the adapter makes of it. Raises ValueError where it is rejected."""
        made = verdict(self.delivery())
        if isinstance(made, Reject):
            raise ValueError(f"{self.name}: {made}")  # noqa: TRY004 - a verdict, not a type
        return made

    def events(self) -> list[tuple[str, str, Record]]:
        """The expected (slot, topic, record) triples."""
        return [
            (
                event["slot"],
                event["topic"],
                msgspec.convert(event["record"], RECORDS[event["topic"]]),
            )
            for event in self.told["events"]
        ]


def verdict(delivery: Delivery) -> tuple[Parsed, dict[str, Event]] | Reject:
    """What its platform's adapter makes of a delivery."""
    adapter = ADAPTERS[delivery.raw.source]
    parsed = adapter.parse(delivery)
    if isinstance(parsed, Reject):
        return parsed
    slots = adapter.events(delivery, parsed)
    return slots if isinstance(slots, Reject) else (parsed, slots)


def bodies() -> Iterator[Path]:
    """Every body under the folder, by name."""
    return (
        path
        for path in sorted(FOLDER.glob("*/*"))
        if path.suffix in CONTENT_TYPES and not path.name.endswith(EXPECTED)
    )


def expectations() -> Iterator[Path]:
    """Every expectation under the folder, by name."""
    return iter(sorted(FOLDER.glob(f"*/*{EXPECTED}")))


def examples() -> list[Example]:
    """Every body that has events for its expectation."""
    return [example for example in _with_expectation() if "reject" not in example.told]


def rejects() -> list[Example]:
    """Every body that must be rejected."""
    return [example for example in _with_expectation() if "reject" in example.told]


def _with_expectation() -> list[Example]:
    found = []
    for path in bodies():
        expectation = path.with_name(path.stem + EXPECTED)
        if expectation.exists():
            told = json.loads(expectation.read_text())
            found.append(Example(path.parent.name, path.stem, path, told))
    return found


def as_told(example: Example) -> dict[str, Any]:
    """The expectation that the adapter's present answer would give.

    Raises ValueError where it rejects what must have events, or the reverse.
    """
    head = {
        "published": example.told["published"],
        "note": example.told["note"],
        "event": example.told["event"],
        "content_type": example.told.get("content_type", CONTENT_TYPES[example.path.suffix]),
        "query": example.told.get("query", ""),
        "key": example.key(),
    }
    if "reject" in example.told:
        made = verdict(example.delivery())
        if not isinstance(made, Reject):
            raise ValueError(f"{example.name}: it must be rejected, and has events")
        return {**head, "reject": msgspec.to_builtins(made)}
    parsed, slots = example.run()
    return {
        **head,
        "event": parsed.event,
        "rule": parsed.rule.value,
        "events": [
            {
                "slot": slot,
                "topic": TOPIC_OF[type(event)],
                "record": json.loads(msgspec.json.encode(event)),
            }
            for slot, event in slots.items()
        ],
    }
