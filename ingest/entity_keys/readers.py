"""Readers of event name and entity, one for each platform whose bodies need code.

The entity is None if no id can be read; the caller then takes the body's hash. Readers never
raise: whether a body is valid is decided by the processors.
"""

from xml.etree.ElementTree import ParseError

import msgspec

from ingest.entity_keys.json_ids import (
    NO_ID,
    UNREADABLE,
    EventEntity,
    Id,
    accepted,
    entity,
    event_parts,
    id_in,
    kind_of,
    text_of,
)
from runtime.bodies import xml_document


class _RunFreeData(msgspec.Struct):
    id: Id = NO_ID
    customer: Id = NO_ID


class _RunFree(msgspec.Struct):
    type: str = ""
    action: str = ""
    data: _RunFreeData | None = None


_decode_run_free = msgspec.json.Decoder(_RunFree).decode


def run_free(_event: str, body: bytes) -> EventEntity:
    """Read ``type/action``; a cart is keyed by its customer."""
    try:
        fields = _decode_run_free(body)
    except UNREADABLE:
        kind, action = event_parts(body)
        return _run_free_event(kind, action), None
    event = _run_free_event(fields.type, fields.action)
    data = fields.data
    if data is None:
        return event, None
    if fields.type == "cart":
        return event, entity("cart", id_in(data.customer))
    return event, entity(kind_of(fields.type), data.id)


def _run_free_event(kind: str, action: str) -> str:
    return (accepted(f"{kind}/{action}") or "") if kind or action else ""


class _ShoprocketData(msgspec.Struct):
    id: Id = NO_ID
    object: Id = NO_ID
    order: Id = NO_ID
    cart: Id = NO_ID
    customer: Id = NO_ID


class _Shoprocket(msgspec.Struct):
    type: str = ""
    data: _ShoprocketData | None = None


_decode_shoprocket = msgspec.json.Decoder(_Shoprocket).decode


def shoprocket(_event: str, body: bytes) -> EventEntity:
    """Read ``type``, and the id in ``data`` or in the object that newer envelopes nest there."""
    try:
        fields = _decode_shoprocket(body)
    except UNREADABLE:
        return accepted(event_parts(body)[0]) or "", None
    event = accepted(fields.type) or ""
    data = fields.data
    if data is None:
        return event, None
    kind = kind_of(fields.type.partition(".")[0])
    inner = {"order": data.order, "cart": data.cart, "customer": data.customer}.get(kind, NO_ID)
    return event, entity(kind, data.id, id_in(inner), id_in(data.object))


class _Spiffy(msgspec.Struct):
    id: Id = NO_ID
    token: Id = NO_ID
    customer: Id = NO_ID
    created_at: Id = NO_ID
    cart: Id = NO_ID
    order: Id = NO_ID


_decode_spiffy = msgspec.json.Decoder(_Spiffy).decode
_TO_JSON = msgspec.json.Encoder(decimal_format="number")


def spiffy(event: str, body: bytes) -> EventEntity:
    """Read JSON or XML; a cart is keyed by its token, a credit by customer and creation time."""
    try:
        fields = _spiffy_xml(body) if _is_xml(body) else _decode_spiffy(body)
        return event, _spiffy_entity(event.partition("/")[0], fields)
    except UNREADABLE:
        return event, None


def _is_xml(body: bytes) -> bool:
    return body[:1] != b"{" and body[:64].lstrip(b"\xef\xbb\xbf\x00 \t\r\n")[:1] == b"<"


def _spiffy_entity(noun: str, fields: _Spiffy) -> str | None:
    match noun:
        case "carts":
            cart = _decode_spiffy(fields.cart) if bytes(fields.cart)[:1] == b"{" else fields
            return entity("cart", cart.token, cart.id)
        case "orders":
            return entity("order", fields.id, id_in(fields.order))
        case "customers":
            return entity("customer", fields.id, id_in(fields.customer))
    customer, created = text_of(id_in(fields.customer)), text_of(fields.created_at)
    if customer and created and (not fields.id or "credit" in noun):
        return f"credit:{customer}-{created}"
    return entity(kind_of(noun.removesuffix("s")), fields.id)


def _spiffy_xml(body: bytes) -> _Spiffy:
    """Read XML as the JSON of the same document, so that both have the same key."""
    try:
        document = xml_document.read(body)
    except (ParseError, ValueError, LookupError) as error:
        raise msgspec.DecodeError(str(error)) from error
    return _decode_spiffy(_TO_JSON.encode(document))


class _Ciklik(msgspec.Struct):
    id: Id = NO_ID
    uuid: Id = NO_ID
    order_id: Id = NO_ID
    cart_id: Id = NO_ID
    plan: Id = NO_ID
    email: Id = NO_ID
    addresses: Id = NO_ID


_decode_ciklik = msgspec.json.Decoder(_Ciklik).decode

CIKLIK_KINDS = {
    "subscription": "subscription",
    "checkoutorder": "order",
    "checkouttransaction": "transaction",
    "checkoutinvoice": "invoice",
    "address": "address",
    "shippingbox": "shippingbox",
    "user": "customer",
    "optin": "optin",
}
"""Last part of an event name -> kind of entity."""


def ciklik(event: str, body: bytes) -> EventEntity:
    """Read the ids; the URL names the event. ``updated_subscription`` may hold a user."""
    try:
        fields = _decode_ciklik(body)
    except UNREADABLE:
        return event, None
    if event == "abandoned_cart":
        return event, entity("cart", fields.cart_id, fields.id)
    kind = CIKLIK_KINDS.get(event.rpartition("_")[2], "other")
    if kind == "order":
        return event, entity(kind, fields.order_id, fields.id)
    if kind == "subscription":
        is_user = not fields.plan and bool(fields.email or fields.addresses)
        if is_user:
            return event, entity("customer", fields.id)
        return event, entity(kind, fields.uuid, fields.id)
    return event, entity(kind, fields.id)


class _Gooten(msgspec.Struct):
    Id: msgspec.Raw = NO_ID


_decode_gooten = msgspec.json.Decoder(_Gooten).decode
GOOTEN_EVENT = "order-item-changed"


def gooten(_event: str, body: bytes) -> EventEntity:
    """Read the order's id; the event is always the same."""
    try:
        return GOOTEN_EVENT, entity("order", _decode_gooten(body).Id)
    except UNREADABLE:
        return GOOTEN_EVENT, None
