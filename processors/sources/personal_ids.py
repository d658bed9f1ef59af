"""Ids that are no ids: an e-mail address or a telephone number instead of one, hashed.

They would be part of keys, which are kept for ever. Hashed with the contact key they still
distinguish entities.
"""

import re
from hashlib import blake2b
from typing import Any

from msgspec import structs

from processors.sources.contract import Slots
from schemas.events import Event

PREFIX = "hashed-"
_MAX_KEY = 64  # of blake2b
_PHONE = re.compile(r"\+[0-9][0-9 ()./-]{6,}|[(0][0-9()./-]* [0-9 ()./-]{6,}")
"""With a country code, or in groups with blanks; digits alone are a number like any other."""
_FIELDS = (
    "customer_id", "order_id", "cart_id", "cart_token", "subscription_id", "native_id",
    "payment_id", "shipment_id", "consent_id",
)  # fmt: skip


def is_personal_id(text: str) -> bool:
    """Return whether an id is an e-mail address or is written as a telephone number."""
    return "@" in text or _PHONE.fullmatch(text) is not None


def hashed_id(text: str, key: bytes) -> str:
    """Return an id as it is; hashed with the contact key if it is an address or a number."""
    if not is_personal_id(text):
        return text
    if len(key) > _MAX_KEY:
        key = blake2b(key).digest()
    return PREFIX + blake2b(text.encode(), digest_size=16, key=key, person=b"id").hexdigest()


def hashed_entity(entity: str, key: bytes) -> str:
    """Return an entity's key, ``source/shop/kind:id``, with a hashed id where that is no id."""
    head, colon, native = entity.partition(":")
    return f"{head}{colon}{hashed_id(native, key)}"


def hashed_key(raw_key: bytes, contact_key: bytes) -> bytes:
    """Return a raw record's key likewise."""
    if b"@" not in raw_key and b"+" not in raw_key and b" " not in raw_key:  # nearly all
        return raw_key
    return hashed_entity(raw_key.decode(errors="replace"), contact_key).encode()


def with_hashed_ids(slots: Slots, key: bytes) -> Slots:
    """Return the events with hashed ids where an id is none."""
    return {slot: _with_hashed_ids(event, key) for slot, event in slots.items()}


def _with_hashed_ids(event: Event, key: bytes) -> Event:
    changes: dict[str, Any] = {
        name: hashed_id(value, key)
        for name in _FIELDS
        if type(value := getattr(event, name, None)) is str
    }
    changes["meta"] = structs.replace(event.meta, entity=hashed_entity(event.meta.entity, key))
    customer = getattr(event, "customer", None)
    if customer is not None and customer.customer_id is not None:
        changes["customer"] = structs.replace(
            customer, customer_id=hashed_id(customer.customer_id, key)
        )
    if reported := getattr(event, "reported", ()):
        changes["reported"] = tuple(
            structs.replace(total, scope_id=hashed_id(total.scope_id or "", key) or None)
            for total in reported
        )
    return structs.replace(event, **changes)
