"""Shoprocket's newer format: events in an envelope, amounts in minor units.

Each state of an order gives all its refunds and their running total; a deletion gives the id.
A guest is known by address.
"""

from typing import Any

import msgspec

from hookline.simulate.payloads import spelling
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.payloads.shoprocket_older import status
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import (
    CartState,
    Change,
    Customer,
    CustomerState,
    Fact,
    Line,
    Micros,
    Money,
    OrderState,
    Paid,
    Refund,
)

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_EVENTS = {
    "placed": "order.created",
    "paid": "order.paid",
    "edited": "order.updated",
    "cancelled": "order.cancelled",
    "reinstated": "order.updated",
    "refunded": "order.refunded",
    "fulfilled": "order.fulfilled",
    "deleted": "order.deleted",
}
_OUTCOMES = {"success": "succeeded", "pending": "pending", "failure": "failed"}
_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}


def render(fact: Fact) -> Payload | None:
    """Render a fact; None where the format does not report it."""
    match fact:
        case OrderState():
            event = _EVENTS[fact.reason]
            if fact.refund is not None and fact.refund.outcome != "success":
                event = "order.updated"
            key = f"{fact.number}_{fact.changed_at}_{event}"
            return _payload(event, key, fact.changed_at, _order(fact), is_test=fact.is_test)
        case CartState() if fact.is_reported:
            key = f"cart_{fact.number}_{fact.changed_at}"
            return _payload("cart.abandoned", key, fact.changed_at, _cart(fact))
        case CustomerState() if fact.customer.number is not None:
            event = f"customer.{fact.change.value}"
            key = f"cus_{fact.customer.number}_{fact.changed_at}_{fact.change.value}"
            return _payload(event, key, fact.changed_at, _customer(fact))
    return None


def _payload(event: str, key: str, at: Micros, data: Body, *, is_test: bool = False) -> Payload:
    document: Body = {
        "id": f"evt_{key}",
        "type": event,
        "createdAt": spelling.utc(at),
        "storeId": "str_01",
        "livemode": not is_test,
        "data": data,
    }
    return Payload("", _encode(document))


def _minor(amount: Money, currency: str) -> Body:
    text = str(amount)
    return {
        "amount": int(text.replace(".", "")),
        "currency": currency,
        "formatted": f"{_SIGNS.get(currency, '')}{text}",
    }


def _buyer(customer: Customer) -> Body:
    first, last = spelling.names(customer)
    body: Body = {"email": customer.email, "firstName": first, "lastName": last}
    if customer.number is not None:
        body["id"] = f"cus_{customer.number}"
    return body


def _order(fact: OrderState) -> Body:
    if fact.change is Change.DELETED:
        return {"id": f"ord_{fact.number}", "orderNumber": str(fact.number)}
    currency = fact.shop.currency
    cancelled = fact.cancelled_at
    body: Body = {
        "id": f"ord_{fact.number}",
        "orderNumber": str(fact.number),
        "currency": currency,
        "totals": _totals(fact, currency),
        "customer": _buyer(fact.customer),
        "items": [_line(line, currency, "oitm") for line in fact.lines],
        "status": status(fact),
        "fulfillmentStatus": "fulfilled" if fact.is_fulfilled else "unfulfilled",
        "createdAt": spelling.utc(fact.placed_at),
        "updatedAt": spelling.utc(fact.changed_at),
        "cancelledAt": None if cancelled is None else spelling.utc(cancelled),
    }
    if fact.cart is not None:
        body["cartId"] = f"cart_{fact.cart}"
    if fact.refunds:
        body["refunds"] = [_refund(each, currency) for each in fact.refunds]
    if fact.reason == "paid" or (fact.reason == "placed" and fact.paid is Paid.PAID):
        body["payment"] = {
            "id": f"pay_{fact.number}",
            "amount": int(str(fact.total).replace(".", "")),
            "currency": currency,
            "status": "succeeded",
            "method": "card",
        }
    return body


def _totals(fact: OrderState, currency: str) -> Body:
    goods = sum((line.total for line in fact.lines), ZERO)
    totals = {
        "subtotal": _minor(goods, currency),
        "shipping": _minor(fact.shipping, currency),
        "tax": _minor(fact.tax, currency),
        "discount": _minor(fact.discount, currency),
        "total": _minor(fact.total, currency),
    }
    if fact.refunds:
        made = (each.money for each in fact.refunds if each.outcome == "success")
        totals["refunded"] = _minor(sum((money or ZERO for money in made), ZERO), currency)
    return totals


def _line(line: Line, currency: str, kind: str) -> Body:
    return {
        "id": f"{kind}_{line.number}",
        "productId": f"prod_{line.product}",
        "variantId": f"var_{line.variant}",
        "sku": line.sku,
        "productName": line.title,
        "quantity": line.quantity,
        "price": _minor(line.price, currency),
        "subtotal": _minor(line.total, currency),
    }


def _refund(refund: Refund, currency: str) -> Body:
    """Return a refund; the first of its lines bears what all of them are worth."""
    body: Body = {
        "id": f"ref_{refund.number}",
        "amount": _minor(refund.money or ZERO, currency),
        "status": _OUTCOMES[refund.outcome],
        "createdAt": spelling.utc(refund.at),
        "reason": "changed my mind",
    }
    if refund.units:
        tax = ZERO if refund.tax is None else refund.tax
        body["lines"] = [
            {
                "id": f"oitm_{number}",
                "quantity": units,
                "subtotal": _minor(ZERO if index else refund.goods, currency),
                "tax": _minor(ZERO if index else tax, currency),
            }
            for index, (number, units) in enumerate(refund.units.items())
        ]
    if refund.shipping:
        body["shipping"] = _minor(refund.shipping, currency)
    return body


def _cart(fact: CartState) -> Body:
    currency = fact.shop.currency
    goods = sum((line.total for line in fact.lines), ZERO)
    return {
        "id": f"cart_{fact.number}",
        "currency": currency,
        "createdAt": spelling.utc(fact.opened_at),
        "totals": {"subtotal": _minor(goods, currency)},
        "customer": _buyer(fact.customer),
        "items": [_line(line, currency, "citm") for line in fact.lines],
    }


def _customer(fact: CustomerState) -> Body:
    customer = fact.customer
    if fact.change is Change.DELETED:
        return {"customer": {"id": f"cus_{customer.number}"}}
    body = _buyer(customer)
    if fact.accepts_marketing is not None:
        body["acceptsMarketing"] = fact.accepts_marketing
    body["createdAt"] = spelling.utc(customer.created_at)
    return {"customer": body}
