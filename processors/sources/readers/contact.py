"""Contact data in an event of its own, and the keyed hash that replaces an e-mail address."""

import unicodedata
from hashlib import blake2b
from typing import Any

from msgspec import structs

from processors.sources.contact_keys import ChangedKey
from processors.sources.contract import Slots
from processors.sources.readers.fields import text
from schemas.envelopes import event_id
from schemas.events import Change, Contact, Customer, CustomerContact, CustomerRef
from schemas.keys import entity_key

CUSTOMER, CONTACT = "customer", "contact"
"""The slots of a customer and of its contact data."""
_MAX_KEY = 64  # of blake2b


def email_hash(email: str | None, key: bytes) -> str | None:
    """Return the keyed hash of a normalised address, 32 hex digits; None where none is given.

    A key that replaces another one notes the hash by both.
    """
    if not email:
        return None
    normal = email.strip()
    if not normal.isascii():
        normal = unicodedata.normalize("NFKC", normal)
    normal = normal.casefold()
    if "@" not in normal:
        return None
    hashed = _keyed(normal, key)
    if type(key) is ChangedKey:
        key.hashed[_keyed(normal, key.before)] = hashed
    return hashed


def _keyed(normal: str, key: bytes) -> str:
    if len(key) > _MAX_KEY:
        key = blake2b(key).digest()
    return blake2b(normal.encode(), digest_size=16, key=key).hexdigest()


def reference(
    customer_id: str | None, hashed: str | None, *, accepts_marketing: bool | None = None
) -> CustomerRef | None:
    """Return the customer that a record belongs to; None where nothing about it is given."""
    if customer_id is None and hashed is None and accepts_marketing is None:
        return None
    return CustomerRef(
        customer_id=customer_id, email_hash=hashed, accepts_marketing=accepts_marketing
    )


def contact(values: dict[str, Any], path: str, *names: str, **renamed: str) -> Contact | None:
    """Read the contact data of these names, or under another key (``first_name="firstName"``).

    None if no field is given.
    """
    fields = {name: text(values, name, path) for name in names}
    fields |= {name: text(values, key, path) for name, key in renamed.items()}
    return Contact(**fields) if any(value is not None for value in fields.values()) else None


def with_contact(customer: Customer, given: Contact | None) -> Slots:
    """Return ``customer``, and ``contact`` where contact data is given.

    A deletion gives none: what it still shows of a person is what the platform asks to erase.
    """
    meta = customer.meta
    if given is None or meta.change is Change.DELETED:
        return {CUSTOMER: customer}
    own = structs.replace(
        meta,
        event_id=event_id(meta.delivery_id, CONTACT),
        entity=entity_key(meta.source, meta.shop, "customer", customer.customer_id),
        slot=CONTACT,
    )
    record = CustomerContact(
        meta=own,
        customer_id=customer.customer_id,
        contact=given,
        email_hash=customer.email_hash,
    )
    return {CUSTOMER: customer, CONTACT: record}
