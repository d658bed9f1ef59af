"""Ciklik: orders, abandoned carts, users, opt-ins and transactions; the URL names the event.

Prices are without tax; amounts are numbers and texts of two or three decimals, some of them
with a comma. Only creations are dated. An abandoned cart gives no prices; orders and
subscriptions leave the customer's totals to the users' events, and refunds to transactions.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

import msgspec

from hookline.simulate.payloads import ciklik_subscriptions, spelling
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.baskets import ZERO
from hookline.simulate.world.facts import (
    CartState,
    Change,
    Customer,
    CustomerState,
    Fact,
    Line,
    Money,
    OrderState,
    Paid,
    Repayment,
    SubscriptionState,
)

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_CENT = Decimal("0.01")
_WAITING = ("pending", "in_creation", "in_process", "need_action")
_GONE = ("canceled", "failed")
_ORDERABLE = (
    b'{"id":1062,"uuid":"formule-box-mensuelle","name":"Ma formule de box mensuelle",'
    b'"interval":"month","interval_count":1,"start_billing_day":1,"close_billing_day":10,'
    b'"short_name":null,"more":null,"active":true,"tenant_id":82,'
    b'"created_at":"2020-11-25T17:15:59.000000Z","updated_at":"2020-11-25T17:39:32.000000Z",'
    b'"deleted_at":null,"img":null,"shipped_count":1,"start_date":null,"best_value":"0",'
    b'"alert":false,"need_auto_pause":false,"mass_shipping":true,"engaged":false,'
    b'"engaged_interval":0,"affilae":"5c34b7dbs8race63108b456c-5f1aa9bb0856337cd27ffc3a",'
    b'"fixed_period":true,"category_id":null,"advanced_mod":null,"position":449,'
    b'"tax":0.000,"price":"50.00"}'
)
"""What a line sells, as in the platform's sample, with the id of the line's product instead."""


def render(fact: Fact) -> Payload | None:
    """Render a fact; None where the platform does not report it.

    An update that gives a consent is an opt-in, any other one is the user's.
    """
    match fact:
        case OrderState() if fact.change is not Change.DELETED:
            event, body = f"{fact.change.value}_checkoutorder", _order(fact)
        case CartState() if fact.is_reported:
            event, body = "abandoned_cart", _cart(fact)
        case Repayment():
            event, body = f"{fact.change.value}_checkouttransaction", _transaction(fact)
        case SubscriptionState():
            event = f"{fact.change.value}_subscription"
            body = ciklik_subscriptions.subscription(fact)
        case CustomerState() if fact.accepts_marketing is not None:
            event, body = "updated_optin", _consent(fact)
        case CustomerState() if fact.change is not Change.DELETED:
            event, body = f"{fact.change.value}_user", _user(fact)
        case _:
            return None
    return Payload(event, _encode(body))


def _buyer(customer: Customer) -> Body:
    first, last = spelling.names(customer)
    return {
        "user_id": customer.number,
        "first_name": first.upper(),
        "last_name": last.upper(),
        "phone": spelling.phone(customer),
        "email": customer.email,
    }


def _cart(fact: CartState) -> Body:
    return {
        "cart_id": fact.number,
        **_buyer(fact.customer),
        "created": spelling.utc_micros(fact.opened_at),
        "item": ", ".join([line.title for line in fact.lines]),
    }


def _order(fact: OrderState) -> Body:
    created = spelling.utc_micros(fact.placed_at)
    goods = sum((line.total for line in fact.lines), ZERO)
    rate = _rate(fact.tax, goods - fact.discount)
    has_commas = fact.number % 5 == 0
    discount = (fact.discount * (100 + rate) / 100).quantize(_CENT, ROUND_HALF_EVEN)
    transactions = 2 if fact.is_renewal else 1
    subscription = None
    if fact.subscription is not None:
        subscription = ciklik_subscriptions.uuid_of(fact.subscription)
    return {
        "order_id": fact.number,
        **_buyer(fact.customer),
        "status": _status(fact),
        "created": created,
        "items": [_line(line, rate) for line in fact.lines],
        "shipping": "0.00",
        "count": len(fact.lines),
        "total_tax_paid": str(fact.tax),
        "total_discount_inc": f"{discount}0",
        "total_paid": _spaced(fact.total) if has_commas else f"{fact.total}0",
        "total_shipping_paid": f"{fact.shipping}0",
        "created_at": created,
        "coupon": _coupon(fact) if fact.discount else [],
        "subscription_uuid": subscription,
        "comments": "Sonnez deux fois" if fact.number % 7 == 0 else None,
        "revenue": None,
        "refunded": None,
        "customerRevenue": None,
        "customerRefund": None,
        "totalTransactionsSuccess": transactions,
        "subTransactionsSuccess": transactions,
        "next_billing": None,
        "countTransactions": 1,
    }


def _status(fact: OrderState) -> str:
    if fact.paid is Paid.PENDING:
        return _WAITING[fact.number % len(_WAITING)]
    if fact.paid is Paid.CANCELLED:
        return _GONE[fact.number % len(_GONE)]
    return "completed"


def _rate(tax: Money, base: Money) -> int:
    """Return the tax rate in per cent."""
    return int((100 * tax / base).to_integral_value()) if tax else 0


def _spaced(amount: Money) -> str:
    """``1 234,50``."""
    return f"{amount:,.2f}".replace(",", " ").replace(".", ",")


def _line(line: Line, rate: int) -> Body:
    return {
        "id": line.number,
        "price": spelling.number(line.price),
        "tax": f"{rate}.000",
        "quantity": line.quantity,
        "name": line.title,
        "type": "App\\Plan",
        "orderable": _orderable(line.product),
        "affilae": None,
    }


@lru_cache(maxsize=4096)
def _orderable(product: int) -> msgspec.Raw:
    return msgspec.Raw(_ORDERABLE.replace(b'"id":1062', b'"id":%d' % product))


def _coupon(fact: OrderState) -> Body:
    return {
        "id": 43768,
        "uuid": "MONCOUPON1MOIS",
        "plans": None,
        "price": str(fact.discount),
        "percent_off": None,
        "currency": None,
        "duration": "repeating",
        "redeem_by": 1626350400,
        "display_amount": f"{_spaced(fact.discount)}€",
        "display_percent": None,
    }


def _transaction(fact: Repayment) -> Body:
    return {
        "id": fact.number,
        "order_id": fact.order,
        "user_id": fact.customer.number,
        "amount": str(fact.amount),
        "gateway": "StripeCreditCard",
        "paid": True,
        "refunded": bool(fact.refunded),
        "amount_refunded": str(fact.refunded),
        "created": spelling.utc_micros(fact.created_at),
    }


def _consent(fact: CustomerState) -> Body:
    customer = fact.customer
    return {
        "id": 9_000_000 + (customer.number or 0),
        "user_id": customer.number,
        "email": customer.email,
        "optin": fact.accepts_marketing,
        "channel": "newsletter",
        "created_at": spelling.utc_micros(customer.created_at),
    }


def _user(fact: CustomerState) -> Body:
    customer = fact.customer
    first, last = spelling.names(customer)
    body: Body = {
        "id": customer.number,
        "email": customer.email,
        "uuid": spelling.token("user", customer.number or 0),
        "refp": f"https://winebox.fr/subscribe?refp={customer.number}",
        "can_void_with_coupon": True,
        "has_active_subscription": False,
        "info": None,
        "addresses": [ciklik_subscriptions.address(customer)],
        "profiles": [ciklik_subscriptions.PROFILE],
        "totalTransactionsSuccess": 0,
        "first_name": first.upper(),
        "last_name": last.upper(),
        "phone": spelling.phone(customer),
        "created_at": spelling.utc_micros(customer.created_at),
    }
    if fact.spent is not None:
        body["customerRevenue"] = str(fact.spent)
        body["customerRefund"] = "0.00"
    return body
