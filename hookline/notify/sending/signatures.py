"""Signatures of webhooks by the rules of Standard Webhooks, version 1 (symmetric)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a key, as the rules have it."""


def signing_keys(secret: str) -> list[bytes]:
    """Return the keys of ``whsec_…``, several with blanks. Raises ValueError for another text."""
    keys = []
    for each in secret.split():
        try:
            key = base64.b64decode(each.removeprefix(_PREFIX), validate=True)
        except binascii.Error as error:
            raise ValueError(f"write {_PREFIX} and base64") from error
        if not each.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
            raise ValueError(f"write {_PREFIX} and {_SHORTEST} to {_LONGEST} bytes in base64")
        keys.append(key)
    if not keys:
        raise ValueError(f"write {_PREFIX} and base64")
    return keys


def signature(keys: Sequence[bytes], identifier: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: one signature for each key."""
    signed = b"%s.%d.%s" % (identifier.encode(), timestamp, body)
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
