"""Spiffy Stores: carts/*, orders/*, customers/*, in JSON or XML. Amounts are texts.

A cart names no customer and has no time; a deletion gives the id and its own time alone; the
customer inside an order has neither totals nor consent.
"""

from typing import Any

import msgspec

from hookline.simulate.payloads import spelling, spiffy_orders
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.payloads.rails_xml import Rails
from hookline.simulate.world.facts import (
    CartState,
    Change,
    CustomerState,
    Fact,
    Line,
    OrderState,
    Paid,
    SimulatedShop,
)

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_xml = Rails(dashed=True)
_TOPICS = {
    "placed": "orders/create",
    "paid": "orders/paid",
    "edited": "orders/updated",
    "cancelled": "orders/cancelled",
    "reinstated": "orders/updated",
    "refunded": "orders/updated",
    "fulfilled": "orders/fulfilled",
    "deleted": "orders/delete",
}
_VERBS = {Change.CREATED: "create", Change.UPDATED: "update", Change.DELETED: "delete"}


def render(fact: Fact) -> Payload | None:
    """Render a fact; None where the platform does not report it."""
    match fact:
        case OrderState():
            topic = _TOPICS[fact.reason]
            if fact.reason == "refunded" and fact.paid is Paid.PARTLY_REFUNDED:
                topic = "orders/partially_refunded"
            return _payload(fact.shop, topic, "order", spiffy_orders.order(fact))
        case CartState() if fact.change is not Change.DELETED and not fact.is_reported:
            return _payload(fact.shop, f"carts/{_VERBS[fact.change]}", "cart", _cart(fact))
        case CustomerState() if fact.customer.number is not None:
            topic = f"customers/{_VERBS[fact.change]}"
            return _payload(fact.shop, topic, "customer", _customer(fact))
    return None


def _payload(shop: SimulatedShop, topic: str, root: str, body: Body) -> Payload:
    if shop.format == "xml":
        return Payload(topic, _xml.encode(root, body), "application/xml")
    return Payload(topic, _encode(body))


def _cart(fact: CartState) -> Body:
    token = spiffy_orders.cart_token(fact.number)
    return {"id": token, "token": token, "line_items": [_cart_line(x) for x in fact.lines]}


def _cart_line(line: Line) -> Body:
    price, total = str(line.price), str(line.total)
    return {
        "id": line.variant,
        "properties": {},
        "quantity": line.quantity,
        "variant_id": line.variant,
        "key": f"{line.variant}:{spelling.token('key', line.variant)}",
        "title": f"{line.title} - ",
        "price": price,
        "original_price": price,
        "discounted_price": price,
        "line_price": total,
        "original_line_price": total,
        "total_discount": "0.00",
        "discounts": [],
        "sku": line.sku,
        "grams": 200,
        "vendor": "Acme",
        "product_id": line.product,
        "gift_card": line.is_gift_card,
    }


def _customer(fact: CustomerState) -> Body:
    shop, customer = fact.shop, fact.customer
    if fact.change is Change.DELETED:
        return {"id": customer.number, "deleted_at": spelling.of_shop(shop, fact.changed_at)}
    first, last = spelling.names(customer)
    updated = spelling.of_shop(shop, fact.changed_at)
    ip = spelling.address_ip(customer)
    return {
        "id": customer.number,
        "title": "Mx",
        "first_name": first,
        "last_name": last,
        "name": f"Mx {customer.name}",
        "email": customer.email,
        "accepts_marketing": fact.accepts_marketing,
        "created_at": spelling.of_shop(shop, customer.created_at),
        "updated_at": updated,
        "note": "This customer has an interest in rings.",
        "orders_count": fact.orders,
        "state": "enabled",
        "total_spent": None if fact.spent is None else str(fact.spent),
        "sign_in_count": 3,
        "current_sign_in_at": updated,
        "current_sign_in_ip": ip,
        "last_sign_in_at": updated,
        "last_sign_in_ip": ip,
        "wholesale": False,
        "credit": "0.0",
        "tags": "friend,hobbit",
    }
