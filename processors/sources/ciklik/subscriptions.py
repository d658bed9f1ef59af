"""Ciklik: subscriptions, the payments for them, the boxes they ship."""

from decimal import Decimal

from processors.sources.ciklik import customers
from processors.sources.ciklik.common import (
    creation,
    head,
    is_user_shaped,
    owner,
    subscription_uuid,
    totals,
)
from processors.sources.ciklik.statuses import box_status, transaction_status
from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import money
from processors.sources.readers.attributes import KnownFields, attributes, merged
from processors.sources.readers.document import Document
from processors.sources.readers.fields import (
    flag,
    identifier,
    integer,
    mapping,
    parent_id,
    required_id,
    text,
)
from processors.sources.readers.times import micros, moment
from schemas.events import (
    Change,
    Payment,
    PaymentKind,
    Shipment,
    ShipmentStatus,
    Subscription,
    SubscriptionStatus,
)

_SUBSCRIPTION = KnownFields(
    """
    id uuid plan address declinaison user_id user created_at end_date start_date active
    paused next_billing revenue refunded customerRevenue customerRefund
    subTransactionsSuccess email updated_at has_active_subscription addresses profiles
    """,
    kept="""
    engaged_date auto_pause_at is_auto totalTransactionsSuccess can_void_with_coupon
    changed.field changed.paused changed.active transporter.id transporter.name
    transporter.description transporter.price transporter.gift transporter.active
    transporter.shipped_count transporter.type
    """,
)
_PLAN = KnownFields(
    "id name price interval interval_count image",
    kept="""
    uuid short_name more start_at category tax shipped_count advanced_mod position engaged
    engaged_interval
    """,
    path="plan.",
)
_PAYMENT = KnownFields(
    """
    id order_id order user_id user email subscription_uuid subscription status amount
    currency payment_method gateway paid refunded amount_refunded created created_at
    updated_at
    """,
    kept="number",
)
_BOX = KnownFields(
    """
    id order_id order user_id user email subscription_uuid subscription status
    tracking_number created created_at updated_at address transporter
    """,
)


def subscription(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``subscription``, or ``customer`` if the body holds a user instead."""
    data: Document = parsed.payload
    if is_user_shaped(data):
        return customers.customer(delivery, parsed)
    shop = delivery.shop
    created = moment(data, "created_at", "", shop) or moment(data, "created", "", shop)
    meta = head(delivery, parsed, "subscription", created)
    uuid = required_id(data, "uuid", fallback="id")
    plan = mapping(data, "plan")
    is_active, is_paused = flag(data, "active"), flag(data, "paused")
    currency, source = money.of_shop(shop)
    record = Subscription(
        meta=meta,
        subscription_id=uuid,
        native_id=identifier(data, "id"),
        customer=owner(delivery, data),
        status=_status(meta.change, is_active, is_paused),
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
            attributes(plan, _PLAN, prefix="plan."),
        ),
    )
    return {"subscription": record}


def _status(change: Change, is_active: bool | None, is_paused: bool | None) -> SubscriptionStatus:
    if change is Change.DELETED:
        return SubscriptionStatus.DELETED
    if is_paused:
        return SubscriptionStatus.PAUSED
    if is_active is None:
        return SubscriptionStatus.UNKNOWN
    return SubscriptionStatus.ACTIVE if is_active else SubscriptionStatus.INACTIVE


def payment(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``payment``, a transaction or an invoice; only a transaction is ever refunded."""
    data: Document = parsed.payload
    created = creation(data, delivery)
    payment_id = required_id(data, "id")
    currency, source = money.currency(data, "currency", "", delivery.shop)
    is_invoice = parsed.event.endswith("invoice")
    amount = money.amount(data, "amount", "", signed=True)
    is_refunded, refunded_amount = (None, None) if is_invoice else _refund(data)
    record = Payment(
        meta=head(delivery, parsed, "payment", created),
        payment_id=payment_id,
        kind=PaymentKind.INVOICE if is_invoice else PaymentKind.TRANSACTION,
        status=transaction_status(flag(data, "paid"), is_refunded, amount, refunded_amount),
        status_word=text(data, "status"),
        order_id=parent_id(data, "order"),
        subscription_id=subscription_uuid(data),
        customer=owner(delivery, data),
        amount=amount,
        refunded_amount=refunded_amount,
        currency=currency,
        currency_source=source,
        method_word=text(data, "gateway") or text(data, "payment_method"),
        created_at=created.at if created else None,
        updated_at=micros(data, "updated_at", "", delivery.shop),
        attributes=attributes(data, _PAYMENT),
    )
    return {"payment": record}


def _refund(data: Document) -> tuple[bool | None, Decimal | None]:
    """Return whether a transaction was refunded, and how much of it is known to be back."""
    is_refunded = flag(data, "refunded")
    given = money.amount(data, "amount_refunded", "", signed=True)
    amount = None if given is None else abs(given)
    if is_refunded and not amount:
        return True, None  # flagged without its amount: 0 would deny the refund
    return is_refunded, amount


def box(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``shipment``."""
    data: Document = parsed.payload
    meta = head(delivery, parsed, "shipment")
    created = creation(data, delivery)
    status = text(data, "status")
    record = Shipment(
        meta=meta,
        shipment_id=required_id(data, "id"),
        order_id=parent_id(data, "order"),
        subscription_id=subscription_uuid(data),
        customer=owner(delivery, data),
        status=ShipmentStatus.DELETED if meta.change is Change.DELETED else box_status(status),
        status_word=status,
        tracking_number=text(data, "tracking_number"),
        created_at=created.at if created else None,
        updated_at=micros(data, "updated_at", "", delivery.shop),
        attributes=attributes(data, _BOX),
    )
    return {"shipment": record}
