"""Shoprocket's newer envelope: an ``evt_`` id, ``createdAt``, amounts in minor units.

Recognised by its shape. ``createdAt`` is the time of the event, so it dates every change; the
state is as old as the object's own ``updatedAt``.
"""

from typing import Any

from processors.sources.contract import Delivery, Parsed, Rule, Slots
from processors.sources.readers import meta
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.contact import contact, email_hash, with_contact
from processors.sources.readers.document import Document
from processors.sources.readers.fields import flag, required_id, required_mapping, text
from processors.sources.readers.refusals import unknown_event
from processors.sources.readers.times import micros, moment
from processors.sources.shoprocket import envelope_money, envelope_orders
from schemas.events import Change, Customer, Meta

CHANGES = {
    "order.created": Change.CREATED,
    "order.updated": Change.UPDATED,
    "order.paid": Change.UPDATED,
    "order.fulfilled": Change.UPDATED,
    "order.refunded": Change.UPDATED,
    "order.cancelled": Change.UPDATED,
    "order.deleted": Change.DELETED,
    "cart.abandoned": Change.REPORTED,
    "customer.created": Change.CREATED,
    "customer.updated": Change.UPDATED,
    "customer.deleted": Change.DELETED,
}
EVENTS = frozenset(CHANGES)
_ENVELOPE = KnownFields(
    "type createdAt data livemode",
    kept="id storeId",
)
_CUSTOMER = KnownFields(
    """
    id email firstName lastName name phone acceptsMarketing createdAt updatedAt
    """,
    path="data.",
)


def is_envelope(document: Document) -> bool:
    """Return whether a body is in the newer envelope."""
    event_id = document.get("id")
    return type(event_id) is str and event_id.startswith("evt_")


def parse(document: Document, event: str) -> Parsed:
    """Choose the content rule: the event's own id changes with every event."""
    if event not in CHANGES:
        unknown_event(event, "type")
    required_mapping(document, "data")
    return Parsed(event, Rule.CONTENT, document)


def events(delivery: Delivery, parsed: Parsed, version: int) -> Slots:
    """Build ``order``, and a ``payment`` for each given; ``cart``; ``customer`` and ``contact``."""
    document: Document = parsed.payload
    noun = parsed.event.partition(".")[0]
    data, path = _object(document, noun)
    shop, change = delivery.shop, CHANGES[parsed.event]
    when = moment(document, "createdAt", "", shop)
    is_test = document.get("livemode") is False or data.get("livemode") is False
    head = meta.build(
        delivery,
        slot=noun,
        event=parsed.event,
        change=change,
        when=when,
        state_at=None if change is Change.DELETED else micros(data, "updatedAt", path, shop),
        adapter_version=version,
        is_test=is_test,
    )
    kept = attributes(document, _ENVELOPE, prefix="event.")
    if noun == "cart":
        return {noun: envelope_orders.cart(delivery, head, data, path, kept)}
    if noun == "customer":
        return _customer(delivery, head, data, path, kept)
    order = envelope_orders.order(delivery, head, data, path, kept)
    return {noun: order, **envelope_money.payments(delivery, order, data, path, when)}


def _object(document: Document, noun: str) -> tuple[dict[str, Any], str]:
    """Return the object that the event is about, and its path: ``data``, or an object in it."""
    data = required_mapping(document, "data")
    if "id" not in data:
        for key in (noun, "object"):
            if type(data.get(key)) is dict:
                return required_mapping(data, key, "data."), f"data.{key}."
    return data, "data."


def _customer(
    delivery: Delivery, head: Meta, data: dict[str, Any], path: str, kept: dict[str, str]
) -> Slots:
    record = Customer(
        meta=head,
        customer_id=required_id(data, "id", path),
        email_hash=email_hash(text(data, "email", path), delivery.contact_key),
        accepts_marketing=flag(data, "acceptsMarketing", path),
        created_at=micros(data, "createdAt", path, delivery.shop),
        updated_at=micros(data, "updatedAt", path, delivery.shop),
        attributes=merged(kept, attributes(data, _CUSTOMER)),
    )
    given = contact(
        data, path, "name", "email", "phone", first_name="firstName", last_name="lastName"
    )
    return with_contact(record, given)
