"""Gooten's orders: the goods that are not cancelled, and what they cost."""

from decimal import Decimal
from itertools import compress
from typing import Any

from processors.sources.contract import Delivery, Parsed
from processors.sources.gooten.shipments import Items
from processors.sources.gooten.statuses import common_status, is_cancelled, is_test, is_unlisted
from processors.sources.readers import meta, money, prices
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.contact import email_hash, reference
from processors.sources.readers.fields import (
    goods_id,
    mapping,
    required_id,
    text,
    units,
)
from processors.sources.readers.prices import Fit
from schemas.events import Change, CurrencySource, CustomerRef, LineItem, Order, OrderStatus

_ORDER = KnownFields(
    "Id NiceId Items Total ShippingTotal ShippingAddress BillingAddress",
)
_LINE = KnownFields(
    """
    Sku ProductId Product Quantity Status TrackingNumber TrackingUrl Price DiscountAmount
    Shipments Meta
    """,
    kept="SourceId ShipCarrierName CarrierName Carrier",
    path="Items[].",
)


Currency = tuple[str | None, CurrencySource]


def read_lines(data: dict[str, Any], items: Items, code: str | None) -> tuple[Fit, list[LineItem]]:
    """Read all items, cancelled ones too, with the reading of prices that gives the total.

    ``code``: the order's currency; amounts in another one count as not given.
    """
    total, shipping = (_price(data, key, "", code) for key in ("Total", "ShippingTotal"))
    goods = [not is_cancelled(text(item, "Status", path)) for item, path in items]
    priced = [
        (_unreduced(item, p, code), units(item, "Quantity", p, signed=True)) for item, p in items
    ]
    discounts = [_price(item, "DiscountAmount", p, code, signed=True) for item, p in items]
    which = Fit.UNKNOWN
    # It is not documented whether the total holds cancelled items, so both are tried.
    for kept in ([True] * len(items), goods):
        discount = money.total(compress(discounts, kept), "Items")
        which = prices.fit(list(compress(priced, kept)), _goods(total, shipping, discount))
        if which is not Fit.NEITHER or all(goods) or not any(goods):
            break
    return which, [_line(which, item, path, code) for item, path in items]


def order(
    delivery: Delivery,
    parsed: Parsed,
    named: Currency,
    given: list[LineItem] | None,
    which: Fit,
    version: int,
) -> Order:
    """Build ``order``. ``given``: all its lines, of which cancelled ones are left out."""
    currency, source = named
    lines = given or []
    data: dict[str, Any] = parsed.payload
    order_id = required_id(data, "Id")
    goods = [line for line in lines if not is_cancelled(line.status_word)]
    status = _status(lines, goods)
    is_unknown = status is OrderStatus.UNKNOWN
    return Order(
        meta=meta.build(
            delivery,
            slot="order",
            event=parsed.event,
            change=Change.UPDATED,
            when=None,
            adapter_version=version,
            is_test=any(is_test(line.status_word) for line in lines),
        ),
        order_id=order_id,
        order_number=text(data, "NiceId"),
        customer=_customer(delivery, data),
        status=status,
        status_word=goods[0].status_word if is_unknown else None,
        fulfillment_word=common_status(goods or lines),
        items=tuple(goods) if given is not None else None,
        items_total=money.total((line.line_total for line in goods), "Items")
        if given is not None
        else None,
        discount_total=money.total((line.discount for line in goods), "Items") if lines else None,
        shipping_total=_price(data, "ShippingTotal", "", currency),
        total=_price(data, "Total", "", currency),
        currency=currency,
        currency_source=source,
        attributes=merged(
            {"price_fits": which.value} if lines else {},
            {"items_cancelled": str(len(lines) - len(goods))} if len(goods) < len(lines) else {},
            {"query.orderid": parsed.query_identifiers.removeprefix("orderid=")}
            if parsed.query_identifiers and "@" not in parsed.query_identifiers
            else {},
            attributes(data, _ORDER),
        ),
        cleared=() if is_unknown else ("status_word",),
    )


def _status(lines: list[LineItem], goods: list[LineItem]) -> OrderStatus:
    """Return the status of an order by its items; UNKNOWN if all left have unlisted statuses.

    So an unlisted status does not bring a cancelled order back.
    """
    if lines and not goods:
        return OrderStatus.CANCELLED
    if goods and all(is_unlisted(line.status_word) for line in goods):
        return OrderStatus.UNKNOWN
    return OrderStatus.PLACED


def _goods(
    total: Decimal | None, shipping: Decimal | None, discount: Decimal | None
) -> Decimal | None:
    """Return what the items must sum to if the total holds only them and the shipping."""
    if total is None or shipping is None:
        return None
    return money.less(total, money.less(shipping, discount or money.ZERO))


def _price(
    values: dict[str, Any], key: str, path: str, code: str | None, *, signed: bool = False
) -> Decimal | None:
    """Read an amount; None in another currency than the order's, unless it is 0."""
    inner, where = mapping(values, key, path), f"{path}{key}."
    value = money.amount(inner, "Price", where, signed=signed)
    return value if not value or money.is_in(inner, "CurrencyCode", where, code) else None


def _unreduced(item: dict[str, Any], path: str, code: str | None) -> Decimal | None:
    """Read an item's price; None too where its discount is in another currency."""
    discount = mapping(item, "DiscountAmount", path)
    given = money.amount(discount, "Price", f"{path}DiscountAmount.", signed=True)
    if given and _price(item, "DiscountAmount", path, code, signed=True) is None:
        return None
    return _price(item, "Price", path, code, signed=True)


def currency_of(delivery: Delivery, data: dict[str, Any], items: Items) -> Currency:
    """Return the currency of the total, else of the first price that names one, else the shop's."""
    named = [(data, key, "") for key in ("Total", "ShippingTotal")]
    named += [(item, key, path) for item, path in items for key in ("Price", "DiscountAmount")]
    for values, key, path in named:
        code, source = money.currency(
            mapping(values, key, path), "CurrencyCode", f"{path}{key}.", delivery.shop
        )
        if source is CurrencySource.PAYLOAD:
            return code, source
    return money.of_shop(delivery.shop)


def _customer(delivery: Delivery, data: dict[str, Any]) -> CustomerRef | None:
    """Return a guest, identified by the billing e-mail address, else by the shipping one."""
    for key in ("BillingAddress", "ShippingAddress"):
        hashed = email_hash(text(mapping(data, key), "Email", f"{key}."), delivery.contact_key)
        if hashed is not None:
            return reference(None, hashed)
    return None


def _line(which: Fit, line: dict[str, Any], path: str, code: str | None) -> LineItem:
    price = _unreduced(line, path, code)
    quantity = units(line, "Quantity", path, signed=True)
    unit_price, line_total = prices.readings(price, quantity, which, f"{path}Price.Price")
    if quantity == 1:  # one unit is the line, whatever the order's sum
        unit_price = line_total = price
    kept = attributes(line, _LINE)
    if price is not None and line_total is None and unit_price is None:
        kept = merged({"price": str(price)}, kept)
    return LineItem(
        product_id=goods_id(line, "ProductId", path),
        sku=text(line, "Sku", path),
        name=text(line, "Product", path),
        quantity=quantity,
        unit_price=unit_price,
        line_total=line_total,
        discount=_price(line, "DiscountAmount", path, code, signed=True),
        status_word=text(line, "Status", path),
        attributes=kept,
    )
