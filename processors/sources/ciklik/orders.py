"""Ciklik: orders and abandoned carts."""

from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import structs

from processors.sources.ciklik import taxes
from processors.sources.ciklik.common import creation, head, owner, subscription_uuid, totals
from processors.sources.ciklik.statuses import order_status
from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import money
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.document import Document
from processors.sources.readers.fields import (
    goods_id,
    integer,
    mapping,
    read_rows,
    required_id,
    text,
    units,
)
from processors.sources.readers.times import micros
from schemas.events import Cart, LineItem, Order

_CART = KnownFields(
    "cart_id id user_id first_name last_name phone email created",
    kept="item",
)
_ORDER = KnownFields(
    """
    order_id user_id first_name last_name phone email status created created_at items
    total_tax_paid total_discount_inc total_paid total_shipping_paid subscription_uuid
    comments revenue refunded customerRevenue customerRefund subTransactionsSuccess
    next_billing updated_at cancelled_at user address
    """,
    kept="""
    shipping count countTransactions totalTransactionsSuccess changed.refunded
    changed.status coupon.id coupon.uuid coupon.display_amount coupon.duration coupon.price
    coupon.redeem_by
    """,
)
_LINE = KnownFields(
    "id price quantity name",
    kept="""
    type tax affilae orderable.id orderable.uuid orderable.short_name orderable.more
    orderable.interval orderable.interval_count orderable.active orderable.tenant_id
    orderable.category_id orderable.created_at orderable.updated_at orderable.deleted_at
    orderable.start_date orderable.shipped_count orderable.best_value orderable.alert
    orderable.need_auto_pause orderable.mass_shipping orderable.engaged
    orderable.engaged_interval orderable.affilae orderable.fixed_period
    orderable.advanced_mod orderable.position orderable.tax orderable.price
    """,
    path="items[].",
)


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
    """Build ``order``. Its prices and its discount are without tax."""
    data: Document = parsed.payload
    shop = delivery.shop
    created = creation(data, delivery)
    cancelled = micros(data, "cancelled_at", "", shop)
    order_id = required_id(data, "order_id", fallback="id")
    status = text(data, "status")
    currency, source = money.of_shop(shop)
    lines, sums, noted = _amounts(data)
    record = Order(
        meta=head(delivery, parsed, "order", created),
        order_id=order_id,
        customer=owner(delivery, data),
        subscription_id=subscription_uuid(data),
        status=order_status(status),
        status_word=status,
        placed_at=created.at if created else None,
        created_at=created.at if created else None,
        updated_at=micros(data, "updated_at", "", shop),
        cancelled_at=cancelled,
        items=lines,
        items_total=sums.goods,
        discount_total=sums.discount,
        tax_total=sums.tax,
        shipping_total=sums.shipping,
        paid_total=sums.paid,
        currency=currency,
        currency_source=source,
        successful_transactions=integer(data, "subTransactionsSuccess"),
        next_billing_at=micros(data, "next_billing", "", shop),
        reported=totals(delivery, data),
        attributes=merged(noted, attributes(data, _ORDER)),
        cleared=("cancelled_at",) if cancelled is None and "cancelled_at" in data else (),
    )
    return {"order": record}


class _Sums(NamedTuple):
    goods: Decimal | None
    discount: Decimal | None
    tax: Decimal | None
    shipping: Decimal | None
    paid: Decimal | None


def _amounts(data: Document) -> tuple[tuple[LineItem, ...] | None, _Sums, dict[str, str]]:
    """Read the lines and sums; the note keeps the discount as given where its tax was taken out."""
    lines = read_rows(data, "items", "", _line)
    sums = _Sums(
        None if lines is None else money.total((line.line_total for line in lines), "items"),
        money.amount(data, "total_discount_inc"),
        money.amount(data, "total_tax_paid"),
        money.amount(data, "total_shipping_paid"),
        money.amount(data, "total_paid"),
    )
    if taxes.are_inside(
        sums.goods, sums.discount, tax=sums.tax, shipping=sums.shipping, paid=sums.paid
    ):
        if lines is not None:  # the lines' rates are not of such prices
            lines = tuple(structs.replace(line, tax=None) for line in lines)
        return lines, sums, {}
    if sums.discount is None:
        return lines, sums, {}
    discount = taxes.discount_without_tax(
        sums.discount,
        sums.goods,
        [line.tax for line in lines or ()],
        shipping=sums.shipping,
        tax=sums.tax,
        paid=sums.paid,
    )
    if discount == sums.discount:
        return lines, sums, {}
    return lines, sums._replace(discount=discount), {"total_discount_inc": str(sums.discount)}


def _line(line: dict[str, Any], path: str) -> LineItem:
    """Read a line. Its ``tax`` is a rate, which is kept as an attribute too."""
    price = money.amount(line, "price", path, signed=True)
    quantity = units(line, "quantity", path, signed=True)
    goods = money.times(price, quantity, f"{path}price")
    orderable = mapping(line, "orderable", path)
    return LineItem(
        line_id=goods_id(line, "id", path),
        product_id=goods_id(orderable, "id", f"{path}orderable."),
        name=text(line, "name", path),
        quantity=quantity,
        unit_price=price,
        line_total=goods,
        tax=taxes.line_tax(goods, taxes.rate(line, path)),
        attributes=attributes(line, _LINE),
    )
