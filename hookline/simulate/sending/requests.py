"""HTTP requests as the shops' platforms send them: URL, headers and proof of origin."""

from collections.abc import Iterable, Mapping

from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import SimulatedShop
from ingest.signatures import SCHEMES, Scheme
from ingest.sources import SOURCES, proof_headers, prove
from schemas.shops import Shop

Key = tuple[str, str]
"""Source and id of a shop."""


class Signer:
    """Makes the bytes of requests. What does not depend on the body is made once.

    Raises KeyError for a shop that it was not given.
    """

    def __init__(self, shops: Mapping[Key, Shop]) -> None:
        self._shops = shops
        self._heads: dict[tuple[str, str, str, str], _Head] = {}

    def request(self, shop: SimulatedShop, payload: Payload, host: bytes) -> bytes:
        """Return a whole POST; ``host`` as the Host header has it."""
        key = shop.source, shop.id, payload.event, payload.content_type
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = _Head(self._shops[key[:2]], payload)
        body = payload.body
        query = b"?" + payload.query.encode() if payload.query else b""
        proof = b""
        if head.scheme is not None:
            proof = b"%b: %b\r\n" % (head.proof_header, head.scheme(head.secret, body))
        return b"%b%b HTTP/1.1\r\nHost: %b\r\n%b%bContent-Length: %d\r\n\r\n%b" % (
            head.line, query, host, head.headers, proof, len(body), body,
        )  # fmt: skip


class _Head:
    """The parts of a head that are the same for all bodies of one shop and event."""

    def __init__(self, shop: Shop, payload: Payload) -> None:
        self.secret = shop.secrets[0].encode()
        path, headers = prove(shop, self.secret, b"", payload.event)
        self.line = b"POST " + path.encode()
        self.scheme: Scheme | None = None
        self.proof_header = b""
        if shop.proof.startswith("hmac"):
            self.scheme = SCHEMES[shop.proof]
            self.proof_header = proof_headers(SOURCES[shop.source], shop)[0]
            del headers[self.proof_header.decode()]
        headers["Content-Type"] = payload.content_type
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


def shop_settings(shop: SimulatedShop) -> dict[str, object]:
    """Return the keys of a simulated shop's table in the shops file."""
    fields: dict[str, object] = {
        "source": shop.source,
        "id": shop.id,
        "secrets": [shop.secret],
        "currency": shop.currency,
        "timezone": shop.timezone,
        "abandon_after": shop.abandon_after,
        "expire_after": shop.expire_after,
        "checkout_grace": shop.checkout_grace,
        "counts_as_sale": shop.counts_as_sale,
    }
    if shop.taxes_included is not None:
        fields["taxes_included"] = shop.taxes_included
    return fields


def hosts(urls: Iterable[str]) -> list[tuple[str, int]]:
    """Return host and port of each base URL. Raises ValueError for another than plain HTTP."""
    found = []
    for url in urls:
        rest = url.rstrip("/").removeprefix("http://")
        name, colon, port = rest.rpartition(":")
        if rest == url.rstrip("/") or "/" in rest or (colon and not port.isdigit()):
            raise ValueError(f"{url!r} is no base URL of an ingress: write http://HOST:PORT")
        found.append((name, int(port)) if colon else (rest, 80))
    return found
