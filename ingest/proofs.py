"""Which shop a delivery belongs to, by its proof of origin."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from ingest import sources
from ingest.http import responses
from ingest.http.request_head import Head
from ingest.http.responses import RefusedError
from ingest.secrets import SecretBook, SecretsError
from ingest.signatures import SCHEMES, hashed, is_one_of, is_proved
from runtime.shop_book import ShopBook
from schemas.shops import Shop

Proved = tuple[Shop, tuple[bytes, ...]]
"""The shop that a proof belongs to, and its secrets."""

Turn = Callable[[], Awaitable[object]]

LARGE = 64 * 1024
"""Bytes of a body from which on it is hashed in slices: the event loop goes on between them."""


class _Claim(NamedTuple):
    """What a delivery claims: to be of ``shop`` (None: unknown), by ``proof``."""

    shop: Shop | None
    secrets: tuple[bytes, ...]
    scheme: str
    signed: bytes
    proof: bytes | None
    is_unresolved: bool

    def verdict(self, digests: Mapping[bytes, bytes] | None = None) -> Proved:
        """Return shop and secrets; an unknown shop takes as long. Raises RefusedError."""
        scheme = SCHEMES[self.scheme]
        is_right = is_proved(scheme, self.secrets, self.signed, self.proof, digests)
        if is_right and self.shop is not None:
            return self.shop, self.secrets
        if self.is_unresolved:  # our misconfiguration: 503 makes the sender try again later
            raise RefusedError(responses.UNACKNOWLEDGED)
        raise RefusedError(responses.UNPROVED)


class Proofs:
    """Checks proofs against the shops as they are now."""

    def __init__(self, shops: ShopBook) -> None:
        self._shops = shops
        self._secrets = SecretBook()
        self._secrets_version = shops.version

    def by_head(self, head: Head) -> Proved | None:
        """Return what the head alone proves; None if the proof needs the body.

        Only a token in the URL can be refused here, with RefusedError: which shop takes which
        other proof is nobody's to find out, so those are refused with the body alike.
        """
        if head.token is not None:
            return self.check(head, b"")
        shop = self._shops.get(head.source.name, head.shop)
        if shop is None or shop.proof != "header":
            return None
        try:
            secrets = self._current_secrets().of(shop)
        except SecretsError:
            return None
        given = head.only(sources.proof_headers(head.source, shop))
        return (shop, secrets) if given is not None and is_one_of(secrets, given) else None

    def check(self, head: Head, received: bytes) -> Proved:
        """Return the shop that the proof belongs to, and its secrets. Raises RefusedError.

        An unknown shop does the same work and gets the same answer as a wrong proof. With a token
        in the URL nothing else proves, so the body is not looked at.
        """
        return self._claim(head, received).verdict()

    async def check_large(self, head: Head, received: bytes, turn: Turn) -> Proved:
        """Do the same for a body over ``LARGE``, slice by slice, each in a turn."""
        claim = self._claim(head, received)
        return claim.verdict(await hashed(claim.secrets, claim.signed, turn))

    def _claim(self, head: Head, received: bytes) -> _Claim:
        book = self._current_secrets()
        shop = self._shops.get(head.source.name, head.shop)
        secrets: tuple[bytes, ...] = ()
        is_unresolved = False
        scheme = "token"
        proof = head.token
        if proof is not None:
            received = b""
        if shop is not None:
            scheme = shop.proof
            try:
                secrets = book.of(shop)
            except SecretsError:
                is_unresolved = True
            if scheme != "token":
                names = sources.proof_headers(head.source, shop)
                proof = head.only(names) if head.token is None else None
        return _Claim(shop, secrets, scheme, received, proof, is_unresolved)

    def _current_secrets(self) -> SecretBook:
        if self._secrets_version != self._shops.version:
            self._secrets.clear()
            self._secrets_version = self._shops.version
        return self._secrets
