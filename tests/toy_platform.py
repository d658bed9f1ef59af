"""A platform for tests of the processors: a body names its rule, slots and faults.

content 1             one cart; ``state 1``: the same under the state rule
content 1 two         a consent too; ``three``: and a customer
?                     rejected;  ``!`` a bug in parse;  ``boom`` a bug in events
new-only, old-only    rejected by the first, by the next adapter version
fewer, more           the next version gives no consent, gives a customer too
"""

from dataclasses import dataclass

from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from schemas import envelopes
from schemas.codec import Codec
from schemas.envelopes import Reason, Reject
from schemas.events import (
    RECORDS,
    Cart,
    Change,
    Consent,
    Customer,
    Meta,
    ShopSettings,
    TimeBasis,
)
from schemas.shops import Shop
from tests.raw import Raw

SHOP = Shop(source="spiffy", id="s", secrets=("x",), currency="USD")
SHOPS = {("spiffy", "s"): SHOP}
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
FIRST, NEXT = 1, 2


@dataclass(frozen=True, slots=True)
class Record:
    """A raw record as aiokafka gives it."""

    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    partition: int = 0
    timestamp: int = 1_000_000


def record(
    offset: int,
    body: bytes,
    *,
    at: int = 1_000_000,
    entity: str = "cart:1",
    delivery_id: str = "",
    extra: tuple[tuple[str, bytes], ...] = (),
) -> Record:
    raw = Raw("spiffy", "s", entity, body, delivery_id=delivery_id or f"delivery-{offset}")
    named = {**dict(raw.headers), envelopes.RECEIVED_US: b"1"}
    return Record(offset, raw.key, body, (*named.items(), *extra), timestamp=at)


def parse(delivery: Delivery, version: int = FIRST) -> Parsed | Reject:
    if delivery.body.startswith(b"!"):
        raise ValueError("a bug")
    if delivery.body.startswith(b"?"):
        return Reject(Reason.INVALID_PAYLOAD, "data.x", "not so", "validate")
    if version == NEXT and b"old-word" in delivery.body:
        return Reject(Reason.UNKNOWN_EVENT, "type", "old-word", "parse")
    rule = Rule.CONTENT if delivery.body.startswith(b"content") else Rule.STATE
    return Parsed("toy", rule, delivery.body)


def events(delivery: Delivery, parsed: Parsed, version: int = FIRST) -> Slots | Reject:
    words = parsed.payload.split()
    if b"boom" in words:
        raise ValueError("another bug")
    if (b"new-only" if version == FIRST else b"old-only") in words:
        return Reject(Reason.INVALID_PAYLOAD, "data.y", f"not in version {version}", "transform")
    cart = Cart(meta=meta(delivery, "cart", version), cart_id="1", abandoned=False)
    slots: Slots = {"cart": cart}
    many = b"two" in words or b"three" in words or b"fewer" in words
    if many and not (b"fewer" in words and version == NEXT):
        slots["consent"] = Consent(meta=meta(delivery, "consent", version), consent_id="1")
    if b"three" in words or (b"more" in words and version == NEXT):
        slots["customer"] = Customer(meta=meta(delivery, "customer", version), customer_id="1")
    return slots


def meta(delivery: Delivery, slot: str, version: int) -> Meta:
    raw = delivery.raw
    return Meta(
        event_id=envelopes.event_id(raw.delivery_id, slot),
        delivery_id=raw.delivery_id,
        source=raw.source,
        shop=raw.shop,
        entity=raw.entity,
        slot=slot,
        source_event="toy",
        change=Change.UPDATED,
        occurred_at=1,
        time_basis=TimeBasis.RECEIVED,
        version_at=1,
        received_at=1,
        raw_partition=raw.partition,
        raw_offset=raw.offset,
        raw_appended_at=raw.appended_ms * 1000,
        is_test=False,
        adapter_version=version,
        settings=ShopSettings(
            timezone="UTC",
            abandon_after_s=1,
            expire_after_s=1,
            checkout_grace_s=1,
            counts_as_sale=True,
        ),
    )


def adapter(version: int = FIRST) -> Adapter:
    return Adapter(
        version,
        lambda delivery: parse(delivery, version),
        lambda delivery, parsed: events(delivery, parsed, version),
    )
