"""Spiffy Stores: carts/*."""

from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import KnownFields, attributes
from processors.sources.readers.fields import flag, goods_id, identifier, text, units
from processors.sources.readers.refusals import invalid
from processors.sources.spiffy.common import VERSION, given_lines
from schemas.events import Cart, Change, LineItem

CHANGES = {"carts/create": Change.CREATED, "carts/update": Change.UPDATED}
_CART = KnownFields(
    "id token line_items note attributes currency",
)
_LINE = KnownFields(
    """
    id key product_id variant_id sku title quantity price original_price line_price
    original_line_price total_discount gift_card properties discounts discounted_price
    """,
    kept="grams vendor",
    path="line_items[].",
)


def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``cart``."""
    data: dict[str, Any] = parsed.payload
    token = identifier(data, "token")
    cart_id = identifier(data, "id") or token
    if cart_id is None:
        invalid("token", "the identifier is missing")
    lines = total = None
    if (given := given_lines(data)) is not None:
        lines = tuple([_line(line, path) for line, path in given])
        total = money.total([_net_price(line, path) for line, path in given], "line_items")
    currency, source = money.currency(data, "currency", "", delivery.shop)
    cart = Cart(
        meta=meta.build(
            delivery,
            slot="cart",
            event=parsed.event,
            change=CHANGES[parsed.event],
            when=None,
            adapter_version=VERSION,
        ),
        cart_id=cart_id,
        cart_token=token,
        abandoned=False,
        items=lines,
        total=total,
        currency=currency,
        currency_source=source,
        attributes=attributes(data, _CART),
    )
    return {"cart": cart}


def _net_price(line: dict[str, Any], path: str) -> Decimal | None:
    """Return the line's price after discounts."""
    price = money.amount(line, "line_price", path, signed=True)
    return (
        price if price is not None else money.amount(line, "original_line_price", path, signed=True)
    )


def _line(line: dict[str, Any], path: str) -> LineItem:
    unit_price = money.amount(line, "original_price", path, signed=True)
    line_total = money.amount(line, "original_line_price", path, signed=True)
    return LineItem(
        line_id=goods_id(line, "key", path) or goods_id(line, "id", path),
        product_id=goods_id(line, "product_id", path),
        variant_id=goods_id(line, "variant_id", path),
        sku=text(line, "sku", path),
        name=text(line, "title", path),
        quantity=units(line, "quantity", path, signed=True),
        unit_price=unit_price
        if unit_price is not None
        else money.amount(line, "price", path, signed=True),
        line_total=line_total
        if line_total is not None
        else money.amount(line, "line_price", path, signed=True),
        discount=money.amount(line, "total_discount", path, signed=True),
        is_gift_card=flag(line, "gift_card", path),
        attributes=attributes(line, _LINE),
    )
