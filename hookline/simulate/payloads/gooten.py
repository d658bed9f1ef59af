"""Gooten (Sensaria hub): one POST with the whole order for each change of an item.

There is no time, no tax and no payment; every customer is a guest.
"""

from typing import Any

import msgspec

from hookline.simulate.payloads import spelling
from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import Customer, Fact, Money, OrderState, Paid

Body = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}
_NEW = ("New", "Pending", "Hold", "Needs Customization", "Address Issue", "Ready For Image Dl")
_MADE = ("In Production", "Printing", "Ready For Print", "ManuallyInProduction", "Out For Delivery")
_SENT = ("Shipped", "SHIPPED", "Delivered", "delivered")
_GONE = ("Cancelled", "canceled", "CanceledRefunded", "Billed Refunded")


def render(fact: Fact) -> Payload | None:
    """Render an order; the platform reports nothing else."""
    if type(fact) is not OrderState:
        return None
    currency, customer = fact.shop.currency, fact.customer
    status = _status(fact)
    first, last = spelling.names(customer)
    body: Body = {
        "Id": order_id(fact.number),
        "NiceId": f"Magic7-{fact.number}",
        "Items": _items(fact, status, currency),
        "Total": _price(fact.total, currency),
        "ShippingTotal": _price(fact.shipping, currency),
        "ShippingAddress": {
            "FirstName": first,
            "LastName": last,
            "Line1": spelling.street(customer),
            "City": spelling.city(customer),
            "State": "AL",
            "CountryCode": "US",
            "PostalCode": "548912",
            "Phone": spelling.phone(customer),
            "Email": customer.email,
        },
        "BillingAddress": _billing(customer, first, last),
    }
    return Payload("", _encode(body), query=f"orderid={fact.number}")


def order_id(number: int) -> str:
    """Return the platform's ``Id`` of an order."""
    digits = spelling.token("gooten", number)
    return f"7-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _status(fact: OrderState) -> str:
    """Return the status of the items; the same state of an order has the same one."""
    number = fact.number
    if fact.is_test:
        return "Test"
    if fact.paid is Paid.CANCELLED:
        return _GONE[number % len(_GONE)]
    if fact.is_fulfilled:
        return _SENT[number % len(_SENT)]
    statuses = _NEW if fact.reason == "placed" else _MADE
    return statuses[number % len(statuses)]


def _items(fact: OrderState, status: str, currency: str) -> list[Body]:
    """Return the items; the order's discount is taken off the first ones."""
    items, discount = [], fact.discount
    for line in fact.lines:
        off = min(discount, line.total)
        discount -= off
        item: Body = {
            "Sku": line.sku,
            "ProductId": line.product,
            "Product": line.title,
            "Quantity": line.quantity,
            "Status": status,
            "TrackingUrl": "",
            "Price": _price(line.price, currency),
            "DiscountAmount": _price(off, currency),
        }
        if fact.is_fulfilled:
            item["TrackingNumber"] = f"94001159{fact.number:014d}"
            item["ShipCarrierName"] = "USPS"
        items.append(item)
    return items


def _price(amount: Money, currency: str) -> Body:
    sign = _SIGNS.get(currency, "")
    return {
        "Price": spelling.number(amount),
        "CurrencyCode": currency,
        "FormattedPrice": f"{sign}{amount}",
        "CurrencyFormat": f"{sign}{{1}}",
        "CurrencyDigits": 2,
    }


def _billing(customer: Customer, first: str, last: str) -> Body:
    return {
        "FirstName": first,
        "LastName": last,
        "Line1": " ",
        "City": " ",
        "State": " ",
        "CountryCode": "US",
        "PostalCode": "654812",
        "Email": customer.email,
    }
