"""Amounts, refunds and payments in Shoprocket's newer envelope."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import KnownFields, attributes
from processors.sources.readers.fields import identifier, mapping, text, units
from processors.sources.readers.times import Moment, micros
from processors.sources.shoprocket.statuses import refund_status
from schemas.events import (
    Change,
    CurrencySource,
    LineItem,
    Order,
    Payment,
    PaymentKind,
    PaymentStatus,
    Refund,
)
from schemas.shops import Shop

Objects = list[tuple[dict[str, Any], str]]
"""Objects of the payload, each with the prefix of its fields' paths."""

_PAYMENT = KnownFields(
    "id amount status method currency lines items createdAt",
    path="data.payment.",
)
_SETTLING = ("order.paid", "order.refunded")
"""Events after which a payment without a status was made."""


def price(
    values: dict[str, Any], key: str, path: str, currency: str | None, *, signed: bool = False
) -> Decimal | None:
    """Read ``{"amount": 12400, "currency": "GBP"}`` as 124.00; None in another currency."""
    inner, where = mapping(values, key, path), f"{path}{key}."
    if not money.is_in(inner, "currency", where, currency):
        return None
    code = currency or (text(inner, "currency", where) or "").strip().upper()
    return money.minor(inner, "amount", where, code, signed=signed)


def amount(values: dict[str, Any], key: str, path: str, currency: str | None) -> Decimal | None:
    """Read an amount that is an object with its currency, or a number in the order's."""
    if type(values.get(key)) is dict:
        return price(values, key, path, currency)
    if not money.is_in(values, "currency", path, currency):
        return None
    return money.minor(values, key, path, currency)


def refund_objects(data: dict[str, Any], path: str) -> Objects | None:
    """Return the refunds of ``refunds`` and the one of ``refund``; None where neither is given."""
    listed, single = data.get("refunds"), data.get("refund")
    objects = (
        [(row, f"{path}refunds[{i}].") for i, row in enumerate(listed) if type(row) is dict]
        if type(listed) is list
        else []
    )
    if type(single) is dict and single:
        native_id = single.get("id")
        if not any(
            row == single if native_id is None else str(row.get("id")) == str(native_id)
            for row, _ in objects
        ):
            objects.append((single, f"{path}refund."))
    return objects if objects or type(listed) is list else None


def refunds(
    objects: Objects | None, lines: tuple[LineItem, ...] | None, code: str | None, shop: Shop
) -> tuple[Refund, ...] | None:
    """Read the refunds of an order; its ``lines`` give the prices that a refund's lines lack."""
    if objects is None:
        return None
    prices = {line.line_id: line.unit_price for line in lines or () if line.line_id is not None}
    return tuple(_refund(values, path, prices, code, shop) for values, path in objects)


def _refund(
    values: dict[str, Any],
    path: str,
    prices: Mapping[str, Decimal | None],
    code: str | None,
    shop: Shop,
) -> Refund:
    status = text(values, "status", path)
    key = next((key for key in ("lines", "items") if type(values.get(key)) is list), None)
    goods, tax = None, amount(values, "tax", path, code)
    if key is not None:
        lines = [
            (line, f"{path}{key}[{index}].")
            for index, line in enumerate(values[key])
            if type(line) is dict
        ]
        goods = money.total(
            (_line_value(line, inner, prices, code) for line, inner in lines), f"{path}{key}"
        )
        taxes = [amount(line, "tax", inner, code) for line, inner in lines]
        if taxes and None not in taxes:
            tax = money.total(taxes, f"{path}{key}")
    return Refund(
        refund_id=identifier(values, "id", path),
        status=refund_status(status),
        status_word=status,
        refunded_at=micros(values, "createdAt", path, shop),
        amount=amount(values, "amount", path, code),
        goods=goods,
        tax=tax,
        shipping=amount(values, "shipping", path, code),
    )


def _line_value(
    line: dict[str, Any], path: str, prices: Mapping[str, Decimal | None], code: str | None
) -> Decimal | None:
    """Return what a returned line is worth: as given, else its units at the order's price."""
    for key in ("subtotal", "amount", "total"):
        if (given := amount(line, key, path, code)) is not None:
            return given
    unit_price = amount(line, "price", path, code)
    if unit_price is None:
        ids = (identifier(line, key, path) for key in ("itemId", "lineId", "orderItemId", "id"))
        unit_price = next(
            (
                prices[native_id]
                for native_id in ids
                if native_id is not None and native_id in prices
            ),
            None,
        )
    return money.times(unit_price, units(line, "quantity", path), f"{path}quantity")


def payments(
    delivery: Delivery,
    order: Order,
    data: dict[str, Any],
    path: str,
    when: Moment | None,
) -> dict[str, Payment]:
    """Build ``payment``, ``payment-2`` …: each refund with an id, then the order's payment."""
    given = [
        (PaymentKind.REFUND, values, inner)
        for values, inner in refund_objects(data, path) or ()
        if identifier(values, "id", inner) is not None
    ]
    payment = data.get("payment")
    if type(payment) is dict and identifier(payment, "id", f"{path}payment.") is not None:
        given.append((PaymentKind.PAYMENT, payment, f"{path}payment."))
    slots: dict[str, Payment] = {}
    for number, (kind, values, inner) in enumerate(given, start=1):
        slot = "payment" if number == 1 else f"payment-{number}"
        slots[slot] = _payment(delivery, order, kind, values, inner, slot, when)
    return slots


def _payment(
    delivery: Delivery,
    order: Order,
    kind: PaymentKind,
    values: dict[str, Any],
    path: str,
    slot: str,
    when: Moment | None,
) -> Payment:
    payment_id = identifier(values, "id", path) or ""
    currency, source = _currency_of(values, path, order, delivery.shop)
    return Payment(
        meta=meta.build(
            delivery,
            entity=meta.other_entity(delivery, "payment", payment_id),
            slot=slot,
            event=order.meta.source_event,
            change=Change.REPORTED,
            when=when,
            adapter_version=order.meta.adapter_version,
            is_test=order.meta.is_test,
        ),
        payment_id=payment_id,
        kind=kind,
        status=_payment_status(text(values, "status", path), kind, order.meta.source_event),
        status_word=text(values, "status", path),
        order_id=order.order_id,
        customer=order.customer,
        amount=amount(values, "amount", path, currency),
        currency=currency,
        currency_source=source,
        method_word=text(values, "method", path),
        created_at=micros(values, "createdAt", path, delivery.shop),
        attributes=attributes(values, _PAYMENT),
    )


def _currency_of(
    values: dict[str, Any], path: str, order: Order, shop: Shop
) -> tuple[str | None, CurrencySource]:
    """Return the currency that a payment names for its amount, else the order's."""
    inner = values.get("amount")
    where = f"{path}amount."
    if type(inner) is not dict:
        inner, where = values, path
    if inner.get("currency") in (None, ""):
        return order.currency, order.currency_source
    return money.currency(inner, "currency", where, shop)


def _payment_status(given: str | None, kind: PaymentKind, event: str) -> PaymentStatus:
    if given is None and event not in _SETTLING:
        return PaymentStatus.UNKNOWN
    status = refund_status(given)
    is_refund = kind is PaymentKind.REFUND and status is PaymentStatus.SUCCEEDED
    return PaymentStatus.REFUNDED if is_refund else status
