"""Rendered bodies, as the adapters of their platforms read them."""

from uuid import UUID

from hookline.simulate.payloads import Payload
from hookline.simulate.world.facts import SimulatedShop, Step
from ingest import sources
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed, Slots
from schemas.envelopes import Reject
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop

START = 1_790_000_000_000_000
KEY = b"a key for tests only"


def settings(shop: SimulatedShop) -> Shop:
    """The shop as the processors know it."""
    return Shop(
        source=shop.source,
        id=shop.id,
        currency=shop.currency,
        timezone=shop.timezone,
        taxes_included=shop.taxes_included,
        counts_as_sale=shop.counts_as_sale,
        abandon_after=shop.abandon_after,
        expire_after=shop.expire_after,
        checkout_grace=shop.checkout_grace,
    )


def read(step: Step, payload: Payload, number: int = 0) -> tuple[bytes, Parsed, Slots]:
    """The raw key, what was parsed, and its events. A refused body fails the test."""
    shop = step.fact.shop
    _, key = sources.read(sources.SOURCES[shop.source], shop.id, payload.event, payload.body)
    raw = RawDelivery(
        partition=0,
        offset=number,
        appended_ms=(START + step.due) // 1000 + 1,
        key=key or b"",
        body=payload.body,
        delivery_id=str(UUID(int=number)),
        source=shop.source,
        shop=shop.id,
        event=payload.event,
        received_at=START + step.due,
        content_type=payload.content_type,
        query=payload.query,
    )
    adapter = ADAPTERS[shop.source]
    delivery = Delivery(raw, settings(shop), payload.body, KEY)
    parsed = adapter.parse(delivery)
    assert not isinstance(parsed, Reject), parsed
    events = adapter.events(delivery, parsed)
    assert not isinstance(events, Reject), events
    assert key is not None
    return key, parsed, events
