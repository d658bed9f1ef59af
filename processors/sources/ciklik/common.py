"""Ciklik: the meta, customer and running totals that its objects share."""

from decimal import Decimal

from processors.sources.contract import Delivery, Parsed
from processors.sources.readers import meta, money
from processors.sources.readers.contact import email_hash, reference
from processors.sources.readers.document import Document
from processors.sources.readers.fields import mapping, parent_id, text
from processors.sources.readers.times import Moment, moment
from schemas.events import Change, CustomerRef, Meta, ReportedTotals, Scope

VERSION = 3


def change_of(event: str) -> Change:
    """Return the change that an event's name implies; an abandoned cart is only reported."""
    verb = event.partition("_")[0]
    return {
        "created": Change.CREATED,
        "updated": Change.UPDATED,
        "deleted": Change.DELETED,
    }.get(verb, Change.REPORTED)


def creation(data: Document, delivery: Delivery) -> Moment | None:
    """Return the object's creation time, if given."""
    return moment(data, "created", "", delivery.shop) or moment(
        data, "created_at", "", delivery.shop
    )


def head(
    delivery: Delivery,
    parsed: Parsed,
    slot: str,
    created: Moment | None = None,
    change: Change | None = None,
) -> Meta:
    """Build the meta of the delivery's entity.

    ``created`` dates only a creation, ``updated_at`` only an update; but the state of either is
    as old as its ``updated_at``, where the platform gives one.
    """
    change = change or change_of(parsed.event)
    updated = None
    if change in (Change.CREATED, Change.UPDATED):
        updated = moment(parsed.payload, "updated_at", "", delivery.shop)
    return meta.build(
        delivery,
        slot=slot,
        event=parsed.event,
        change=change,
        when=created if change is Change.CREATED else updated,
        adapter_version=VERSION,
        state_at=updated.at if updated else None,
    )


def is_user_shaped(data: Document) -> bool:
    """Return whether a subscription event holds a user, as updated_subscription's sample does."""
    return "plan" not in data and ("email" in data or "addresses" in data)


def owner(delivery: Delivery, data: Document) -> CustomerRef | None:
    """Return the customer that a record belongs to, if given."""
    email = text(data, "email") or text(mapping(data, "user"), "email", "user.")
    return reference(parent_id(data, "user"), email_hash(email, delivery.contact_key))


def subscription_uuid(data: Document) -> str | None:
    """Return the uuid of the subscription that a record belongs to."""
    return parent_id(data, "subscription", "uuid")


def totals(
    delivery: Delivery, data: Document, subscription: str | None = None, user: str | None = None
) -> tuple[ReportedTotals, ...]:
    """Return the customer's running totals, then the subscription's, each only if given.

    The platform counts transactions, which are no orders: no count of orders is reported.
    """
    customer = _scope(
        delivery,
        Scope.CUSTOMER,
        user or parent_id(data, "user"),
        money.amount(data, "customerRevenue", signed=True),
        money.amount(data, "customerRefund", signed=True),
    )
    of_subscription = _scope(
        delivery,
        Scope.SUBSCRIPTION,
        subscription or subscription_uuid(data),
        money.amount(data, "revenue", signed=True),
        money.amount(data, "refunded", signed=True),
    )
    return customer + of_subscription


def _scope(
    delivery: Delivery,
    scope: Scope,
    scope_id: str | None,
    revenue: Decimal | None,
    refunded: Decimal | None,
) -> tuple[ReportedTotals, ...]:
    if revenue is None and refunded is None:
        return ()
    currency, source = money.of_shop(delivery.shop)
    return (
        ReportedTotals(
            scope=scope,
            scope_id=scope_id,
            revenue=revenue,
            refunded=refunded,
            currency=currency,
            currency_source=source,
        ),
    )
