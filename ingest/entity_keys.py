"""The event and the entity of a delivery, by one cheap look at its body.

Each reader takes the event word told outside the body and gives ``(event, "kind:id")``; the
entity is None where no id can be read, and the caller takes the body's hash. Readers never
raise: what a body says is for the processors to judge. Ids keep their exact text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ingest.xml_scan import texts

Found = tuple[str, str | None]
"""The platform's own event word (empty where the body hides it), and ``kind:id``."""

MAX_WORD = 200
"""Characters of an id or an event word that are believed."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises of a body: no JSON, no UTF-8, nested too deeply."""

_Id = msgspec.Raw
_NONE = msgspec.Raw()
_WHOLE = re.compile(rb"-?\d{1,40}")
_KIND = re.compile(r"[a-z][a-z_]{0,31}")
_decode_text = msgspec.json.Decoder(str).decode


def text_of(raw: msgspec.Raw) -> str | None:
    """The exact text of an id: a whole number or a string, printable and not too long."""
    told = bytes(raw)
    if _WHOLE.fullmatch(told):
        return told.decode()
    if told[:1] != b'"':
        return None
    try:
        return _believed(_decode_text(told))
    except _UNREADABLE:  # half a surrogate pair
        return None


def _believed(text: str) -> str | None:
    return text if 0 < len(text) <= MAX_WORD and text.isprintable() else None


def _named(kind: str, *ids: msgspec.Raw) -> str | None:
    for raw in ids:
        if (text := text_of(raw)) is not None:
            return f"{kind}:{text}"
    return None


def _kind(word: str) -> str:
    return word if _KIND.fullmatch(word) else "other"


class _Word(msgspec.Struct):
    type: Any = None
    action: Any = None


_decode_word = msgspec.json.Decoder(_Word).decode


def _words(body: bytes) -> tuple[str, str]:
    """``type`` and ``action`` of a body whose other parts are not as they should be."""
    try:
        told = _decode_word(body)
    except _UNREADABLE:
        return "", ""
    return (
        told.type if isinstance(told.type, str) else "",
        told.action if isinstance(told.action, str) else "",
    )


class _Named(msgspec.Struct):
    id: _Id = _NONE


_decode_named = msgspec.json.Decoder(_Named).decode


def _id_in(raw: msgspec.Raw) -> msgspec.Raw:
    """The ``id`` of an object told inside a body; none where it is no object."""
    if bytes(raw)[:1] != b"{":
        return _NONE
    try:
        return _decode_named(raw).id
    except _UNREADABLE:
        return _NONE


_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOUN = re.compile(r"[a-z]+")


def at_paths(event_path: str, ids: Mapping[str, str]) -> Callable[[str, bytes], Found]:
    """A reader for a platform whose JSON bodies tell both at fixed places.

    ``event_path``: dotted path of the event's word; empty where it is told outside the body.
    ``ids``: noun that the word begins with -> dotted path of the id.
    """

    def read(event: str, body: bytes) -> Found:
        try:
            if event_path:
                event = text_of(_at(body, event_path)) or ""
            noun = _NOUN.match(event)
            path = ids.get(noun[0]) if noun else None
            return event, _named(noun[0], _at(body, path)) if noun and path else None
        except _UNREADABLE:
            return event, None

    return read


def _at(body: bytes, path: str) -> msgspec.Raw:
    raw = msgspec.Raw(body.strip())
    for name in path.split("."):
        if bytes(raw)[:1] != b"{":
            return _NONE
        raw = _decode_object(raw).get(name, _NONE)
    return raw


class _RunFreeData(msgspec.Struct):
    id: _Id = _NONE
    customer: _Id = _NONE


class _RunFree(msgspec.Struct):
    type: str = ""
    action: str = ""
    data: _RunFreeData | None = None


_decode_run_free = msgspec.json.Decoder(_RunFree).decode


def run_free(_event: str, body: bytes) -> Found:
    """``type/action``; a cart is its customer's."""
    try:
        told = _decode_run_free(body)
    except _UNREADABLE:
        kind, action = _words(body)
        return _joined(kind, action), None
    event = _joined(told.type, told.action)
    data = told.data
    if data is None:
        return event, None
    if told.type == "cart":
        return event, _named("cart", _id_in(data.customer))
    return event, _named(_kind(told.type), data.id)


def _joined(kind: str, action: str) -> str:
    return (_believed(f"{kind}/{action}") or "") if kind or action else ""


class _Held(msgspec.Struct):
    id: _Id = _NONE
    object: _Id = _NONE
    order: _Id = _NONE
    cart: _Id = _NONE
    customer: _Id = _NONE


class _Shoprocket(msgspec.Struct):
    type: str = ""
    data: _Held | None = None


_decode_shoprocket = msgspec.json.Decoder(_Shoprocket).decode


def shoprocket(_event: str, body: bytes) -> Found:
    """``type``; the id in ``data``, or in the object that the newer envelope wraps there."""
    try:
        told = _decode_shoprocket(body)
    except _UNREADABLE:
        return _believed(_words(body)[0]) or "", None
    event = _believed(told.type) or ""
    data = told.data
    if data is None:
        return event, None
    kind = _kind(told.type.partition(".")[0])
    inner = {"order": data.order, "cart": data.cart, "customer": data.customer}.get(kind, _NONE)
    return event, _named(kind, data.id, _id_in(inner), _id_in(data.object))


class _SpiffyBody(msgspec.Struct):
    id: _Id = _NONE
    token: _Id = _NONE
    customer: _Id = _NONE
    created_at: _Id = _NONE
    cart: _Id = _NONE
    order: _Id = _NONE


_decode_spiffy = msgspec.json.Decoder(_SpiffyBody).decode


def spiffy(event: str, body: bytes) -> Found:
    """JSON or XML; a cart by its token, a credit by its customer and creation time."""
    try:
        told = _spiffy_xml(body) if _is_xml(body) else _decode_spiffy(body)
        return event, _spiffy_entity(event.partition("/")[0], told) if told else None
    except _UNREADABLE:
        return event, None


def _is_xml(body: bytes) -> bool:
    return body[:1] != b"{" and body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def _spiffy_entity(noun: str, told: _SpiffyBody) -> str | None:
    match noun:
        case "carts":
            cart = _decode_spiffy(told.cart) if bytes(told.cart)[:1] == b"{" else told
            return _named("cart", cart.token, cart.id)
        case "orders":
            return _named("order", told.id, _id_in(told.order))
        case "customers":
            return _named("customer", told.id, _id_in(told.customer))
    customer, created = text_of(_id_in(told.customer)), text_of(told.created_at)
    if customer and created and (not told.id or "credit" in noun):
        return f"credit:{customer}-{created}"
    return _named(_kind(noun.removesuffix("s")), told.id)


_TOLD_IN_XML = (("id",), ("token",), ("created_at",), ("customer", "id"))


def _spiffy_xml(body: bytes) -> _SpiffyBody | None:
    told = texts(body, _TOLD_IN_XML)
    if told is None:
        return None

    def raw(*path: str) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(told[path])) if path in told else _NONE

    customer = _NONE
    if inner := raw("customer", "id"):
        customer = msgspec.Raw(b'{"id":' + bytes(inner) + b"}")
    return _SpiffyBody(raw("id"), raw("token"), customer, raw("created_at"))


class _Ciklik(msgspec.Struct):
    id: _Id = _NONE
    uuid: _Id = _NONE
    order_id: _Id = _NONE
    cart_id: _Id = _NONE
    plan: _Id = _NONE
    email: _Id = _NONE
    addresses: _Id = _NONE


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
"""Last word of an event key -> kind of entity."""


def ciklik(event: str, body: bytes) -> Found:
    """The URL names the event; ``updated_subscription`` may hold a user."""
    try:
        told = _decode_ciklik(body)
    except _UNREADABLE:
        return event, None
    if event == "abandoned_cart":
        return event, _named("cart", told.cart_id, told.id)
    kind = CIKLIK_KINDS.get(event.rpartition("_")[2], "other")
    if kind == "order":
        return event, _named(kind, told.order_id, told.id)
    if kind == "subscription":
        is_user = not told.plan and bool(told.email or told.addresses)
        return event, _named("customer", told.id) if is_user else _named(kind, told.uuid, told.id)
    return event, _named(kind, told.id)


class _Gooten(msgspec.Struct):
    Id: _Id = _NONE


_decode_gooten = msgspec.json.Decoder(_Gooten).decode
GOOTEN_EVENT = "order-item-changed"


def gooten(_event: str, body: bytes) -> Found:
    """Always the same event, on the order in the body."""
    try:
        return GOOTEN_EVENT, _named("order", _decode_gooten(body).Id)
    except _UNREADABLE:
        return GOOTEN_EVENT, None
