"""The platforms as the ingress sees them: route, proof of origin, event name, entity key."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from ingest import entity_keys
from ingest.entity_keys import Found
from ingest.signatures import SCHEMES
from schemas.keys import entity_key
from schemas.platforms import PLATFORMS, Platform
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


CIKLIK_EVENTS = PLATFORMS["ciklik"].events_in_url

_READERS: dict[str, Callable[[str, bytes], Found]] = {
    "run-free": entity_keys.run_free,
    "shoprocket": entity_keys.shoprocket,
    "spiffy": entity_keys.spiffy,
    "ciklik": entity_keys.ciklik,
    "gooten": entity_keys.gooten,
}
"""Of the platforms whose event or entity does not stand at one place, as a row says it."""


def _source(platform: Platform) -> Source:
    return Source(
        platform.name,
        _READERS.get(platform.name) or entity_keys.at_paths(platform.event, platform.ids),
        proof_header=platform.proof_header.encode() if platform.proof_header else None,
        event_headers=tuple(name.encode() for name in platform.event_headers),
        shop_headers=tuple(name.encode() for name in platform.shop_headers),
        events_in_url=platform.events_in_url,
    )


SOURCES: dict[str, Source] = {name: _source(row) for name, row in PLATFORMS.items()}


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
