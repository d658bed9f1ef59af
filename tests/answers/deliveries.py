"""The accepted deliveries, read from the raw topic: the same for every pipeline."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.ElementTree import fromstring

from runtime.settings import Settings
from schemas.raw_delivery import RawDelivery
from schemas.topics import WEBHOOKS
from tests.raw import records

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery. ``event``: as the header or URL named it; ``received_at``: microseconds.

    ``body`` is None where it is neither JSON nor XML.
    """

    shop: str
    event: str
    received_at: int
    body: Body | None

    @property
    def source(self) -> str:
        """The platform."""
        return self.shop.partition("/")[0]


def read(settings: Settings) -> list[Delivery]:
    """Read the whole raw topic, in the order in which it was appended."""
    found = asyncio.run(records(settings, [settings.topic(WEBHOOKS)]))
    found.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    return [
        of(each.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
        for each in found
    ]


def of(*record: Any) -> Delivery:
    """Return the delivery of a Kafka record, given as ``RawDelivery.of`` takes it."""
    raw = RawDelivery.of(*record)
    body = parsed(raw.body, raw.content_type)
    return Delivery(f"{raw.source}/{raw.shop}", raw.event, raw.received_at, body)


def parsed(body: bytes, content_type: str) -> Body | None:
    """Parse a body; None for what is cut off."""
    try:
        if "xml" in content_type:
            return dict(_value(fromstring(body)))
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, ParseError):
        return None
    return read if isinstance(read, dict) else None


def _value(element: Element) -> Any:
    """Return an element as the JSON of the same platform has it."""
    if element.get("nil") == "true":
        return None
    match element.get("type"):
        case "array":
            return [_value(child) for child in element]
        case "integer":
            return int(element.text or 0)
        case "boolean":
            return element.text == "true"
    if len(element):
        return {child.tag.replace("-", "_"): _value(child) for child in element}
    return element.text or ""


def write(path: Path, deliveries: Iterable[Delivery]) -> None:
    """Write deliveries as a loader of a warehouse does: a line of JSON each, XML as JSON.

    What cannot be parsed is left out, as every loader leaves it.
    """
    with path.open("wb") as file:
        for number, each in enumerate(deliveries):
            if each.body is None:
                continue
            line = {
                "number": number,
                "shop": each.shop,
                "event": each.event,
                "received_at": each.received_at,
                "body": each.body,
            }
            file.write(msgspec.json.encode(line) + b"\n")
