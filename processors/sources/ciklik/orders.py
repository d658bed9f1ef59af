"""Ciklik: orders and abandoned carts."""

from typing import Any

from processors.sources.ciklik.common import creation, head, owner, subscription_uuid, totals
from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import money
from processors.sources.readers.attributes import attributes
from processors.sources.readers.document import Document
from processors.sources.readers.fields import (
    identifier,
    integer,
    mapping,
    names,
    read_rows,
    required_id,
    text,
    units,
)
from processors.sources.readers.times import micros
from schemas.events import Cart, LineItem, Order, OrderStatus

STATUSES = {
    "completed": OrderStatus.COMPLETED,
    "pending": OrderStatus.PENDING,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,
    "refunded": OrderStatus.REFUNDED,
}
"""Only ``completed`` is published; any other status becomes UNKNOWN and its text is kept."""

_CART = names("cart_id id user_id first_name last_name phone email created")
_ORDER = names(
    """
    order_id user_id first_name last_name phone email status created created_at items
    total_tax_paid total_discount_inc total_paid total_shipping_paid subscription_uuid
    comments revenue refunded customerRevenue customerRefund totalTransactionsSuccess
    subTransactionsSuccess next_billing
    """
)
_LINE = names("id price quantity name")


def cart(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``cart``, which is abandoned already; ``created`` is its creation, ``item`` a text."""
    data: Document = parsed.payload
    currency, source = money.of_shop(delivery.shop)
    record = Cart(
        meta=head(delivery, parsed, "cart"),
        cart_id=required_id(data, "cart_id", fallback="id"),
        customer=owner(delivery, data),
        abandoned=True,
        created_at=micros(data, "created", "", delivery.shop),
        currency=currency,
        currency_source=source,
        attributes=attributes(data, _CART),
    )
    return {"cart": record}


def order(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``order``."""
    data: Document = parsed.payload
    created = creation(data, delivery)
    lines = read_rows(data, "items", "", _line)
    order_id = required_id(data, "order_id", fallback="id")
    status = text(data, "status")
    currency, source = money.of_shop(delivery.shop)
    record = Order(
        meta=head(delivery, parsed, "order", created),
        order_id=order_id,
        customer=owner(delivery, data),
        subscription_id=subscription_uuid(data),
        status=STATUSES.get((status or "").lower(), OrderStatus.UNKNOWN),
        status_word=status,
        placed_at=created.at if created else None,
        created_at=created.at if created else None,
        items=lines,
        items_total=money.total((line.line_total for line in lines), "items")
        if lines is not None
        else None,
        discount_total=money.amount(data, "total_discount_inc"),
        tax_total=money.amount(data, "total_tax_paid"),
        shipping_total=money.amount(data, "total_shipping_paid"),
        paid_total=money.amount(data, "total_paid"),
        currency=currency,
        currency_source=source,
        successful_transactions=integer(data, "subTransactionsSuccess"),
        next_billing_at=micros(data, "next_billing", "", delivery.shop),
        reported=totals(delivery, data),
        attributes=attributes(data, _ORDER),
    )
    return {"order": record}


def _line(line: dict[str, Any], path: str) -> LineItem:
    """Read a line. ``tax`` is an amount or a rate, on two levels: it is kept as an attribute."""
    price = money.amount(line, "price", path)
    quantity = units(line, "quantity", path)
    orderable = mapping(line, "orderable", path)
    return LineItem(
        line_id=identifier(line, "id", path),
        product_id=identifier(orderable, "id", f"{path}orderable."),
        name=text(line, "name", path),
        quantity=quantity,
        unit_price=price,
        line_total=money.times(price, quantity, f"{path}price"),
        attributes=attributes(line, _LINE),
    )
