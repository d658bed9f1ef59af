"""Run Free Project: customer/created, cart/change, order/created. Amounts are JSON numbers.

A cart is its customer's, without time and prices; an order has neither shipping nor total, and
nothing is reported of it later.
"""

from functools import lru_cache
from typing import Any

import msgspec

from hookline.simulate.payloads import spelling
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import (
    CartState,
    Change,
    Customer,
    CustomerState,
    Fact,
    Line,
    OrderState,
)

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def render(fact: Fact) -> Payload | None:
    """Render a fact; None where the platform does not report it."""
    match fact:
        case CartState() if not fact.is_reported:
            return _payload("cart", "change", _cart(fact))
        case OrderState() if fact.change is Change.CREATED:
            return _payload("order", "created", _order(fact))
        case CustomerState() if fact.change is Change.CREATED:
            return _payload("customer", "created", _customer(fact))
    return None


def _payload(kind: str, action: str, data: Body) -> Payload:
    return Payload("", _encode({"type": kind, "action": action, "data": data}))


@lru_cache(maxsize=4096)
def _till_id(number: int) -> str:
    digits = spelling.token("till", number)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _buyer(customer: Customer) -> Body:
    first, last = spelling.names(customer)
    return {
        "id": customer.number,
        "firstName": first,
        "lastName": last,
        "email": customer.email,
        "created": spelling.utc_millis(customer.created_at),
        "phone": spelling.phone(customer),
        "posId": str(100_000 + (customer.number or 0)),
    }


def _cart(fact: CartState) -> Body:
    return {
        "customer": _buyer(fact.customer),
        "items": [
            {
                "type": "product",
                "quantity": line.quantity,
                "sku": line.sku,
                "productId": line.product,
                "posId": _till_id(line.variant),
                "size": "S",
                "width": "",
                "store": "1",
                "color": "ASPHALT ECLIPSE JACQUARD",
                "name": line.title.upper(),
            }
            for line in fact.lines
        ],
    }


def _order(fact: OrderState) -> Body:
    customer = fact.customer
    subtotal = sum((line.total for line in fact.lines), ZERO)
    address = {
        "label": customer.name,
        "street": spelling.street(customer),
        "city": spelling.city(customer),
        "state": "NY",
        "zipCode": "14580",
        "country": "US",
    }
    shipping = {"id": 1_000_000 + fact.number, **address, "latitude": -1, "longitude": -1}
    is_paid_by_card = fact.number % 17 == 0
    return {
        "id": fact.number,
        "customer": _buyer(customer),
        "ordered": spelling.utc_millis(fact.placed_at),
        "note": "Ring twice" if fact.number % 5 == 0 else "",
        "subtotal": spelling.number(subtotal),
        "shipping": shipping,
        "taxes": spelling.number(fact.tax),
        "discount": spelling.number(fact.discount),
        "discountCode": "S20" if fact.discount else "",
        "giftCard": 5 if is_paid_by_card else 0,
        "giftCardNumber": f"603-{fact.number}" if is_paid_by_card else "",
        "billing": address,
        "items": [_line(line) for line in fact.lines],
    }


def _line(line: Line) -> Body:
    return {
        "id": line.number,
        "productId": line.product,
        "quantity": line.quantity,
        "cost": spelling.number(line.price),
        "size": "9",
        "width": "B",
        "posId": _till_id(line.variant),
        "store": "1",
        "name": line.title.upper(),
        "sku": line.sku,
        "color": "EBONY/BLACK/HOLLYHOCK",
        "brand": "Brooks",
        "type": "giftCard" if line.is_gift_card else "product",
    }


def _customer(fact: CustomerState) -> Body:
    customer = fact.customer
    first, last = spelling.names(customer)
    return {
        "id": customer.number,
        "firstName": first,
        "lastName": last,
        "email": customer.email,
        "created": spelling.utc_millis(customer.created_at),
        "phone": spelling.phone(customer),
        "posId": "",
        "newsletter": fact.accepts_marketing,
        "billing": {},
        "shipping": {},
    }
