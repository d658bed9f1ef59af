"""Spiffy Stores: customers, of their own events or inside others, and the customer credit."""

from typing import Any

from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers import money
from processors.sources.readers.attributes import KnownFields, attributes
from processors.sources.readers.contact import contact, email_hash, reference, with_contact
from processors.sources.readers.fields import (
    flag,
    identifier,
    integer,
    mapping,
    required_id,
    required_mapping,
    text,
)
from processors.sources.readers.meta import other_entity
from processors.sources.readers.refusals import invalid
from processors.sources.readers.times import micros, moment
from processors.sources.spiffy.common import change_of, head, when_of
from schemas.events import (
    Change,
    Customer,
    CustomerRef,
    Meta,
    Payment,
    PaymentKind,
    ReportedTotals,
    Scope,
)
from schemas.keys import native_id

_CUSTOMER = KnownFields(
    """
    id title first_name last_name name email phone accepts_marketing created_at updated_at
    note orders_count state total_spent credit current_sign_in_ip last_sign_in_ip addresses
    default_address currency tags wholesale sign_in_count current_sign_in_at last_sign_in_at
    """,
)
_CREDIT = KnownFields(
    """
    id customer customer_id order order_id created_at updated_at amount currency description
    """,
)


def events(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``customer`` with its ``contact``."""
    data: dict[str, Any] = parsed.payload
    change = change_of(parsed.event.partition("/")[2])
    meta = head(
        delivery,
        parsed.event,
        "customer",
        change,
        when_of(delivery, data, change),
        state_at=None
        if change is Change.DELETED
        else micros(data, "updated_at", "", delivery.shop),
    )
    return customer(delivery, meta, data, "")


def embedded(
    delivery: Delivery, parsed: Parsed, data: dict[str, Any], *, is_test: bool = False
) -> Slots:
    """Build ``customer`` and ``contact`` of an embedded one with an id and its own updated_at."""
    fields = mapping(data, "customer")
    updated = moment(fields, "updated_at", "customer.", delivery.shop)
    customer_id = identifier(fields, "id", "customer.")
    if updated is None or customer_id is None:
        return {}
    entity = other_entity(delivery, "customer", customer_id)
    meta = head(
        delivery, parsed.event, "customer", Change.UPDATED, updated, entity=entity, is_test=is_test
    )
    return customer(delivery, meta, fields, "customer.")


def owner(delivery: Delivery, data: dict[str, Any]) -> CustomerRef | None:
    """Return the owner of a record: its embedded customer, else the e-mail address beside it."""
    fields = mapping(data, "customer")
    email = text(fields, "email", "customer.") or text(data, "email")
    accepts = flag(fields, "accepts_marketing", "customer.")
    if accepts is None:
        accepts = flag(data, "buyer_accepts_marketing")
    return reference(
        identifier(fields, "id", "customer."),
        email_hash(email, delivery.contact_key),
        accepts_marketing=accepts,
    )


def customer(delivery: Delivery, meta: Meta, data: dict[str, Any], path: str) -> Slots:
    """Build ``customer`` and ``contact``; ``total_spent``, ``orders_count``: running totals."""
    shop = delivery.shop
    customer_id = required_id(data, "id", path)
    currency, source = money.currency(data, "currency", path, shop)
    spent = money.amount(data, "total_spent", path, signed=True)
    count = integer(data, "orders_count", path)
    reported = ReportedTotals(
        scope=Scope.CUSTOMER,
        scope_id=customer_id,
        revenue=spent,
        orders_count=count,
        currency=currency,
        currency_source=source,
    )
    record = Customer(
        meta=meta,
        customer_id=customer_id,
        email_hash=email_hash(text(data, "email", path), delivery.contact_key),
        accepts_marketing=flag(data, "accepts_marketing", path),
        created_at=micros(data, "created_at", path, shop),
        updated_at=micros(data, "updated_at", path, shop),
        state_word=text(data, "state", path),
        credit_balance=money.amount(data, "credit", path, signed=True),
        currency=currency,
        currency_source=source,
        reported=() if spent is None and count is None else (reported,),
        attributes=attributes(data, _CUSTOMER),
    )
    given = contact(data, path, "title", "first_name", "last_name", "name", "email", "phone")
    return with_contact(record, given)


def credit(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``payment`` of a customer credit, and ``customer`` if it has its own updated_at.

    The published fragments have neither an id nor an amount; where an amount is given, it is
    negative if the credit was spent. An order number in the credit's text is not read.
    """
    data: dict[str, Any] = parsed.payload
    credit_id = identifier(data, "id")
    created = moment(data, "created_at", "", delivery.shop)
    updated = moment(data, "updated_at", "", delivery.shop)
    fields = mapping(data, "customer") if credit_id else required_mapping(data, "customer")
    customer_id = _id_of(data, "customer") if credit_id else required_id(fields, "id", "customer.")
    if created is None and credit_id is None:
        invalid(
            "created_at", "a credit has no id: it is identified by its customer and creation time"
        )
    is_new = updated is None or updated == created
    change = Change.CREATED if is_new else Change.UPDATED
    currency, source = money.currency(data, "currency", "", delivery.shop)
    payment = Payment(
        meta=head(delivery, parsed.event, "payment", change, updated or created),
        payment_id=credit_id or native_id(delivery.raw.entity),
        kind=PaymentKind.CREDIT,
        order_id=_id_of(data, "order"),
        customer=reference(
            customer_id,
            email_hash(text(fields, "email", "customer."), delivery.contact_key),
            accepts_marketing=flag(fields, "accepts_marketing", "customer."),
        ),
        amount=money.amount(data, "amount", "", signed=True),
        currency=currency,
        currency_source=source,
        created_at=created.at if created else None,
        updated_at=updated.at if updated else None,
        attributes=attributes(data, _CREDIT),
    )
    return {"payment": payment, **embedded(delivery, parsed, data)}


def _id_of(data: dict[str, Any], noun: str) -> str | None:
    """Return the id of an embedded object, also where it is given as an id alone."""
    if type(data.get(noun)) is dict:
        return identifier(data[noun], "id", f"{noun}.")
    return identifier(data, noun) or identifier(data, f"{noun}_id")
