"""Shoprocket's older format, which its page documents: order.* and customer.*.

Numbers are texts, flags are "0" and "1", times are naive (``naive_times_in``; those of items
are in another zone and are never used).
"""

from decimal import Decimal
from typing import Any

from processors.sources.contract import Delivery, Parsed, Rule, Slots
from processors.sources.readers import meta, money
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.contact import contact, email_hash, reference, with_contact
from processors.sources.readers.document import Document
from processors.sources.readers.fields import (
    flag,
    goods_id,
    identifier,
    mapping,
    required_id,
    required_mapping,
    rows,
    text,
    units,
)
from processors.sources.readers.refusals import unknown_event
from processors.sources.readers.times import micros, moment
from processors.sources.shoprocket.lines import without_deleted
from processors.sources.shoprocket.statuses import order_status
from schemas.events import Change, Customer, LineItem, Meta, Order, OrderStatus
from schemas.shops import Shop

CHANGES = {
    "created": (Change.CREATED, "created_at"),
    "updated": (Change.UPDATED, "updated_at"),
    "deleted": (Change.DELETED, "deleted_at"),
}
"""Last part of the event name -> the change, and the field that dates it."""

EVENTS = frozenset(f"{noun}.{verb}" for noun in ("order", "customer") for verb in CHANGES)
_ORDER = KnownFields(
    """
    id order_id customer_id user_name email user_contact_number subtotal shipping_amount
    tax_amount discount_amount total_amount currency_paid_in billing_address
    shipping_address order_notes payment_payload fulfillment_status_raw is_draft
    customer_tax_id status_raw cart_session deleted_at cancelled_at created_at updated_at
    order_items invoice_link source_url review_email_at
    """,
    kept="""
    store_id store_environment raw_order_id is_unread automatic_discount shipping_name
    discount_name currency_paid_in_symbol payment_transaction_id payment_method_id
    payment_method_name raw_payment_method_name fulfillment_status status invoice_number
    v1_ref
    """,
    path="data.",
)
_METHOD = KnownFields("", kept="type", path="data.payment_payload.payment_method.")
_LINE = KnownFields(
    """
    id order_id item_id item_name item_sku unit_price quantity discount_amount
    item_license_key deleted_at created_at updated_at reviewed_at status_raw item_image
    item_source_url item_sku_attachment item_options
    """,
    kept="item_sku_id weight discount_name status",
    path="data.order_items[].",
)
_CUSTOMER = KnownFields(
    """
    id email name user_name first_name last_name phone contact_number user_contact_number
    accepts_marketing created_at updated_at deleted_at status_raw
    """,
    kept="store_id",
    path="data.",
)


def parse(document: Document, event: str, shop: Shop) -> Parsed:
    """Choose the dedupe rule: without its time, an update can repeat an earlier body."""
    if event not in EVENTS:
        unknown_event(event, "type")
    dated_by = CHANGES[event.partition(".")[2]][1]
    data = required_mapping(document, "data")
    time = moment(data, dated_by, "data.", shop)
    is_content = dated_by == "created_at" or time is not None
    return Parsed(event, Rule.CONTENT if is_content else Rule.STATE, document)


def events(delivery: Delivery, parsed: Parsed, version: int) -> Slots:
    """Build ``order``, or ``customer`` with its ``contact``."""
    if parsed.event.startswith("order."):
        return {"order": _order(delivery, parsed, version)}
    return _customer(delivery, parsed, version)


def _is_test(document: Document, data: dict[str, Any]) -> bool:
    """Return whether any of three fields marks a test; ``livemode`` may be a text or a flag."""
    livemode = mapping(data, "payment_payload", "data.").get("livemode")
    modes = (document.get("webhook_environment"), data.get("store_environment"), livemode)
    return livemode is False or any(type(m) is str and m.lower() == "test" for m in modes)


def _head(delivery: Delivery, parsed: Parsed, data: dict[str, Any], version: int) -> Meta:
    noun, _, verb = parsed.event.partition(".")
    change, dated_by = CHANGES[verb]
    is_deleted = change is Change.DELETED
    return meta.build(
        delivery,
        slot=noun,
        event=parsed.event,
        change=change,
        when=moment(data, dated_by, "data.", delivery.shop),
        state_at=None if is_deleted else micros(data, "updated_at", "data.", delivery.shop),
        adapter_version=version,
        is_test=_is_test(parsed.payload, data),
    )


def _order(delivery: Delivery, parsed: Parsed, version: int) -> Order:
    data = required_mapping(parsed.payload, "data")
    shop = delivery.shop
    currency, source = money.currency(data, "currency_paid_in", "data.", shop)
    lines = _lines(data)
    created = micros(data, "created_at", "data.", shop)
    cancelled = micros(data, "cancelled_at", "data.", shop)
    is_draft = flag(data, "is_draft", "data.")
    native = order_status(data, "status_raw", "fulfillment_status_raw", "data.")
    goods, goods_attributes = _goods(data, lines)
    method = mapping(
        mapping(data, "payment_payload", "data."), "payment_method", "data.payment_payload."
    )
    return Order(
        meta=_head(delivery, parsed, data, version),
        order_id=required_id(data, "id", "data."),
        order_number=text(data, "order_id", "data."),
        customer=reference(
            identifier(data, "customer_id", "data."),
            email_hash(text(data, "email", "data."), delivery.contact_key),
        ),
        status=OrderStatus.DELETED if parsed.event == "order.deleted" else native.status,
        status_word=native.text,
        fulfillment_word=native.fulfilment,
        is_draft=is_draft,
        placed_at=None if is_draft else created,
        created_at=created,
        updated_at=micros(data, "updated_at", "data.", shop),
        cancelled_at=cancelled,
        items=lines,
        items_total=goods,
        discount_total=money.amount(data, "discount_amount", "data."),
        tax_total=money.amount(data, "tax_amount", "data."),
        shipping_total=money.amount(data, "shipping_amount", "data."),
        total=money.amount(data, "total_amount", "data."),
        currency=currency,
        currency_source=source,
        cleared=("cancelled_at",) if cancelled is None and "cancelled_at" in data else (),
        attributes=merged(
            goods_attributes,
            native.attributes,
            attributes(data, _ORDER),
            attributes(method, _METHOD, prefix="payment_method."),
        ),
    )


def _lines(data: dict[str, Any]) -> tuple[LineItem, ...] | None:
    given = rows(data, "order_items", "data.")
    if given is None:
        return None
    return tuple(_line(line, path) for line, path in without_deleted(given, "data.order_items"))


def _goods(
    data: dict[str, Any], lines: tuple[LineItem, ...] | None
) -> tuple[Decimal | None, dict[str, str]]:
    """Return the goods before discounts, and attributes that explain them.

    They are the subtotal, unless the lines show that discounts are already off it.
    """
    subtotal = money.amount(data, "subtotal", "data.")
    if not lines:
        return subtotal, {}
    summed = money.total((line.line_total for line in lines), "data.order_items")
    discount = money.amount(data, "discount_amount", "data.")
    if summed is None or (subtotal is not None and not discount):
        return subtotal, {}
    if subtotal is None:
        return summed, {"items_total_is": "sum of the lines"}
    if money.less(summed, discount or money.ZERO) == subtotal:
        return summed, {"items_total_is": "sum of the lines", "subtotal": str(subtotal)}
    return subtotal, {}


def _line(line: dict[str, Any], path: str) -> LineItem:
    price = money.amount(line, "unit_price", path, signed=True)
    quantity = units(line, "quantity", path, signed=True)
    return LineItem(
        line_id=goods_id(line, "id", path),
        product_id=goods_id(line, "item_id", path),
        sku=text(line, "item_sku", path),
        name=text(line, "item_name", path),
        quantity=quantity,
        unit_price=price,
        line_total=money.times(price, quantity, f"{path}unit_price"),
        discount=money.amount(line, "discount_amount", path, signed=True),
        status_word=text(line, "status_raw", path),
        attributes=attributes(line, _LINE),
    )


def _customer(delivery: Delivery, parsed: Parsed, version: int) -> Slots:
    """Build ``customer`` and ``contact``. No sample is published: fields are named as in orders."""
    data = required_mapping(parsed.payload, "data")
    shop = delivery.shop
    phone = next(
        (k for k in ("phone", "contact_number", "user_contact_number") if data.get(k)), "phone"
    )
    name = "name" if data.get("name") else "user_name"
    record = Customer(
        meta=_head(delivery, parsed, data, version),
        customer_id=required_id(data, "id", "data."),
        email_hash=email_hash(text(data, "email", "data."), delivery.contact_key),
        accepts_marketing=flag(data, "accepts_marketing", "data."),
        created_at=micros(data, "created_at", "data.", shop),
        updated_at=micros(data, "updated_at", "data.", shop),
        state_word=text(data, "status_raw", "data."),
        attributes=attributes(data, _CUSTOMER),
    )
    given = contact(data, "data.", "first_name", "last_name", name=name, email="email", phone=phone)
    return with_contact(record, given)
