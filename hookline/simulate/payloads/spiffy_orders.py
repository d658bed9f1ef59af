"""Spiffy's orders with all that is in them."""

from functools import lru_cache
from typing import Any

from hookline.simulate.payloads import spelling
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import (
    Change,
    Customer,
    Line,
    OrderState,
    Paid,
    Refund,
    SimulatedShop,
)

Body = dict[str, Any]
_WAITING = ("pending", "authorized", "partially_paid")


@lru_cache(maxsize=4096)
def cart_token(number: int) -> str:
    """Return the token of a cart, which is its id."""
    return spelling.token("cart", number)


def order(fact: OrderState) -> Body:
    """Return the whole order; of a deleted one the id."""
    shop, customer = fact.shop, fact.customer
    if fact.change is Change.DELETED:
        return {"id": fact.number, "deleted_at": spelling.of_shop(shop, fact.changed_at)}
    listed = sum((line.total for line in fact.lines), ZERO)
    updated = spelling.of_shop(shop, fact.changed_at)
    return {
        "id": fact.number,
        "name": f"#{fact.number}",
        "number": fact.number % 1_000_000,
        "order_number": fact.number,
        "email": customer.email,
        "created_at": spelling.of_shop(shop, fact.placed_at),
        "updated_at": updated,
        "cancelled_at": spelling.of_shop(shop, fact.cancelled_at),
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
        "shipping_lines": [{"title": "Standard", "price": str(fact.shipping), "code": "standard"}],
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
    """Return the customer inside an order, without the totals and the consent of its own events."""
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
    sent = spelling.of_shop(fact.shop, fact.placed_at)
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
    at = spelling.of_shop(shop, refund.at)
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
