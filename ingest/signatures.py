"""Proofs of origin. Pure; a refusal takes the same time whatever is wrong.

A scheme gives the proof that a secret makes of a body; verifying makes it and compares in
constant time. Where there are fewer secrets than may be active, or none (an unknown shop), a
decoy that nobody knows stands in.
"""

import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

Scheme = Callable[[bytes, bytes], bytes]
"""(secret, body) -> the proof as the sender writes it."""

ACTIVE_SECRETS = 2
_BLOCK = 64
"""Bytes that SHA-256 takes at a time."""
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_DECOY = os.urandom(32).hex().encode()


@cache  # for ever: a bound would make refusals of shops beyond it slower than those of others
def _keyed(secret: bytes) -> tuple[Any, Any]:
    """SHA-256 that has taken the inner pad of a secret, and one that has taken the outer."""
    key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
    key = key.ljust(_BLOCK, b"\0")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))


def hmac_sha256(secret: bytes, body: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of the body, 32 bytes.

    A secret proves many bodies: what it does to the hash is done once. OpenSSL's own looks up
    its algorithm and takes the secret anew each time, which costs as much as a small body.
    """
    inner, outer = _keyed(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(body)
    outer.update(inner.digest())
    told: bytes = outer.digest()
    return told


def forget() -> None:
    """Keep nothing that was made of a secret."""
    _keyed.cache_clear()


def hmac_base64(secret: bytes, body: bytes) -> bytes:
    """Base64 of HMAC-SHA256 over the body."""
    return binascii.b2a_base64(hmac_sha256(secret, body), newline=False)


def hmac_hex(secret: bytes, body: bytes) -> bytes:
    """Lower-case hex of HMAC-SHA256 over the body."""
    return hmac_sha256(secret, body).hex().encode()


def shared_secret(secret: bytes, _body: bytes) -> bytes:
    """The secret itself: in a header, or in the URL."""
    return secret


SCHEMES: dict[str, Scheme] = {
    "hmac-sha256-base64": hmac_base64,
    "hmac-sha256-hex": hmac_hex,
    "header": shared_secret,
    "token": shared_secret,
}


def is_proved(scheme: Scheme, secrets: Sequence[bytes], body: bytes, proof: bytes | None) -> bool:
    """Whether ``proof`` is what one of the secrets (at most two) makes of ``body``.

    ``proof`` None: the sender gave none, or more than one.
    """
    told = b"" if proof is None else proof
    for secret in (*secrets, _DECOY, _DECOY)[:ACTIVE_SECRETS]:
        if hmac.compare_digest(scheme(secret, body), told) and proof is not None:
            return True
    if scheme is shared_secret:
        for _ in range(ACTIVE_SECRETS):  # so that no refusal tells which scheme a shop has
            hmac.compare_digest(hmac_base64(_DECOY, body), told)
    return False
