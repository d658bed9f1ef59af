"""Shoprocket's older format: numbers and flags are texts, times are naive.

There are no carts; a cancellation and a refund are a status alone.
"""

from typing import Any

import msgspec

from hookline.simulate.payloads import spelling
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import (
    Change,
    Customer,
    CustomerState,
    Fact,
    Line,
    OrderState,
    Paid,
)

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_PAID = ("paid", "processing", "completed", "paid")
_WAITING = ("payment_pending", "pending")
_GONE = ("cancelled", "canceled", "voided", "failed")
_ITEM_ZONE = 19_800_000_000
"""The clock of items is 5.5 hours ahead of their order's, as in the platform's sample."""


def render(fact: Fact) -> Payload | None:
    """Render a fact; None where the format does not report it."""
    match fact:
        case OrderState():
            event = f"order.{fact.change.value}"
            body = _order(fact)
        case CustomerState() if fact.customer.number is not None:
            event = f"customer.{fact.change.value}"
            body = _customer(fact)
        case _:
            return None
    is_test = type(fact) is OrderState and fact.is_test and fact.number % 3 == 0
    environment = "test" if is_test else "live"
    document = {"data": body, "type": event, "webhook_environment": environment}
    return Payload("", _encode(document))


def status(fact: OrderState) -> str:
    """Return the status, which both formats spell alike."""
    match fact.paid:
        case Paid.PENDING:
            return _WAITING[fact.number % len(_WAITING)]
        case Paid.PARTLY_REFUNDED:
            return "partially_refunded"
        case Paid.REFUNDED:
            return "refunded"
        case Paid.CANCELLED:
            return _GONE[fact.number % len(_GONE)]
    return _PAID[fact.number % len(_PAID)]


def _order(fact: OrderState) -> Body:
    shop, customer, number = fact.shop, fact.customer, str(fact.number)
    is_updated = fact.change is Change.UPDATED
    is_deleted = fact.change is Change.DELETED
    subtotal = sum((line.total for line in fact.lines), ZERO)
    address = f"{spelling.street(customer)}, {spelling.city(customer)}"
    created = spelling.naive(fact.placed_at)
    changed = spelling.naive(fact.changed_at)
    marks_store = fact.is_test and fact.number % 3 == 1
    return {
        "id": number,
        "order_id": f"#{fact.number}",
        "raw_order_id": fact.number,
        "is_unread": "1",
        "store_id": "5",
        "customer_id": None if customer.number is None else str(customer.number),
        "user_name": customer.name,
        "email": customer.email,
        "user_contact_number": spelling.phone(customer),
        "automatic_discount": None,
        "subtotal": str(subtotal),
        "shipping_name": "Standard Shipping",
        "shipping_amount": str(fact.shipping),
        "tax_amount": str(fact.tax),
        "discount_name": None,
        "discount_amount": str(fact.discount),
        "total_amount": str(fact.total),
        "currency_paid_in": shop.currency,
        "currency_paid_in_symbol": "$",
        "payment_transaction_id": number,
        "payment_method_id": "252",
        "payment_method_name": "Cash on delivery",
        "raw_payment_method_name": "manual",
        "billing_address": address,
        "shipping_address": address,
        "order_notes": None,
        "store_environment": "test" if marks_store else "live",
        "payment_payload": _payment(fact, customer),
        "fulfillment_status": 2 if fact.is_fulfilled else 1,
        "fulfillment_status_raw": "fulfilled" if fact.is_fulfilled else "awaiting_processing",
        "is_draft": "0",
        "invoice_number": number,
        "invoice_link": f"cdn.shoprocket.io/users/5/orders/{number}/{number}.pdf",
        "source_url": "http://shoprocket-widget:8080/",
        "customer_tax_id": None,
        "status": "1",
        "status_raw": status(fact),
        "v1_ref": None,
        "review_email_at": None,
        "cart_session": f"sr_live_pk_{spelling.token('session', fact.number)}",
        "deleted_at": changed if is_deleted else None,
        "created_at": created,
        "updated_at": changed if is_updated else None,
        "order_items": [_line(line, fact) for line in fact.lines],
    }


def _payment(fact: OrderState, customer: Customer) -> Body:
    person = {
        "address": {
            "city": spelling.city(customer),
            "country": "USA",
            "line1": spelling.street(customer),
            "postal_code": "XXXX",
            "state": "NY",
        },
        "email": customer.email,
        "name": customer.name,
        "phone": spelling.phone(customer),
    }
    marks_payment = fact.is_test and fact.number % 3 == 2  # noqa: PLR2004 - the third mark
    return {
        "amount": str(fact.total),
        "currency": fact.shop.currency,
        "customerId": None,
        "livemode": "test" if marks_payment else "live",
        "receipt_url": None,
        "billing": person,
        "shipping": person,
        "payment_method": {"type": "manual"},
    }


def _line(line: Line, fact: OrderState) -> Body:
    return {
        "id": str(line.number),
        "order_id": str(fact.number),
        "item_id": str(line.product),
        "item_name": line.title,
        "item_sku": line.sku,
        "item_sku_id": None,
        "item_sku_attachment": None,
        "item_options": None,
        "item_image": f"https://img.shoprocket.io/{line.sku}.jpg",
        "unit_price": str(line.price),
        "quantity": str(line.quantity),
        "weight": "0.00",
        "discount_name": None,
        "discount_amount": None,
        "item_license_key": None,
        "item_source_url": f"http://shoprocket-widget:8080/#!/{line.sku}",
        "status": "1",
        "reviewed_at": None,
        "deleted_at": None,
        "created_at": spelling.naive(fact.placed_at + _ITEM_ZONE),
        "updated_at": None,
        "status_raw": "active",
    }


def _customer(fact: CustomerState) -> Body:
    customer, accepts = fact.customer, fact.accepts_marketing
    changed = spelling.naive(fact.changed_at)
    return {
        "id": str(customer.number),
        "store_id": "5",
        "user_name": customer.name,
        "email": customer.email,
        "user_contact_number": spelling.phone(customer),
        "accepts_marketing": None if accepts is None else str(int(accepts)),
        "deleted_at": changed if fact.change is Change.DELETED else None,
        "created_at": spelling.naive(customer.created_at),
        "updated_at": changed if fact.change is Change.UPDATED else None,
    }
