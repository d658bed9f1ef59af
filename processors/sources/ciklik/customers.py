"""Ciklik: users, their addresses, their consents to be contacted.

Profile answers (gender, age, size) and addresses are dropped.
"""

from processors.sources.ciklik.common import head, owner, totals
from processors.sources.contract import Delivery, Parsed, Slots
from processors.sources.readers.attributes import KnownFields, attributes
from processors.sources.readers.contact import contact, email_hash, with_contact
from processors.sources.readers.document import Document
from processors.sources.readers.fields import flag, parent_id, required_id, text
from processors.sources.readers.times import micros, moment
from schemas.events import Change, Consent, Customer

_USER = KnownFields(
    """
    id email first_name last_name name phone addresses profiles declinaison
    has_active_subscription customerRevenue customerRefund created_at created updated_at
    info refp uuid can_void_with_coupon totalTransactionsSuccess
    """,
)
_ADDRESS = KnownFields(
    """
    user_id user email address address1 address2 postcode city phone first_name last_name
    country created created_at updated_at id
    """,
)
_CONSENT = KnownFields(
    """
    id user_id user email optin granted accepted channel type status created created_at
    updated_at
    """,
)


def customer(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``customer`` and ``contact``, of a user event or an updated_subscription of a user."""
    data: Document = parsed.payload
    created = moment(data, "created_at", "", delivery.shop) or moment(
        data, "created", "", delivery.shop
    )
    # An event of a subscription only updates its user, even if the subscription is deleted.
    change = Change.UPDATED if parsed.event.endswith("_subscription") else None
    customer_id = required_id(data, "id")
    record = Customer(
        meta=head(delivery, parsed, "customer", created, change),
        customer_id=customer_id,
        email_hash=email_hash(text(data, "email"), delivery.contact_key),
        created_at=created.at if created else None,
        updated_at=micros(data, "updated_at", "", delivery.shop),
        has_active_subscription=flag(data, "has_active_subscription"),
        reported=totals(delivery, data, user=customer_id),
        attributes=attributes(data, _USER),
    )
    given = contact(data, "", "first_name", "last_name", "name", "email", "phone")
    return with_contact(record, given)


def address(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``customer`` REPORTED: one of its addresses changed; the address itself is dropped.

    The entity is the address. ``customer_id`` is its user, or empty if none is given.
    """
    data: Document = parsed.payload
    required_id(data, "id")
    record = Customer(
        meta=head(delivery, parsed, "customer", change=Change.REPORTED),
        customer_id=parent_id(data, "user") or "",
        attributes=attributes(data, _ADDRESS),
    )
    return {"customer": record}


def consent(delivery: Delivery, parsed: Parsed) -> Slots:
    """Build ``consent``; no sample is published, so only a plain yes or no is read."""
    data: Document = parsed.payload
    key = next((key for key in ("optin", "granted", "accepted") if _is_plain(data.get(key))), None)
    created = micros(data, "created_at", "", delivery.shop)
    record = Consent(
        meta=head(delivery, parsed, "consent"),
        consent_id=required_id(data, "id"),
        customer=owner(delivery, data),
        granted=flag(data, key) if key else None,
        channel=text(data, "channel"),
        status_word=text(data, "status") or text(data, "type"),
        created_at=created if created is not None else micros(data, "created", "", delivery.shop),
        updated_at=micros(data, "updated_at", "", delivery.shop),
        attributes=attributes(data, _CONSENT),
    )
    return {"consent": record}


def _is_plain(value: object) -> bool:
    return type(value) is bool or value in ("0", "1", 0, 1, "true", "false")
