"""Proofs of origin. Pure; a refusal takes the same time whatever is wrong.

A scheme gives the proof that a secret makes of a body; verifying makes it and compares in
constant time. Where there are fewer secrets than may be active, or none (an unknown shop), a
decoy that nobody knows stands in.
"""

import binascii
import hmac
import os
from collections.abc import Callable, Sequence

Scheme = Callable[[bytes, bytes], bytes]
"""(secret, body) -> the proof as the sender writes it."""

ACTIVE_SECRETS = 2
_DECOY = os.urandom(32).hex().encode()


def hmac_base64(secret: bytes, body: bytes) -> bytes:
    """Base64 of HMAC-SHA256 over the body."""
    return binascii.b2a_base64(hmac.digest(secret, body, "sha256"), newline=False)


def hmac_hex(secret: bytes, body: bytes) -> bytes:
    """Lower-case hex of HMAC-SHA256 over the body."""
    return hmac.digest(secret, body, "sha256").hex().encode()


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
