"""Spiffy Stores: carts/*, orders/*, customers/*, in JSON or XML. Amounts are texts."""

from functools import lru_cache
from typing import Any

import msgspec

from hookline.simulate.payloads import spelling
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.payloads.rails_xml import Rails
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import (
    CartState,
    Change,
    Customer,
    CustomerState,
    Fact,
    Line,
    Micros,
    OrderState,
    Paid,
    Refund,
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
_WAITING = ("pending", "authorized", "partially_paid")


def render(fact: Fact) -> Payload | None:
    """Render a fact; None where the platform does not report it."""
    match fact:
        case OrderState():
            topic = _TOPICS[fact.reason]
            if fact.reason == "refunded" and fact.paid is Paid.PARTLY_REFUNDED:
                topic = "orders/partially_refunded"
            return _payload(fact.shop, topic, "order", _order(fact))
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


def _time(shop: SimulatedShop, at: Micros | None) -> str | None:
    """Write a time; shops that send XML write their own zone's."""
    if at is None:
        return None
    return spelling.zoned(at, shop.timezone) if shop.format == "xml" else spelling.utc(at)


@lru_cache(maxsize=4096)
def cart_token(number: int) -> str:
    """Return the token of a cart, which is its id."""
    return spelling.token("cart", number)


def _cart(fact: CartState) -> Body:
    token = cart_token(fact.number)
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


def _order(fact: OrderState) -> Body:
    shop, customer = fact.shop, fact.customer
    if fact.change is Change.DELETED:
        return {"id": fact.number, "deleted_at": _time(shop, fact.changed_at)}
    listed = sum((line.total for line in fact.lines), ZERO)
    updated = _time(shop, fact.changed_at)
    return {
        "id": fact.number,
        "name": f"#{fact.number}",
        "number": fact.number % 1_000_000,
        "order_number": fact.number,
        "email": customer.email,
        "created_at": _time(shop, fact.placed_at),
        "updated_at": updated,
        "cancelled_at": _time(shop, fact.cancelled_at),
        "financial_status": _status(fact),
        "fulfillment_status": "fulfilled" if fact.is_fulfilled else None,
        "currency": shop.currency,
        "total_line_items_price": str(listed),
        "total_discounts": str(fact.discount),
        "subtotal_price": str(listed - fact.discount),
        "total_tax": str(fact.tax),
        "taxes_included": fact.is_tax_inside,
        "total_price": str(fact.total),
        "cart_token": None if fact.cart is None else cart_token(fact.cart),
        "test": fact.is_test,
        "note": "Leave at the gate",
        "browser_ip": spelling.address_ip(customer),
        "customer": _buyer(customer),
        "line_items": [_line(line) for line in fact.lines],
        "shipping_lines": [
            {"title": "Standard", "price": str(fact.shipping), "code": "standard"}
        ],
        "shipping_address": _address(customer),
        "billing_address": _address(customer),
        "fulfillments": [_parcel(fact)] if fact.is_fulfilled else [],
        "refunds": [_refund(each, shop) for each in fact.refunds],
        "gateway": "stripe",
        "discount_codes": [
            {"code": "SPRING5", "amount": str(fact.discount), "type": "fixed_amount"}
        ]
        if fact.discount
        else [],
    }


def _status(fact: OrderState) -> str:
    match fact.paid:
        case Paid.PENDING:
            return _WAITING[fact.number % len(_WAITING)]
        case Paid.PARTLY_REFUNDED:
            return "partially_refunded"
        case Paid.REFUNDED:
            return "refunded"
        case Paid.CANCELLED:
            return "voided" if fact.number % 2 else "paid"
    return "paid"


def _buyer(customer: Customer) -> Body | None:
    """Return the customer inside an order, without totals and consent: those are its own events'."""
    if customer.number is None:
        return None
    first, last = spelling.names(customer)
    return {
        "id": customer.number,
        "title": "Mx",
        "first_name": first,
        "last_name": last,
        "name": f"Mx {customer.name}",
        "email": customer.email,
        "note": "This customer has an interest in rings.",
        "state": "enabled",
        "tags": "friend,hobbit",
    }


def _address(customer: Customer) -> Body:
    first, last = spelling.names(customer)
    return {
        "first_name": first,
        "last_name": last,
        "address1": spelling.street(customer),
        "city": spelling.city(customer),
        "zip": "SH1 1RE",
        "phone": spelling.phone(customer),
    }


def _line(line: Line) -> Body:
    return {
        "id": line.number,
        "product_id": line.product,
        "variant_id": line.variant,
        "sku": line.sku,
        "title": line.title,
        "quantity": line.quantity,
        "price": str(line.price),
        "gift_card": line.is_gift_card,
        "grams": 200,
        "vendor": "Acme",
        "fulfillment_status": None,
    }


def _parcel(fact: OrderState) -> Body:
    sent = _time(fact.shop, fact.placed_at)
    return {
        "id": 255_000_000 + fact.number,
        "order_id": fact.number,
        "status": "success",
        "created_at": sent,
        "updated_at": sent,
        "tracking_company": "Royal Mail",
        "tracking_number": f"RM{fact.number:09d}GB",
        "tracking_url": f"https://track.example.com/RM{fact.number:09d}GB",
    }


def _refund(refund: Refund, shop: SimulatedShop) -> Body:
    at = _time(shop, refund.at)
    body: Body = {
        "id": refund.number,
        "created_at": at,
        "processed_at": at,
        "note": "changed my mind",
        "refund_line_items": _refund_lines(refund),
        "order_adjustments": [],
        "transactions": [],
    }
    if refund.shipping:
        body["order_adjustments"] = [
            {
                "id": refund.number * 10 + 8,
                "amount": f"-{refund.shipping}",
                "tax_amount": "0.00",
                "kind": "shipping_refund",
                "reason": "Shipping refund",
            }
        ]
    if refund.money is not None:
        body["transactions"] = [
            {
                "id": refund.number * 10 + 9,
                "kind": "refund",
                "status": refund.outcome,
                "amount": str(refund.money),
            }
        ]
    return body


def _refund_lines(refund: Refund) -> list[Body]:
    """Return the lines that went back; the first one bears what all of them are worth."""
    return [
        {
            "id": refund.number * 10 + index,
            "line_item_id": number,
            "quantity": units,
            "subtotal": str(ZERO if index else refund.goods),
            "total_tax": str(ZERO if index or refund.tax is None else refund.tax),
        }
        for index, (number, units) in enumerate(refund.units.items())
    ]


def _customer(fact: CustomerState) -> Body:
    shop, customer = fact.shop, fact.customer
    if fact.change is Change.DELETED:
        return {"id": customer.number, "deleted_at": _time(shop, fact.changed_at)}
    first, last = spelling.names(customer)
    updated = _time(shop, fact.changed_at)
    ip = spelling.address_ip(customer)
    body: Body = {
        "id": customer.number,
        "title": "Mx",
        "first_name": first,
        "last_name": last,
        "name": f"Mx {customer.name}",
        "email": customer.email,
        "accepts_marketing": fact.accepts_marketing,
        "created_at": _time(shop, customer.created_at),
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
    return body
