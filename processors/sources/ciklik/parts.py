"""Ciklik: what several of its objects share."""

from decimal import Decimal

from processors.sources.contract import Delivery, Parsed
from processors.sources.readers import meta, money
from processors.sources.readers.contact import email_hash, reference
from processors.sources.readers.document import Document
from processors.sources.readers.fields import identifier, integer, mapping, text
from processors.sources.readers.times import Moment, moment
from schemas.events import Change, CustomerRef, Meta, ReportedTotals, Scope

VERSION = 1


def change_of(event: str) -> Change:
    """What the event key says happened; an abandoned cart is reported, not changed."""
    verb = event.partition("_")[0]
    return {
        "created": Change.CREATED,
        "updated": Change.UPDATED,
        "deleted": Change.DELETED,
    }.get(verb, Change.REPORTED)


def creation(data: Document, delivery: Delivery) -> Moment | None:
    """When the object was created, where told."""
    return moment(data, "created", "", delivery.shop) or moment(
        data, "created_at", "", delivery.shop
    )


def head(
    delivery: Delivery, parsed: Parsed, slot: str, created: Moment | None
) -> tuple[Meta, Change]:
    """Meta of the delivery's entity, and what happened to it: only a creation is dated."""
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


def is_user_shaped(data: Document) -> bool:
    """True if an event on a subscription holds a user, as updated_subscription's sample does."""
    return "plan" not in data and ("email" in data or "addresses" in data)


def user_id(data: Document) -> str | None:
    """The id of the user a record belongs to: ``user_id``, or that of an embedded ``user``."""
    told = identifier(data, "user_id")
    return told if told is not None else identifier(mapping(data, "user"), "id", "user.")


def owner(delivery: Delivery, data: Document) -> CustomerRef | None:
    """Whose record it is, where told."""
    email = text(data, "email") or text(mapping(data, "user"), "email", "user.")
    return reference(user_id(data), email_hash(email, delivery.contact_key))


def subscription_uuid(data: Document) -> str | None:
    """The uuid of the subscription a record belongs to."""
    told = identifier(data, "subscription_uuid")
    if told is not None:
        return told
    return identifier(mapping(data, "subscription"), "uuid", "subscription.")


def totals(
    delivery: Delivery, data: Document, subscription: str | None = None, user: str | None = None
) -> tuple[ReportedTotals, ...]:
    """The customer's running totals, then the subscription's, where any part of them is told."""
    customer = _scope(
        delivery,
        Scope.CUSTOMER,
        user or user_id(data),
        money.amount(data, "customerRevenue", signed=True),
        money.amount(data, "customerRefund", signed=True),
        integer(data, "totalTransactionsSuccess"),
    )
    of_subscription = _scope(
        delivery,
        Scope.SUBSCRIPTION,
        subscription or subscription_uuid(data),
        money.amount(data, "revenue", signed=True),
        money.amount(data, "refunded", signed=True),
        integer(data, "subTransactionsSuccess"),
    )
    return customer + of_subscription


def _scope(
    delivery: Delivery,
    scope: Scope,
    scope_id: str | None,
    revenue: Decimal | None,
    refunded: Decimal | None,
    count: int | None,
) -> tuple[ReportedTotals, ...]:
    if revenue is None and refunded is None and count is None:
        return ()
    currency, source = money.of_shop(delivery.shop)
    return (
        ReportedTotals(
            scope=scope,
            scope_id=scope_id,
            revenue=revenue,
            refunded=refunded,
            orders_count=count,
            currency=currency,
            currency_source=source,
        ),
    )
