"""Contact data, and the keyed hash that stands for an e-mail address everywhere else."""

import unicodedata
from hashlib import blake2b
from typing import Any

from processors.sources.readers.fields import text
from schemas.events import Contact, CustomerRef

_MAX_KEY = 64  # of blake2b


def email_hash(email: str | None, key: bytes) -> str | None:
    """32 hex digits of the keyed hash of a normalised address; None where none is told."""
    if not email:
        return None
    normal = email.strip()
    if not normal.isascii():
        normal = unicodedata.normalize("NFKC", normal)
    normal = normal.casefold()
    if "@" not in normal:
        return None
    if len(key) > _MAX_KEY:
        key = blake2b(key).digest()
    return blake2b(normal.encode(), digest_size=16, key=key).hexdigest()


def reference(
    customer_id: str | None, hashed: str | None, *, accepts_marketing: bool | None = None
) -> CustomerRef | None:
    """Whose record it is; None where nothing of it is told."""
    if customer_id is None and hashed is None and accepts_marketing is None:
        return None
    return CustomerRef(
        customer_id=customer_id, email_hash=hashed, accepts_marketing=accepts_marketing
    )


def contact(told: dict[str, Any], path: str, **keys: str) -> Contact | None:
    """The contact data under the given keys (``first_name="firstName"``); None where none."""
    found = {name: text(told, key, path) for name, key in keys.items()}
    return Contact(**found) if any(value is not None for value in found.values()) else None
