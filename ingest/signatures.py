"""Proofs of origin. Every refusal does the same work, so its time reveals nothing.

A scheme computes the proof of a body with a secret; verification computes it and compares in
constant time. A signature proves in base64 and in hexadecimal, whichever of them the shop names.
A random decoy fills up to ACTIVE_SECRETS for shops with fewer secrets, or none because they are
unknown.
"""

import binascii
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any

Scheme = Callable[[bytes, bytes], bytes]
"""(secret, body) -> the proof as the sender writes it."""

ACTIVE_SECRETS = 2
_BLOCK = 64
"""Block size of SHA-256, in bytes."""
_HEX_LENGTH = 64
"""Characters of a signature in hexadecimal; in base64 it has 44."""
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
SLICE = 128 * 1024
"""Bytes of a large body that are hashed at a time: 0.1 ms."""
_DECOY = os.urandom(32).hex().encode()


@cache  # unbounded: an evicted shop's refusals would be slower than others'
def _keyed(secret: bytes) -> tuple[Any, Any]:
    """Return SHA-256 states that have hashed the inner and the outer pad of a secret."""
    key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
    key = key.ljust(_BLOCK, b"\0")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))


def hmac_sha256(secret: bytes, body: bytes) -> bytes:
    """Return the HMAC-SHA256 (RFC 2104) of the body, 32 bytes.

    The pads of a secret are hashed once. OpenSSL's HMAC hashes them for every body, which costs
    as much as a small body does.
    """
    inner, outer = _keyed(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(body)
    outer.update(inner.digest())
    digest: bytes = outer.digest()
    return digest


def forget() -> None:
    """Drop all cached hash states of secrets."""
    _keyed.cache_clear()


def _base64(digest: bytes) -> bytes:
    return binascii.b2a_base64(digest, newline=False)


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode()


def hmac_base64(secret: bytes, body: bytes) -> bytes:
    """Return HMAC-SHA256 of the body, in base64."""
    return _base64(hmac_sha256(secret, body))


def hmac_hex(secret: bytes, body: bytes) -> bytes:
    """Return HMAC-SHA256 of the body, in lower-case hex."""
    return _hex(hmac_sha256(secret, body))


def shared_secret(secret: bytes, _body: bytes) -> bytes:
    """Return the secret itself, for a proof in a header or in the URL."""
    return secret


SCHEMES: dict[str, Scheme] = {
    "hmac-sha256-base64": hmac_base64,
    "hmac-sha256-hex": hmac_hex,
    "header": shared_secret,
    "token": shared_secret,
}
_ENCODE: dict[Scheme, Callable[[bytes], bytes]] = {hmac_base64: _base64, hmac_hex: _hex}


def is_one_of(secrets: Sequence[bytes], given: bytes) -> bool:
    """Whether ``given`` is one of the secrets; each is compared in constant time."""
    matches = [hmac.compare_digest(secret, given) for secret in secrets]  # all, whichever is right
    return any(matches)


async def hashed(
    secrets: Sequence[bytes], body: bytes, turn: Callable[[], Awaitable[object]]
) -> dict[bytes, bytes]:
    """Return the HMAC of a large body for each secret that ``is_proved`` asks for.

    Waits for ``turn`` before each slice, so that the event loop serves others between them.
    """
    digests = {}
    for secret in _keys(secrets):
        inner, outer = (state.copy() for state in _keyed(secret))
        for start in range(0, len(body), SLICE):
            await turn()
            inner.update(memoryview(body)[start : start + SLICE])
        outer.update(inner.digest())
        digests[secret] = outer.digest()
    return digests


def _keys(secrets: Sequence[bytes]) -> Sequence[bytes]:
    return (*secrets, _DECOY, _DECOY)[:ACTIVE_SECRETS]


def is_proved(
    scheme: Scheme,
    secrets: Sequence[bytes],
    body: bytes,
    proof: bytes | None,
    digests: Mapping[bytes, bytes] | None = None,
) -> bool:
    """Whether ``proof`` is the proof of ``body`` with one of the secrets (at most two).

    ``proof`` is None if the sender gave none, or more than one. ``digests``: of ``hashed``, where
    it was called before; then the body is not hashed again.
    """
    given = b"" if proof is None else proof
    if scheme is hmac_base64 or scheme is hmac_hex:
        scheme = hmac_base64
        if len(given) == _HEX_LENGTH:
            scheme, given = hmac_hex, given.lower()
    for secret in _keys(secrets):
        if digests is None or scheme is shared_secret:
            made = scheme(secret, body)
        else:
            made = _ENCODE[scheme](digests[secret])
        if hmac.compare_digest(made, given) and proof is not None:
            return True
    if scheme is shared_secret and digests is None:
        for _ in range(ACTIVE_SECRETS):  # as slow as HMAC: time must not reveal the scheme
            hmac.compare_digest(hmac_base64(_DECOY, body), given)
    return False
