"""Ciklik: subscriptions, orders, payments, boxes, users, consents, abandoned carts.

The URL names the event. ``created`` dates an object's creation on every event, so it dates
a change only where that change is the creation. Only updated_subscription's sample has a
heading on the page; which event the other samples belong to is inferred.
"""

from collections.abc import Callable
from typing import Any

from processors.sources import ciklik_people, meta, money
from processors.sources.attributes import attributes, merged
from processors.sources.ciklik_parts import (
    VERSION,
    change_of,
    is_user_shaped,
    owner,
    subscription_uuid,
    totals,
)
from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.sources.document import Document, from_json
from processors.sources.fields import (
    flag,
    identifier,
    integer,
    mapping,
    names,
    required_id,
    rows,
    text,
    units,
)
from processors.sources.refusals import invalid, refusing, unknown_event
from processors.sources.times import Moment, micros, moment
from schemas.events import (
    Cart,
    Change,
    LineItem,
    Meta,
    Order,
    OrderStatus,
    Payment,
    PaymentKind,
    Shipment,
    ShipmentStatus,
    Subscription,
    SubscriptionStatus,
)

URL_EVENT = "hookline-event"
"""Where an unknown word stands: the raw record's header."""

CONTENT = names(
    """
    created_checkoutorder created_subscription created_checkouttransaction
    created_checkoutinvoice created_user
    """
)
"""Events whose ``created`` dates the change itself."""

STATUSES = {
    "completed": OrderStatus.COMPLETED,
    "pending": OrderStatus.PENDING,
    "cancelled": OrderStatus.CANCELLED,
    "canceled": OrderStatus.CANCELLED,
    "refunded": OrderStatus.REFUNDED,
}
"""Only ``completed`` is published; another word is UNKNOWN and kept."""

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
_SUBSCRIPTION = names(
    """
    id uuid plan address declinaison user_id user created_at end_date start_date active
    paused next_billing revenue refunded customerRevenue customerRefund
    totalTransactionsSuccess subTransactionsSuccess email
    """
)
_PLAN = names("id name price interval interval_count")
_PAYMENT = names(
    """
    id order_id order user_id user email subscription_uuid subscription status amount
    currency payment_method created created_at updated_at
    """
)
_BOX = names(
    """
    id order_id order user_id user email subscription_uuid subscription status
    tracking_number created created_at updated_at address transporter
    """
)


@refusing
def parse(delivery: Delivery) -> Parsed:
    """The raw record's event word, from the URL, names the event."""
    word = delivery.raw.event
    if word not in _EVENTS:
        unknown_event(word, URL_EVENT)
    document = from_json(delivery.body)
    rule = Rule.CONTENT if word in CONTENT else Rule.STATE
    return Parsed(word, rule, document)


@refusing
def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """One event, in the slot of its kind."""
    return _EVENTS[parsed.event](delivery, parsed)


def _creation(data: Document, delivery: Delivery) -> Moment | None:
    return moment(data, "created", "", delivery.shop) or moment(
        data, "created_at", "", delivery.shop
    )


def _head(
    delivery: Delivery, parsed: Parsed, slot: str, created: Moment | None
) -> tuple[Meta, Change]:
    change = change_of(parsed.event)
    head = meta.primary(
        delivery,
        slot=slot,
        event=parsed.event,
        change=change,
        when=created if change is Change.CREATED else None,
        adapter_version=VERSION,
    )
    return head, change


def _cart(delivery: Delivery, parsed: Parsed) -> Slots:
    """Already abandoned when told; ``created`` is the cart's creation, ``item`` text."""
    data: Document = parsed.payload
    currency, source = money.of_shop(delivery.shop)
    cart_id = identifier(data, "cart_id") or identifier(data, "id")
    if cart_id is None:
        invalid("cart_id", "the identifier is missing")
    cart = Cart(
        meta=_head(delivery, parsed, "cart", None)[0],
        cart_id=cart_id,
        customer=owner(delivery, data),
        abandoned=True,
        created_at=micros(data, "created", "", delivery.shop),
        currency=currency,
        currency_source=source,
        attributes=attributes(data, _CART),
    )
    return {"cart": cart}


def _order(delivery: Delivery, parsed: Parsed) -> Slots:
    data: Document = parsed.payload
    created = _creation(data, delivery)
    items = rows(data, "items")
    lines = None
    if items is not None:
        lines = tuple(_line(line, f"items[{i}].") for i, line in enumerate(items))
    order_id = identifier(data, "order_id") or identifier(data, "id")
    if order_id is None:
        invalid("order_id", "the identifier is missing")
    word = text(data, "status")
    currency, source = money.of_shop(delivery.shop)
    order = Order(
        meta=_head(delivery, parsed, "order", created)[0],
        order_id=order_id,
        customer=owner(delivery, data),
        subscription_id=subscription_uuid(data),
        status=STATUSES.get((word or "").lower(), OrderStatus.UNKNOWN),
        status_word=word,
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
    return {"order": order}


def _line(line: dict[str, Any], path: str) -> LineItem:
    """``tax`` stands on two levels, amount or rate: it is kept as told."""
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


def _subscription(delivery: Delivery, parsed: Parsed) -> Slots:
    data: Document = parsed.payload
    if is_user_shaped(data):
        return ciklik_people.customer(delivery, parsed)
    shop = delivery.shop
    created = moment(data, "created_at", "", shop) or moment(data, "created", "", shop)
    head, change = _head(delivery, parsed, "subscription", created)
    uuid = identifier(data, "uuid") or identifier(data, "id")
    if uuid is None:
        invalid("uuid", "the identifier is missing")
    plan = mapping(data, "plan")
    is_active, is_paused = flag(data, "active"), flag(data, "paused")
    currency, source = money.of_shop(shop)
    subscription = Subscription(
        meta=head,
        subscription_id=uuid,
        native_id=identifier(data, "id"),
        customer=owner(delivery, data),
        status=_standing(change, is_active, is_paused),
        is_active=is_active,
        is_paused=is_paused,
        plan_id=identifier(plan, "id", "plan."),
        plan_name=text(plan, "name", "plan."),
        price=money.amount(plan, "price", "plan."),
        currency=currency,
        currency_source=source,
        interval=text(plan, "interval", "plan."),
        interval_count=integer(plan, "interval_count", "plan."),
        created_at=created.at if created else None,
        started_at=micros(data, "start_date", "", shop),
        ended_at=micros(data, "end_date", "", shop),
        next_billing_at=micros(data, "next_billing", "", shop),
        successful_transactions=integer(data, "subTransactionsSuccess"),
        reported=totals(delivery, data, uuid),
        attributes=merged(
            attributes(data, _SUBSCRIPTION),
            attributes(plan, _PLAN, prefix="plan.", inside="plan"),
        ),
    )
    return {"subscription": subscription}


def _standing(change: Change, is_active: bool | None, is_paused: bool | None) -> SubscriptionStatus:
    if change is Change.DELETED:
        return SubscriptionStatus.DELETED
    if is_paused:
        return SubscriptionStatus.PAUSED
    if is_active is None:
        return SubscriptionStatus.UNKNOWN
    return SubscriptionStatus.ACTIVE if is_active else SubscriptionStatus.INACTIVE


def _payment(delivery: Delivery, parsed: Parsed) -> Slots:
    """A transaction or an invoice; no sample is published, so nothing but names is read."""
    data: Document = parsed.payload
    created = _creation(data, delivery)
    payment_id = required_id(data, "id")
    currency, source = money.currency(data, "currency", "", delivery.shop)
    is_invoice = parsed.event.endswith("invoice")
    payment = Payment(
        meta=_head(delivery, parsed, "payment", created)[0],
        payment_id=payment_id,
        kind=PaymentKind.INVOICE if is_invoice else PaymentKind.TRANSACTION,
        status_word=text(data, "status"),
        order_id=_named(data, "order"),
        subscription_id=subscription_uuid(data),
        customer=owner(delivery, data),
        amount=money.amount(data, "amount", "", signed=True),
        currency=currency,
        currency_source=source,
        method_word=text(data, "payment_method"),
        created_at=created.at if created else None,
        updated_at=micros(data, "updated_at", "", delivery.shop),
        attributes=attributes(data, _PAYMENT),
    )
    return {"payment": payment}


def _named(data: Document, noun: str) -> str | None:
    """The id of a parent: ``order_id``, or the id of an embedded ``order``."""
    told = identifier(data, f"{noun}_id")
    return told if told is not None else identifier(mapping(data, noun), "id", f"{noun}.")


def _box(delivery: Delivery, parsed: Parsed) -> Slots:
    data: Document = parsed.payload
    head, change = _head(delivery, parsed, "shipment", None)
    created = _creation(data, delivery)
    shipment = Shipment(
        meta=head,
        shipment_id=required_id(data, "id"),
        order_id=_named(data, "order"),
        subscription_id=subscription_uuid(data),
        customer=owner(delivery, data),
        status=ShipmentStatus.DELETED if change is Change.DELETED else ShipmentStatus.UNKNOWN,
        status_word=text(data, "status"),
        tracking_number=text(data, "tracking_number"),
        created_at=created.at if created else None,
        updated_at=micros(data, "updated_at", "", delivery.shop),
        attributes=attributes(data, _BOX),
    )
    return {"shipment": shipment}


_READERS: dict[str, Callable[[Delivery, Parsed], Slots]] = {
    "subscription": _subscription,
    "checkoutorder": _order,
    "checkouttransaction": _payment,
    "shippingbox": _box,
    "address": ciklik_people.address,
    "user": ciklik_people.customer,
    "optin": ciklik_people.consent,
}
_EVENTS: dict[str, Callable[[Delivery, Parsed], Slots]] = {
    **{f"{verb}_{noun}": _READERS[noun] for noun in _READERS for verb in ("created", "updated")},
    "deleted_subscription": _subscription,
    "deleted_shippingbox": _box,
    "created_checkoutinvoice": _payment,
    "abandoned_cart": _cart,
}
EVENTS = frozenset(_EVENTS)
"""The 17 event keys of the page, and our word for the URL of abandoned carts."""

ADAPTER = Adapter(VERSION, parse, events)
