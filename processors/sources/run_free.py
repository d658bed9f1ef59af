"""Run Free Project: customer/created, cart/change, order/created.

A cart has no id of its own: it is the customer's open cart. An order has no total, no
status and no shipping charge.
"""

from functools import partial
from typing import Any

from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.readers import meta, money, prices
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.contact import contact, email_hash, reference, with_contact
from processors.sources.readers.document import from_json
from processors.sources.readers.fields import (
    flag,
    goods_id,
    identifier,
    mapping,
    read_rows,
    required_id,
    required_mapping,
    rows,
    text,
    units,
)
from processors.sources.readers.prices import Fit
from processors.sources.readers.refusals import refusing_events, refusing_parse, unknown_event
from processors.sources.readers.times import Moment, moment
from schemas.events import Cart, Change, Customer, CustomerRef, LineItem, Meta, Order, OrderStatus

VERSION = 3
RULES = {
    "customer/created": Rule.CONTENT,
    "cart/change": Rule.STATE,
    "order/created": Rule.CONTENT,
}
_CUSTOMER = KnownFields(
    "id firstName lastName email phone created newsletter billing shipping posId", path="data."
)
_OWNER = KnownFields(
    "id firstName lastName email phone created newsletter posId", path="data.customer."
)
_CART = KnownFields("customer items", path="data.")
_ORDER = KnownFields(
    """
    id customer ordered note subtotal shipping taxes discount giftCard giftCardNumber
    billing items
    """,
    kept="discountCode",
    path="data.",
)
_LINE = KnownFields(
    "id productId quantity cost sku name taxes",
    kept="type size width color brand posId store",
    path="data.items[].",
)
_CUSTOMER_PATH = "data.customer."


@refusing_parse
def parse(delivery: Delivery) -> Parsed:
    """Parse the body; its ``type`` and ``action`` name the event."""
    document = from_json(delivery.body)
    event = f"{text(document, 'type') or ''}/{text(document, 'action') or ''}"
    rule = RULES.get(event)
    if rule is None:
        unknown_event(event, "type")
    return Parsed(event, rule, required_mapping(document, "data"))


@refusing_events
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``customer`` with its ``contact``, ``cart`` or ``order``."""
    if parsed.event == "cart/change":
        return {"cart": _cart(delivery, parsed)}
    if parsed.event == "order/created":
        return {"order": _order(delivery, parsed)}
    return _customer(delivery, parsed)


def _meta(
    delivery: Delivery, parsed: Parsed, slot: str, change: Change, when: Moment | None
) -> Meta:
    return meta.build(
        delivery, slot=slot, event=parsed.event, change=change, when=when, adapter_version=VERSION
    )


def _customer(delivery: Delivery, parsed: Parsed) -> Slots:
    data: dict[str, Any] = parsed.payload
    created = moment(data, "created", "data.", delivery.shop)
    record = Customer(
        meta=_meta(delivery, parsed, "customer", Change.CREATED, created),
        customer_id=required_id(data, "id", "data."),
        email_hash=email_hash(text(data, "email", "data."), delivery.contact_key),
        accepts_marketing=flag(data, "newsletter", "data."),
        created_at=created.at if created else None,
        attributes=attributes(data, _CUSTOMER),
    )
    given = contact(
        data, "data.", first_name="firstName", last_name="lastName", email="email", phone="phone"
    )
    return with_contact(record, given)


def _owner(delivery: Delivery, customer: dict[str, Any]) -> CustomerRef | None:
    return reference(
        identifier(customer, "id", _CUSTOMER_PATH),
        email_hash(text(customer, "email", _CUSTOMER_PATH), delivery.contact_key),
        accepts_marketing=flag(customer, "newsletter", _CUSTOMER_PATH),
    )


def _cart(delivery: Delivery, parsed: Parsed) -> Cart:
    data: dict[str, Any] = parsed.payload
    customer = required_mapping(data, "customer", "data.")
    currency, source = money.of_shop(delivery.shop)
    return Cart(
        meta=_meta(delivery, parsed, "cart", Change.UPDATED, None),
        cart_id=required_id(customer, "id", _CUSTOMER_PATH),
        customer=_owner(delivery, customer),
        abandoned=False,
        items=read_rows(data, "items", "data.", partial(_line, Fit.UNKNOWN)),
        currency=currency,
        currency_source=source,
        attributes=merged(attributes(data, _CART), attributes(customer, _OWNER)),
    )


def _order(delivery: Delivery, parsed: Parsed) -> Order:
    data: dict[str, Any] = parsed.payload
    customer = mapping(data, "customer", "data.")
    ordered = moment(data, "ordered", "data.", delivery.shop)
    items = rows(data, "items", "data.")
    goods = money.amount(data, "subtotal", "data.")
    which = prices.fit(
        [
            (
                money.amount(line, "cost", f"data.items[{i}].", signed=True),
                units(line, "quantity", f"data.items[{i}].", signed=True),
            )
            for i, line in enumerate(items or ())
        ],
        goods,
    )
    currency, source = money.of_shop(delivery.shop)
    return Order(
        meta=_meta(delivery, parsed, "order", Change.CREATED, ordered),
        order_id=required_id(data, "id", "data."),
        customer=_owner(delivery, customer),
        status=OrderStatus.PLACED,
        placed_at=ordered.at if ordered else None,
        items=read_rows(data, "items", "data.", partial(_line, which)),
        items_total=goods,
        discount_total=money.amount(data, "discount", "data."),
        tax_total=money.amount(data, "taxes", "data."),
        gift_card_redeemed=money.amount(data, "giftCard", "data."),
        currency=currency,
        currency_source=source,
        attributes=merged(
            {"cost_fits": which.value} if items else {},
            attributes(data, _ORDER),
            attributes(customer, _OWNER),
        ),
    )


def _line(which: Fit, line: dict[str, Any], path: str) -> LineItem:
    cost = money.amount(line, "cost", path, signed=True)
    quantity = units(line, "quantity", path, signed=True)
    unit_price, line_total = prices.readings(cost, quantity, which, path + "cost")
    kept = attributes(line, _LINE)
    if cost is not None and unit_price is None and line_total is None:
        kept = merged({"cost": str(cost)}, kept)
    return LineItem(
        line_id=goods_id(line, "id", path),
        product_id=goods_id(line, "productId", path),
        sku=text(line, "sku", path),
        name=text(line, "name", path),
        quantity=quantity,
        unit_price=unit_price,
        line_total=line_total,
        tax=money.amount(line, "taxes", path, signed=True),
        is_gift_card=_is_gift_card(text(line, "type", path)),
        attributes=kept,
    )


def _is_gift_card(kind: str | None) -> bool | None:
    """The platform's page shows only ``product``; any other kind may be a gift card."""
    if kind is None:
        return None
    if kind == "product":
        return False
    return True if "".join(filter(str.isalpha, kind)).lower() == "giftcard" else None


ADAPTER = Adapter(VERSION, parse, events, event_names=frozenset(RULES))
