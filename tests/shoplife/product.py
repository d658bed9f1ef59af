"""The same lives through the product, in memory: adapter, merging, money rules."""

import json
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from ingest import sources
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery
from schemas.envelopes import Reject
from schemas.events import Event, Order, Payment
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop
from sinks.lifetime.order_money import OrderMoney, order_money
from sinks.lifetime.order_state import order_state
from sinks.lifetime.payment_refunds import payment_refund
from sinks.merge.event_fields import event_fields
from sinks.merge.last_writer import Layers, flatten, merge, version
from tests.rails_xml import to_xml
from tests.shoplife import payloads, payloads_more
from tests.shoplife.life import Life, Row, Sent, Transaction

_RENDER: dict[str, Callable[[Life, Any], dict[str, Any]]] = {
    "spiffy": payloads.spiffy,
    "run-free": payloads.run_free,
    "gooten": payloads.gooten,
    "shoprocket": payloads_more.shoprocket,
    "ciklik": payloads_more.ciklik,
}


class RejectedError(Exception):
    """A payload that must be accepted became a dead letter."""


def body(life: Life, sent: Sent) -> dict[str, Any]:
    """The payload of a delivery."""
    return _RENDER[life.source](life, sent.what)


def event_name(life: Life, sent: Sent) -> str:
    """The event as a header or the URL names it; empty where the body does."""
    if isinstance(sent.what, Transaction):
        verb = "created" if sent.what.kind == 0 else "updated"
        return f"{verb}_checkouttransaction"
    return sent.what.event if life.source in ("spiffy", "ciklik") else ""


def delivery(life: Life, offset: int) -> Delivery:
    """The delivery as the adapter receives it."""
    sent = life.sent[offset]
    document = body(life, sent)
    content = json.dumps(document).encode()
    if life.format == "xml":
        content = to_xml(document, "order")
    _, key = sources.read(sources.SOURCES[life.source], "s", event_name(life, sent), content)
    raw = RawDelivery(
        partition=0,
        offset=offset,
        appended_ms=sent.appended,
        key=key or b"",
        body=content,
        delivery_id=str(UUID(int=life.seed * 1000 + offset)),
        source=life.source,
        shop="s",
        event=event_name(life, sent),
        received_at=sent.appended * 1000 - 1000,
        content_type="application/xml" if life.format == "xml" else "application/json",
    )
    shop = Shop(
        source=life.source,
        id="s",
        currency=life.currency,
        taxes_included=life.taxes_included,
        counts_as_sale=life.counts_as_sale,
    )
    return Delivery(raw, shop, content, b"key")


def events(life: Life) -> list[Event]:
    """All events of all deliveries. Raises RejectedError."""
    made: list[Event] = []
    adapter = ADAPTERS[life.source]
    for offset in range(len(life.sent)):
        given = delivery(life, offset)
        parsed = adapter.parse(given)
        slots = parsed if isinstance(parsed, Reject) else adapter.events(given, parsed)
        if isinstance(slots, Reject):
            raise RejectedError(f"delivery {offset + 1}: {slots}")
        made += slots.values()
    return made


def money(life: Life) -> OrderMoney | None:
    """The order's money as the sinks have it; None without an order."""
    happened = events(life)
    random.Random(life.seed).shuffle(happened)  # noqa: S311 - any order gives the same
    layers: dict[str, Layers] = {}
    for event in happened:
        key = event.meta.entity
        if isinstance(event, Order | Payment):
            meta = event.meta
            layers[key] = merge(
                layers.get(key, ()), version(meta), meta.event_id, event_fields(event)
            )
    orders = {key: flatten(own) for key, own in layers.items() if "/order:" in key}
    if not orders:
        return None
    [(key, fields)] = orders.items()
    state = order_state(key, life.source, "s", fields)
    back = [payment_refund(flatten(own)) for own in layers.values() if own is not layers[key]]
    given = tuple(each for each in back if each is not None)
    return order_money(msgspec.structs.replace(state, payments=given))


def row(life: Life) -> Row:
    """What the product has of the order. Raises RejectedError."""
    made = money(life)
    if made is None:
        return Row(revenue_status="no order")
    return Row(
        revenue_status=str(made.revenue_status),
        gross=made.gross,
        discounts=made.discounts,
        refunded=made.refunded,
        net=made.net,
        pending=made.pending,
        reason=made.reason,
        tax_basis=made.tax_basis,
    )
