"""Gooten (Sensaria hub): one POST per item change, each with the whole order.

The body neither names the event nor dates it. Items have no id, one price and no tax; a parcel
is identified by its tracking number.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.readers import meta, money, prices
from processors.sources.readers.attributes import attributes, merged
from processors.sources.readers.contact import email_hash, reference
from processors.sources.readers.document import from_json
from processors.sources.readers.fields import (
    MAX_ID,
    identifier,
    mapping,
    names,
    read_rows,
    required_id,
    rows,
    text,
    units,
)
from processors.sources.readers.prices import Fit
from processors.sources.readers.refusals import (
    invalid,
    out_of_range,
    refusing_events,
    refusing_parse,
)
from schemas.events import (
    Change,
    CurrencySource,
    CustomerRef,
    LineItem,
    Order,
    OrderStatus,
    Shipment,
    ShipmentStatus,
)

VERSION = 1
EVENT = "order-item-changed"
"""Our own name: the platform has none."""

_ORDER = names("Id NiceId Items Total ShippingTotal ShippingAddress BillingAddress")
_LINE = names(
    """
    Sku ProductId Product Quantity Status TrackingNumber TrackingUrl Price DiscountAmount
    """
)
_PROGRESS = {
    "new": ShipmentStatus.NEW,
    "inproduction": ShipmentStatus.IN_PRODUCTION,
    "shipped": ShipmentStatus.SHIPPED,
    "delivered": ShipmentStatus.DELIVERED,
    "cancelled": ShipmentStatus.CANCELLED,
    "canceled": ShipmentStatus.CANCELLED,
}


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """Parse the body; the query's ``orderid`` is an identifier beside those in the body."""
    document = from_json(delivery.body)
    order_id = _query_order(delivery)
    return Parsed(EVENT, Rule.STATE, document, f"orderid={order_id}" if order_id else "")


def _query_order(delivery: Delivery) -> str | None:
    values = parse_qs(delivery.raw.query).get("orderid")
    if values is None:
        return None
    if len(values[-1]) > MAX_ID or not values[-1].isprintable():
        out_of_range("query.orderid", "longer than an id may be, or not printable")
    return values[-1]


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``order``, and ``shipment-1`` … for the tracking numbers in the order of the items."""
    order = _order(delivery, parsed)
    slots: Slots = {"order": order}
    parcels: dict[str, list[LineItem]] = {}
    items = parsed.payload.get("Items") or ()
    for index, (item, line) in enumerate(zip(items, order.items or (), strict=True)):
        number = identifier(item, "TrackingNumber", f"Items[{index}].")
        if number is not None:
            parcels.setdefault(number, []).append(line)
    for count, (number, lines) in enumerate(parcels.items(), start=1):
        slots[f"shipment-{count}"] = _shipment(delivery, order, number, lines, count)
    return slots


def _order(delivery: Delivery, parsed: Parsed) -> Order:
    data: dict[str, Any] = parsed.payload
    order_id = required_id(data, "Id")
    items = rows(data, "Items")
    currency, source = _currency(delivery, data, items or [])
    total = _price(data, "Total", "")
    shipping = _price(data, "ShippingTotal", "")
    discounts = [
        _price(line, "DiscountAmount", f"Items[{i}].") for i, line in enumerate(items or ())
    ]
    discount = money.total(discounts, "Items") if items else None
    priced = [
        (_price(line, "Price", f"Items[{i}]."), units(line, "Quantity", f"Items[{i}]."))
        for i, line in enumerate(items or ())
    ]
    which = prices.fit(priced, _goods(total, shipping, discount))
    lines = read_rows(data, "Items", "", partial(_line, which))
    return Order(
        meta=meta.build(
            delivery,
            slot="order",
            event=parsed.event,
            change=Change.UPDATED,
            when=None,
            adapter_version=VERSION,
        ),
        order_id=order_id,
        order_number=text(data, "NiceId"),
        customer=_customer(delivery, data),
        status=_status(lines or ()),
        fulfillment_word=_common_status(lines or ()),
        items=lines,
        items_total=_items_total(lines),
        discount_total=discount,
        shipping_total=shipping,
        total=total,
        currency=currency,
        currency_source=source,
        attributes=merged(
            {"price_fits": which.value} if items else {},
            {"query.orderid": parsed.query_identifiers.removeprefix("orderid=")}
            if parsed.query_identifiers
            else {},
            attributes(data, _ORDER),
        ),
    )


def _goods(
    total: Decimal | None, shipping: Decimal | None, discount: Decimal | None
) -> Decimal | None:
    """Return what the items must sum to if the total holds only them and the shipping."""
    if total is None or shipping is None:
        return None
    return money.less(total, money.less(shipping, discount or money.ZERO))


def _items_total(lines: tuple[LineItem, ...] | None) -> Decimal | None:
    if lines is None:
        return None
    return money.total((line.line_total for line in lines), "Items")


def _status(lines: tuple[LineItem, ...]) -> OrderStatus:
    """Derive a status, which the order itself lacks: PLACED, unless every item is cancelled."""
    progress = {_progress(line.status_word) for line in lines}
    return OrderStatus.CANCELLED if progress == {ShipmentStatus.CANCELLED} else OrderStatus.PLACED


def _progress(status: str | None) -> ShipmentStatus:
    """Map an item's status; compared without case and separators.

    The platform's page names only 'new' and 'delivered'.
    """
    return _PROGRESS.get(_letters(status), ShipmentStatus.UNKNOWN)


def _letters(status: str | None) -> str:
    return "".join(filter(str.isalpha, status or "")).lower()


def _common_status(lines: Iterable[LineItem]) -> str | None:
    """Return the status of all lines, as the first one spells it; None if they differ."""
    statuses = [line.status_word for line in lines]
    return statuses[0] if len({_letters(status) for status in statuses}) == 1 else None


def _price(values: dict[str, Any], key: str, path: str) -> Decimal | None:
    return money.amount(mapping(values, key, path), "Price", f"{path}{key}.")


def _currency(
    delivery: Delivery, data: dict[str, Any], items: list[dict[str, Any]]
) -> tuple[str | None, CurrencySource]:
    """Return the one currency of all prices; refuse an order in two, which cannot be summed."""
    named = [(data, key, "") for key in ("Total", "ShippingTotal")]
    named += [
        (line, key, f"Items[{index}].")
        for index, line in enumerate(items)
        for key in ("Price", "DiscountAmount")
    ]
    currency: str | None = None
    for values, key, path in named:
        code, source = money.currency(
            mapping(values, key, path), "CurrencyCode", f"{path}{key}.", delivery.shop
        )
        if source is not CurrencySource.PAYLOAD:
            continue
        if currency is not None and code != currency:
            invalid(f"{path}{key}.CurrencyCode", f"{code} in an order in {currency}")
        currency = code
    return (currency, CurrencySource.PAYLOAD) if currency else money.of_shop(delivery.shop)


def _customer(delivery: Delivery, data: dict[str, Any]) -> CustomerRef | None:
    """Return a guest, identified by the billing e-mail address, else by the shipping one."""
    for key in ("BillingAddress", "ShippingAddress"):
        hashed = email_hash(text(mapping(data, key), "Email", f"{key}."), delivery.contact_key)
        if hashed is not None:
            return reference(None, hashed)
    return None


def _line(which: Fit, line: dict[str, Any], path: str) -> LineItem:
    price = _price(line, "Price", path)
    quantity = units(line, "Quantity", path)
    unit_price, line_total = prices.readings(price, quantity, which, f"{path}Price.Price")
    if quantity == 1:  # one unit is the line, whatever the order's sum
        unit_price = line_total = price
    kept = attributes(line, _LINE)
    if price is not None and line_total is None and unit_price is None:
        kept = merged({"price": str(price)}, kept)
    return LineItem(
        product_id=identifier(line, "ProductId", path),
        sku=text(line, "Sku", path),
        name=text(line, "Product", path),
        quantity=quantity,
        unit_price=unit_price,
        line_total=line_total,
        discount=_price(line, "DiscountAmount", path),
        status_word=text(line, "Status", path),
        attributes=kept,
    )


def _shipment(
    delivery: Delivery, order: Order, number: str, lines: list[LineItem], count: int
) -> Shipment:
    slot = f"shipment-{count}"
    progress = {_progress(line.status_word) for line in lines}
    return Shipment(
        meta=meta.build(
            delivery,
            entity=meta.other_entity(delivery, "shipment", number),
            slot=slot,
            event=EVENT,
            change=Change.UPDATED,
            when=None,
            adapter_version=VERSION,
        ),
        shipment_id=number,
        order_id=order.order_id,
        customer=order.customer,
        status=progress.pop() if len(progress) == 1 else ShipmentStatus.UNKNOWN,
        status_word=_common_status(lines),
        tracking_number=number,
        items=tuple(lines),
    )


ADAPTER = Adapter(VERSION, parse, events, event_names=frozenset({EVENT}))
