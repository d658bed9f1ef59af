"""The platforms, one row each: route, proof of origin, event name, entity key.

A further platform is one row here and one reader in ``entities.py``.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from ingest import entities
from ingest.entities import Found
from ingest.signatures import SCHEMES
from schemas.keys import entity_key
from schemas.shops import Shop


@dataclass(frozen=True, slots=True)
class Source:
    """One platform, as the ingress sees it. Header names are lower-case bytes.

    ``event_headers`` and ``shop_headers``: the first one told counts. ``events_in_url``: the
    words that may end the URL; none for platforms that name the event elsewhere. ``read``
    gives event and entity of an inflated body.
    """

    name: str
    read: Callable[[str, bytes], Found]
    proof_header: bytes | None = None
    event_headers: tuple[bytes, ...] = ()
    shop_headers: tuple[bytes, ...] = ()
    events_in_url: frozenset[str] = frozenset()

    @property
    def route(self) -> str:
        """The route's template, for logs; a shop whose proof is signed has no token."""
        token = "" if self.proof_header else "/{token}"
        return f"/hooks/{self.name}/{{shop}}{token}" + ("/{event}" if self.events_in_url else "")


CIKLIK_EVENTS = frozenset(
    {
        *(f"{change}_subscription" for change in ("created", "updated", "deleted")),
        *(f"{change}_checkoutorder" for change in ("created", "updated")),
        *(f"{change}_checkouttransaction" for change in ("created", "updated")),
        "created_checkoutinvoice",
        *(f"{change}_address" for change in ("created", "updated")),
        *(f"{change}_shippingbox" for change in ("created", "updated", "deleted")),
        *(f"{change}_user" for change in ("created", "updated")),
        *(f"{change}_optin" for change in ("created", "updated")),
        "abandoned_cart",
    }
)

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source("run-free", entities.run_free),
        Source("shoprocket", entities.shoprocket),
        Source(
            "spiffy",
            entities.spiffy,
            proof_header=b"x-spiffy-hmac-sha256",
            event_headers=(b"x-spiffy-topic", b"x-spiffy-stores-topic"),
            shop_headers=(b"x-spiffy-shop-domain", b"x-spiffy-stores-shop-domain"),
        ),
        Source("ciklik", entities.ciklik, events_in_url=CIKLIK_EVENTS),
        Source("gooten", entities.gooten),
    )
}


def read(source: Source, shop: str, event: str, body: bytes | None) -> tuple[str, bytes | None]:
    """The event word and the raw key of an inflated body; the key is None where none is told.

    ``body`` None: it could not be inflated.
    """
    if body is None:
        return event, None
    word, entity = source.read(event, body)
    if entity is None:
        return word, None
    kind, _, native = entity.partition(":")
    return word, entity_key(source.name, shop, kind, native).encode()


def hashed_key(source: Source, shop: str, body: bytes) -> bytes:
    """The raw key of a delivery in which no id can be read: by its bytes as received."""
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return entity_key(source.name, shop, "body", digest).encode()


def slug(event: str) -> str:
    """The event's name in commands, files and metrics: ``carts/create`` -> ``carts-create``."""
    return event.lower().replace("/", "-").replace(".", "-")


def prove(shop: Shop, secret: bytes, body: bytes, event: str) -> tuple[str, dict[str, str]]:
    """The path and headers with which the shop's platform would send ``body``.

    ``event`` is the platform's own word. Content-Type is the caller's. Raises ValueError
    where the shop's proof needs a header that is not named.
    """
    source = SOURCES[shop.source]
    path = f"/hooks/{shop.source}/{shop.id}"
    headers: dict[str, str] = {}
    if shop.proof == "token":
        path += f"/{quote(secret.decode(), safe='')}"
    else:
        header = proof_header(source, shop)
        if header is None:
            raise ValueError(f"{shop.source}/{shop.id}: name its proof_header")
        headers[header.decode()] = SCHEMES[shop.proof](secret, body).decode()
    if source.events_in_url:
        path += f"/{event}"
    if source.event_headers:
        headers[source.event_headers[0].decode()] = event
    return path, headers


def proof_header(source: Source, shop: Shop) -> bytes | None:
    """The header that carries the shop's proof, lower-case; the platform's own by default."""
    if shop.proof_header:
        return shop.proof_header.lower().encode()
    return source.proof_header
