"""The fields that a canonical event provides, by code generated from each record type.

The generated function reads the typed record field by field: no intermediate copy of the whole
record is built only to drop most of it.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from schemas.codegen.emitter import CodeEmitter
from schemas.events import (
    Change,
    CustomerRef,
    Event,
    Meta,
    Order,
    OrderStatus,
    Payment,
    PaymentStatus,
    ShopSettings,
)

Fields = dict[str, Any]
"""Field name -> JSON value. A field that was not given is missing; None is explicitly empty."""

FIRST = "first_occurred_at"
"""When the entity first occurred. Of fields that begin with this the smallest value wins."""
REFUND, FIRST_REFUND, FIRST_REFUNDED = "refund/", f"{FIRST}/refund/", f"{FIRST}/refunded/"
"""Fields for each refund by its id, when it first occurred, and when a running total did.

So the refunds of an order are gathered over all of its events.
"""
FIRST_STATUS_REFUNDED = f"{FIRST}/status/REFUNDED"
"""When the status was first REFUNDED."""

_GATHERED = {(Order, "refunds"), (Order, "cleared")}
"""Fields that ``_order_fields`` takes apart."""
_CACHED_SETTINGS = 1_000

_to_json: Callable[[Any], Any] = msgspec.to_builtins
_settings_cache: dict[int, tuple[ShopSettings, Fields]] = {}


def event_fields(record: Event) -> Fields:
    """Return the fields that a canonical event provides, as JSON values.

    Left out: None, empty ``attributes`` or ``reported``, and UNKNOWN: a status that is on no list
    replaces none, its native text does. ``cleared`` fields are None. The customer's three fields
    are flat (``customer_id``, ``email_hash``, ``accepts_marketing``). Added to the record's own
    fields: ``deleted`` (unless REPORTED), ``is_test``, ``settings``, ``occurred_at``,
    ``first_occurred_at``, on a CREATED order ``created_successful_transactions`` and on a DELETED
    customer ``contact_deleted``: older contact data is not kept.
    """
    return _EXTRACTORS[type(record)](record)


def _extractor(record: type[Event]) -> Callable[[Any], Fields]:
    """Generate ``event_fields`` for one record type."""
    emitter = CodeEmitter(
        part=_part, settings=_settings, DELETED=Change.DELETED, REPORTED=Change.REPORTED,
        FIRST=FIRST,
    )  # fmt: skip
    emitter.add(0, "fields = {}")
    for name, hint in get_type_hints(record).items():
        if (record, name) not in _GATHERED:
            _add_field(emitter, name, hint)
    emitter.add(0, "meta = record.meta", "change = meta.change")
    emitter.add(0, "if change is not REPORTED: fields['deleted'] = change is DELETED")
    # A deletion names little more than what it deletes: an earlier mark as a test stays.
    emitter.add(0, "if meta.is_test or change is not DELETED: fields['is_test'] = meta.is_test")
    emitter.add(0, "fields['settings'] = settings(meta.settings)")
    emitter.add(0, "fields['occurred_at'] = fields[FIRST] = meta.occurred_at")
    if record.__name__ == "Order":
        emitter.constants["CREATED"] = Change.CREATED
        emitter.add(0, "if change is CREATED and record.successful_transactions is not None:")
        emitter.add(1, "fields['created_successful_transactions'] = record.successful_transactions")
        emitter.constants["order_fields"] = _order_fields
        emitter.add(0, "order_fields(fields, record)")
    if record.__name__ == "Payment":
        emitter.constants["payment_fields"] = _payment_fields
        emitter.add(0, "payment_fields(fields, record)")
    if record.__name__ == "Customer":
        emitter.add(0, "if change is DELETED: fields['contact_deleted'] = True")
    emitter.add(0, "return fields")
    extractor: Callable[[Any], Fields] = emitter.compiled("def fields_of(record):", "<fields>")
    return extractor


def _add_field(emitter: CodeEmitter, name: str, hint: Any) -> None:
    """Add the line for one field."""
    given = _without_none(hint)
    if given is Meta:
        return
    if given is CustomerRef:
        emitter.add(0, "if (customer := record.customer) is not None:")
        for inner in CustomerRef.__struct_fields__:
            line = f"if (value := customer.{inner}) is not None: fields[{inner!r}] = value"
            emitter.add(1, line)
        return
    test = f"(value := record.{name}) is not None"
    value = "value"
    kind = get_origin(given) or given
    if kind is tuple:
        row = emitter.constant(_row_extractor(get_args(given)[0]))
        value = f"[{row}(item) for item in value]"
    elif kind is Decimal:
        value = "str(value)"
    elif issubclass(kind, StrEnum):
        unknown = emitter.constant(kind("UNKNOWN"))
        test = f"(value := record.{name}) is not {unknown}"
        value = "value._value_"
    elif issubclass(kind, msgspec.Struct):
        value = "part(value)"
    if name in ("attributes", "reported"):  # empty is the same as not given
        test = f"value := record.{name}"
    emitter.add(0, f"if {test}: fields[{name!r}] = {value}")


def _order_fields(fields: Fields, order: Order) -> None:
    """Add refunds by their ids, whether the status is on the list, and what is cleared."""
    at = order.meta.occurred_at
    if order.status is not OrderStatus.UNKNOWN or order.status_word is not None:
        fields["status_listed"] = order.status is not OrderStatus.UNKNOWN
    if order.refunds is not None:
        fields["refunds_given"] = True
        for number, refund in enumerate(order.refunds):
            name = f"#{number}" if refund.refund_id is None else refund.refund_id
            fields[REFUND + name] = _part(refund)
            fields[FIRST_REFUND + name] = at
    if order.refunded_total:
        fields[f"{FIRST_REFUNDED}{order.refunded_total}"] = at
    if order.status is OrderStatus.REFUNDED:
        fields[FIRST_STATUS_REFUNDED] = at
    for name in order.cleared:
        fields.setdefault(name, None)


def _payment_fields(fields: Fields, payment: Payment) -> None:
    """Add when the payment first had its refunded amount, and when it was first refunded."""
    if payment.refunded_amount:
        fields[f"{FIRST_REFUNDED}{payment.refunded_amount}"] = payment.meta.occurred_at
    if payment.status is PaymentStatus.REFUNDED:
        fields[FIRST_STATUS_REFUNDED] = payment.meta.occurred_at


def _without_none(hint: Any) -> Any:
    """Return T of ``T | None``, any other type as it is."""
    if get_origin(hint) in (Union, UnionType):
        [hint] = [kind for kind in get_args(hint) if kind is not type(None)]
    return hint


def _row_extractor(record: type[msgspec.Struct]) -> Callable[[Any], Fields]:
    """Generate a function from a nested record, such as a line, to all its fields."""
    emitter, values = CodeEmitter(), []
    for name, hint in get_type_hints(record).items():
        given, value = _without_none(hint), f"record.{name}"
        kind = get_origin(given) or given
        if kind is Decimal:
            value = f"None if (value := {value}) is None else str(value)"
        elif issubclass(kind, StrEnum):
            value += "._value_"
        values.append(f"{name!r}: {value}")
    emitter.add(0, f"return {{{', '.join(values)}}}")
    row: Callable[[Any], Fields] = emitter.compiled("def row(record):", "<row fields>")
    return row


def _part(record: msgspec.Struct) -> Fields:
    return {name: value for name, value in _to_json(record).items() if value is not None}


def _settings(settings: ShopSettings) -> Fields:
    """Return the settings as JSON values; decoded events share a few objects of them."""
    cached = _settings_cache.get(id(settings))
    if cached is None:
        if len(_settings_cache) >= _CACHED_SETTINGS:
            _settings_cache.clear()
        # The entry keeps its object alive: otherwise another object could get the same id.
        cached = _settings_cache[id(settings)] = settings, _to_json(settings)
    return cached[1]


_EXTRACTORS = {record: _extractor(record) for record in get_args(Event)}
