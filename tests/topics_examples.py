"""One real record of each topic for ``docs/topics``, made by the code that writes it."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from processors import dedupe
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.outcomes import Origin
from processors.sources import ADAPTERS
from runtime.shop_book import ShopBook
from schemas import envelopes, topics
from schemas.codec import Codec
from schemas.envelopes import Headers, Outcome
from schemas.events import RECORDS, CartSignal, SignalKind
from schemas.json_records import decisions, erasures, heartbeats
from schemas.topics import Topic
from sinks.carts.signals import signal_id
from tests import ROOT
from tests.example_files import (
    APPENDED_MS,
    DELIVERY_ID,
    OFFSET,
    PARTITION,
    RECEIVED_AT,
    Example,
    examples,
)
from tests.one_delivery import sent
from tests.topics_text import EXAMPLES
from tests.toy_platform import Record

SHOPS = ROOT / "shops.example.toml"
REPEATED_ID = "019ca8f2-7d10-7b21-9c02-1f2e3d4c5b6a"
HOUR = 3_600_000_000


def record_of(topic: Topic) -> dict[str, Any]:
    """Return a record of a topic as JSON: partition, offset, key, headers, value."""
    if topic.record in EXAMPLES:
        return _canonical(topic)
    if topic is topics.CART_SIGNALS:
        return _signal()
    if topic is topics.WEBHOOKS:
        raw = raw_record()
        return _shown(raw.key, raw.headers, json.loads(raw.value))
    if topic is topics.DEAD_LETTERS:
        raw = raw_record()
        broken = raw.value[: len(raw.value) // 3]
        [letter] = outcomes([replace(raw, value=broken)])
        return _shown(letter.key, letter.headers, letter.value.decode())
    if topic is topics.DUPLICATES:
        raw = raw_record()
        again = replace(raw_record(REPEATED_ID), offset=raw.offset + 1)
        *_, repeat = outcomes([raw, again])
        return _shown(repeat.key, repeat.headers, json.loads(repeat.value))
    key, value = _own_json(topic)
    return _shown(key, (), json.loads(value))


def _own_json(topic: Topic) -> tuple[bytes, bytes]:
    if topic is topics.INGRESS:
        beat = heartbeats.Heartbeat(
            ingress=DELIVERY_ID,
            started=RECEIVED_AT - HOUR,
            at=RECEIVED_AT,
            healthy=True,
            accepted={"run-free/lakeside": 2210, "spiffy/johns": 1874},
        )
        return DELIVERY_ID.encode(), heartbeats.encode(beat)
    if topic is topics.DECISIONS:
        loss = decisions.AcceptedLoss(partition=3, first=1200, until=1250, at=RECEIVED_AT)
        return loss.key, decisions.encode(loss)
    if topic is topics.ERASURES:
        span = erasures.Span(f"{erasures.PSEUDONYM}{'5b' * 16}", RECEIVED_AT)
        entry = erasures.Erasure(
            subject="run-free/lakeside/customer:1", spans=(span,), because="asked by e-mail"
        )
        return entry.key, erasures.encode(entry)
    raise LookupError(f"no example of {topic.name}")


def _canonical(topic: Topic) -> dict[str, Any]:
    """Return an expected event of ``tests/examples`` under the headers that a processor adds."""
    example = _example(EXAMPLES[str(topic.record)])
    event = next(each for each in example.told["events"] if each["topic"] == topic.record)
    slots = tuple(each["slot"] for each in example.told["events"])
    delivery = example.delivery()
    raw = delivery.raw
    digest = dedupe.digest(raw.source, raw.shop, example.told["event"], raw.query, delivery.body)
    version = event["record"]["meta"]["adapter_version"]
    headers = Origin(raw, version, digest).headers(event["slot"], slots)
    return _shown(event["record"]["meta"]["entity"].encode(), headers, event["record"])


def _signal() -> dict[str, Any]:
    cart = _example(EXAMPLES["carts"]).told["events"][0]["record"]
    meta, total = cart["meta"], cart["total"]
    at = meta["occurred_at"] + HOUR
    signal = CartSignal(
        signal_id=signal_id(meta["entity"], 1, SignalKind.ABANDONED, at),
        kind=SignalKind.ABANDONED,
        cart_key=meta["entity"],
        generation=1,
        source=meta["source"],
        shop=meta["shop"],
        abandoned_at=at,
        occurred_at=at,
        detected_at=at + 1_200_000,
        cart_value=None if total is None else Decimal(total),
        currency=cart["currency"],
        item_count=sum(line["quantity"] or 0 for line in cart["items"]),
        is_test=False,
        source_event_id=meta["event_id"],
    )
    return _shown(signal.cart_key.encode(), (), json.loads(msgspec.json.encode(signal)))


def _example(name: str) -> Example:
    return next(each for each in examples() if each.name == name)


def raw_record(delivery_id: str = DELIVERY_ID) -> Record:
    """Return what an ingress appends for one example, with fixed id and times."""
    made = asyncio.run(sent(ShopBook(SHOPS), "run-free", "order-created"))
    fixed = {
        envelopes.DELIVERY: delivery_id.encode(),
        envelopes.RECEIVED_US: b"%d" % RECEIVED_AT,
    }
    headers = tuple((name, fixed.get(name, value)) for name, value in made.headers)
    return Record(OFFSET, made.key, made.value, headers, PARTITION, APPENDED_MS)


def outcomes(raws: list[Record], shops: Path = SHOPS) -> list[Outcome]:
    """Return what a processor appends for raw records."""
    codec = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
    verdicts = Decider(codec, ADAPTERS, b"key").decide(
        raws, PartitionIndex(), ShopBook(shops).shops
    )
    return [outcome for verdict in verdicts for outcome in verdict.outcomes]


def _shown(
    key: bytes, headers: Headers | Iterable[tuple[str, bytes]], value: Any
) -> dict[str, Any]:
    shown = {
        name: each.hex() if name == envelopes.DIGEST else each.decode() for name, each in headers
    }
    return {"key": key.decode(), "headers": shown, "value": value}
