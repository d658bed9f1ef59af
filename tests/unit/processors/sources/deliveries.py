"""Deliveries made up in tests, run through their adapter as the processors would."""

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

from ingest import sources
from processors.sources.contract import Delivery, Parsed, Slots
from schemas.envelopes import Reject
from schemas.raw_delivery import RawDelivery
from tests.example_files import (
    APPENDED_MS,
    CONTACT_KEY,
    DELIVERY_ID,
    FOLDER,
    OFFSET,
    PARTITION,
    RECEIVED_AT,
    SHOPS,
    verdict,
)

Outcome = tuple[Parsed, Slots] | Reject


def sample(name: str) -> dict[str, Any]:
    """The document of an example (``run-free/order-created``)."""
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return document


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """An example's document after ``change`` was applied to it."""
    document = copy.deepcopy(sample(name))
    change(document)
    return document


def delivery(
    platform: str,
    event: str,
    body: dict[str, Any] | bytes,
    *,
    shop: dict[str, Any] | None = None,
    **raw: Any,
) -> Delivery:
    """A delivery keyed as the ingress would; ``shop`` and ``raw`` replace what is fixed."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    source = sources.SOURCES[platform]
    _, key = sources.read(source, "demo", event, content)
    values: dict[str, Any] = {
        "partition": PARTITION,
        "offset": OFFSET,
        "appended_ms": APPENDED_MS,
        "key": key or sources.hashed_key(source, "demo", content),
        "body": content,
        "delivery_id": DELIVERY_ID,
        "source": platform,
        "shop": "demo",
        "event": event,
        "received_at": RECEIVED_AT,
    }
    values.update(raw)
    return Delivery(
        RawDelivery(**values),
        dataclasses.replace(SHOPS[platform], **(shop or {})),
        content,
        CONTACT_KEY,
    )


def outcome(given: Delivery) -> Outcome:
    """(parsed, slots), or the reject of either step."""
    return verdict(given)


def run(platform: str, event: str, body: dict[str, Any] | bytes, **rest: Any) -> Slots:
    """The slots of a delivery that must be accepted."""
    made = outcome(delivery(platform, event, body, **rest))
    assert not isinstance(made, Reject), made
    return made[1]


def refused(
    platform: str, event: str, body: dict[str, Any] | bytes, **rest: Any
) -> tuple[str, str]:
    """(reason, path) of a delivery that must be rejected."""
    made = outcome(delivery(platform, event, body, **rest))
    assert isinstance(made, Reject), made
    return made.reason.value, made.path
