"""What an exported object is: the webhook that would have brought it, and what dates it.

An object is the body of a webhook, or what the platform's API lists; the second is put into the
envelope of the first. Only the event is inferred: the adapter reads the rest as always.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

NONE = msgspec.Raw()


class Fields(msgspec.Struct, gc=False):
    """The fields that show what an object is and when, unparsed; those of a platform follow."""

    type: msgspec.Raw = NONE
    data: msgspec.Raw = NONE
    email: msgspec.Raw = NONE
    created_at: msgspec.Raw = NONE
    updated_at: msgspec.Raw = NONE
    deleted_at: msgspec.Raw = NONE
    created: msgspec.Raw = NONE
    items: msgspec.Raw = NONE
    Items: msgspec.Raw = NONE
    line_items: msgspec.Raw = NONE
    order_items: msgspec.Raw = NONE
    order_id: msgspec.Raw = NONE
    financial_status: msgspec.Raw = NONE
    subtotal: msgspec.Raw = NONE
    total_price: msgspec.Raw = NONE
    total_amount: msgspec.Raw = NONE
    total_paid: msgspec.Raw = NONE


class _RunFree(Fields, gc=False):
    customer: msgspec.Raw = NONE
    firstName: msgspec.Raw = NONE  # noqa: N815 - as the platform spells it
    ordered: msgspec.Raw = NONE


class _Shoprocket(Fields, gc=False):
    createdAt: msgspec.Raw = NONE  # noqa: N815


class _Spiffy(Fields, gc=False):
    token: msgspec.Raw = NONE
    first_name: msgspec.Raw = NONE
    orders_count: msgspec.Raw = NONE


class _Ciklik(Fields, gc=False):
    id: msgspec.Raw = NONE
    uuid: msgspec.Raw = NONE
    cart_id: msgspec.Raw = NONE
    plan: msgspec.Raw = NONE
    gateway: msgspec.Raw = NONE
    amount_refunded: msgspec.Raw = NONE
    amount: msgspec.Raw = NONE
    status: msgspec.Raw = NONE
    optin: msgspec.Raw = NONE
    granted: msgspec.Raw = NONE
    accepted: msgspec.Raw = NONE


CHANGES = ("deleted_at", "updated_at")
DATES = (*CHANGES, "ordered", "created_at", "createdAt", "created")
"""Fields that date an object, the first that is given: its last change before its creation."""
_decode_run_free = msgspec.json.Decoder(_RunFree).decode
_decode_shoprocket = msgspec.json.Decoder(_Shoprocket).decode
_decode_spiffy = msgspec.json.Decoder(_Spiffy).decode
_decode_ciklik = msgspec.json.Decoder(_Ciklik).decode
_decode = msgspec.json.Decoder(Fields).decode
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Webhook(NamedTuple):
    """The webhook of an object: its event and body, and the fields of its object."""

    event: str
    body: bytes
    fields: Fields


class UnknownShapeError(ValueError):
    """Nothing shows which event an object is of."""


def webhook(source: str, raw: bytes, event: str = "") -> Webhook:
    """Return the webhook that would have brought an object; ``event``: where it is given.

    Raises UnknownShapeError, or one of ``UNREADABLE`` for what is no JSON object.
    """
    return _READERS.get(source, _as_given)(raw, event)


_OF_ORDERS = (
    "items", "Items", "line_items", "order_items", "order_id", "financial_status", "subtotal",
    "total_price", "total_amount", "total_paid",
)  # fmt: skip


def _is_person(fields: Fields, *shows: msgspec.Raw) -> bool:
    """Whether an object with one of these fields is a customer.

    Not an order, which has an address too: another platform's is seen for what it is not.
    """
    return any(shows) and not any(getattr(fields, name) for name in _OF_ORDERS)


def _given(value: msgspec.Raw) -> bool:
    return bool(value) and bytes(value) != b"null"


def _as_given(raw: bytes, event: str) -> Webhook:
    """A platform that a row of the platforms adds: its webhooks' bodies as they are."""
    fields = _decode(raw)
    inner = _decode(bytes(fields.data)) if bytes(fields.data)[:1] == b"{" else fields
    return Webhook(event, raw, inner)


def _is_wrapped(fields: Fields) -> bool:
    return bytes(fields.type)[:1] == b'"' and bytes(fields.data)[:1] == b"{"


def _run_free(raw: bytes, event: str) -> Webhook:
    fields = _decode_run_free(raw)
    if _is_wrapped(fields):
        return Webhook("", raw, _decode_run_free(bytes(fields.data)))
    if not event:
        if _given(fields.ordered) or _given(fields.subtotal):
            event = "order/created"
        elif fields.items and fields.customer:
            event = "cart/change"
        elif _is_person(fields, fields.firstName, fields.email):
            event = "customer/created"
        else:
            raise UnknownShapeError
    kind, _, action = event.partition("/")
    body = b'{"type":"%s","action":"%s","data":%s}' % (kind.encode(), action.encode(), raw)
    return Webhook(event, body, fields)


def _shoprocket(raw: bytes, event: str) -> Webhook:
    fields = _decode_shoprocket(raw)
    if _is_wrapped(fields):
        inner = _decode_shoprocket(bytes(fields.data))
        if _given(fields.createdAt):  # the newer envelope dates itself: the change, not the object
            fields.updated_at = fields.createdAt
            inner = fields
        return Webhook("", raw, inner)
    if not event:
        if fields.order_items or fields.total_amount:
            noun = "order"
        elif _is_person(fields, fields.email):
            noun = "customer"
        else:
            raise UnknownShapeError
        verb = "updated" if _given(fields.updated_at) else "created"
        event = f"{noun}.{'deleted' if _given(fields.deleted_at) else verb}"
    return Webhook(event, b'{"type":"%s","data":%s}' % (event.encode(), raw), fields)


def _spiffy(raw: bytes, event: str) -> Webhook:
    fields = _decode_spiffy(raw)
    if not event:
        if fields.financial_status or fields.total_price:
            event = "orders/updated"
        elif fields.token and fields.line_items:
            event = "carts/update"
        elif _is_person(fields, fields.orders_count, fields.first_name, fields.email):
            event = "customers/update"
        else:
            raise UnknownShapeError
    return Webhook(event, raw, fields)


def _ciklik(raw: bytes, event: str) -> Webhook:
    fields = _decode_ciklik(raw)
    if not event:
        event = next((name for shows, name in _CIKLIK_EVENTS if shows(fields)), "")
        if not event:
            raise UnknownShapeError
    return Webhook(event, raw, fields)


_CIKLIK_EVENTS: tuple[tuple[Callable[[_Ciklik], object], str], ...] = (
    (lambda given: given.gateway or given.amount_refunded, "updated_checkouttransaction"),
    (lambda given: given.cart_id, "abandoned_cart"),
    # It has an address, as a user has.
    (lambda given: given.optin or given.granted or given.accepted, "updated_optin"),
    (lambda given: given.uuid and given.plan, "updated_subscription"),
    # Not "created": an order of a list counts its subscription's transactions as of now.
    (lambda given: given.total_paid and given.items, "updated_checkoutorder"),
    (lambda given: given.order_id and not given.id, "updated_checkoutorder"),
    # Invoices and boxes name their order beside an id of their own.
    (lambda given: given.order_id and given.amount, "created_checkoutinvoice"),
    (lambda given: given.order_id and given.status, "updated_shippingbox"),
    (lambda given: _is_person(given, given.email), "updated_user"),
)
"""What shows an object of Ciklik, and its event; the first that fits."""


def _gooten(raw: bytes, event: str) -> Webhook:
    fields = _decode(raw)
    if not fields.Items and not event:
        raise UnknownShapeError
    return Webhook(event, raw, fields)


_READERS: dict[str, Callable[[bytes, str], Webhook]] = {
    "run-free": _run_free,
    "shoprocket": _shoprocket,
    "spiffy": _spiffy,
    "ciklik": _ciklik,
    "gooten": _gooten,
}
