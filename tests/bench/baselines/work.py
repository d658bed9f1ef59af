"""The work that every baseline of the processors does: the same bytes out of the same bytes.

Decode, digest, our adapter's typed mapping, Avro by our codec, and every header: what differs
between the baselines is how records come and go, and where dedupe keeps its state.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from processors import dedupe
from processors.outcomes import Origin
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.codec import Codec
from schemas.envelopes import Headers, Reject
from schemas.events import Event
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop, load


@dataclass(frozen=True, slots=True)
class Read:
    """A raw record that was parsed; ``digest`` says what it says."""

    delivery: Delivery
    parsed: Parsed
    digest: bytes


class Work:
    """Raw deliveries into canonical events. Bad input is none of a baseline's business."""

    def __init__(
        self, codec: Codec, shops: Mapping[tuple[str, str], Shop], contact_key: bytes
    ) -> None:
        self._codec, self._shops, self._contact_key = codec, shops, contact_key

    @classmethod
    def of(cls, settings: Settings) -> "Work":
        """With the registry's ids and the shops of the file."""
        codec = asyncio.run(load_codec(settings))
        return cls(codec, load(Path(settings.shops_file)), settings.contact_key.encode())

    def read(self, raw: RawDelivery) -> Read:
        """Parse and digest."""
        return self._digested(*self._parsed(raw))

    def reads(self, raws: Sequence[RawDelivery]) -> list[Read]:
        """Parse all, then digest all."""
        return [self._digested(*each) for each in [self._parsed(raw) for raw in raws]]

    def _parsed(self, raw: RawDelivery) -> tuple[Delivery, Parsed | Reject]:
        delivery = Delivery(raw, self._shops[raw.source, raw.shop], raw.body, self._contact_key)
        return delivery, ADAPTERS[raw.source].parse(delivery)

    def _digested(self, delivery: Delivery, parsed: Parsed | Reject) -> Read:
        if not isinstance(parsed, Parsed):
            raise TypeError(f"the bench sends only what parses: {parsed}")
        raw, query = delivery.raw, parsed.query_identifiers
        return Read(
            delivery, parsed, dedupe.digest(raw.source, raw.shop, parsed.event, query, raw.body)
        )

    def made(self, read: Read) -> tuple[bytes, bytes, Headers]:
        """Key, Avro bytes and headers of its one event."""
        slot, event = self.event(read)
        key, headers = self.headed(read, slot)
        return key, self._codec.encode(event), headers

    def headed(self, read: Read, slot: str) -> tuple[bytes, Headers]:
        """Key and headers of its one event, which is the primary one."""
        raw = read.delivery.raw
        origin = Origin(raw, ADAPTERS[raw.source].version, read.digest)
        return raw.key, origin.headers(slot, (slot,))

    def event(self, read: Read) -> tuple[str, Event]:
        """Its one event, and the slot of that."""
        slots = ADAPTERS[read.delivery.raw.source].events(read.delivery, read.parsed)
        if not isinstance(slots, dict):
            raise TypeError(f"the bench sends only what maps: {slots}")
        [(slot, event)] = slots.items()
        return slot, event
