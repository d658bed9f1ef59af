"""The platforms for the ingress: route, proof of origin, event name, entity key."""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from ingest.entity_keys import readers
from ingest.entity_keys.json_ids import Reader, at_paths
from ingest.signatures import SCHEMES
from runtime.bodies.json_body import cleaned, repaired
from schemas.keys import entity_key
from schemas.platforms import PLATFORMS, Platform
from schemas.shops import Shop


@dataclass(frozen=True, slots=True)
class Source:
    """What the ingress needs of one platform. Header names are lower-case bytes.

    ``proof_headers``: a delivery has exactly one of them; ours are sent with the first.
    ``event_headers`` and ``shop_headers``: the first one given counts. ``events_in_url``: the
    event names that may end the URL; empty for platforms that give the event elsewhere.
    ``read`` returns event name and entity of a decompressed body.
    """

    name: str
    read: Reader
    proof_headers: tuple[bytes, ...] = ()
    event_headers: tuple[bytes, ...] = ()
    shop_headers: tuple[bytes, ...] = ()
    events_in_url: frozenset[str] = frozenset()

    @property
    def route(self) -> str:
        """The route's template, for logs; platforms with a proof header have no token in it."""
        token = "" if self.proof_headers else "/{token}"
        return f"/hooks/{self.name}/{{shop}}{token}" + ("/{event}" if self.events_in_url else "")


_READERS: dict[str, Reader] = {
    "run-free": readers.run_free,
    "shoprocket": readers.shoprocket,
    "spiffy": readers.spiffy,
    "ciklik": readers.ciklik,
    "gooten": readers.gooten,
}
"""Readers of the platforms whose event or entity is not at one path given in their row."""


def _source(platform: Platform) -> Source:
    return Source(
        platform.name,
        _READERS.get(platform.name) or at_paths(platform.event, platform.ids),
        proof_headers=_proof_headers(platform),
        event_headers=tuple(name.encode() for name in platform.event_headers),
        shop_headers=tuple(name.encode() for name in platform.shop_headers),
        events_in_url=platform.events_in_url,
    )


def _proof_headers(platform: Platform) -> tuple[bytes, ...]:
    if platform.proof_header is None:
        return ()
    return (platform.proof_header.encode(), *map(str.encode, platform.proof_header_aliases))


SOURCES: dict[str, Source] = {name: _source(row) for name, row in PLATFORMS.items()}


def read(source: Source, shop: str, event: str, body: bytes | None) -> tuple[str, bytes | None]:
    """Return the event name and the raw key of a decompressed body; the key is None without an id.

    ``body`` is None if it could not be decompressed.
    """
    if body is None:
        return event, None
    body = cleaned(body)
    name, entity = source.read(event, body)
    if entity is None and (again := repaired(body)) != body:
        name, entity = source.read(event, again)  # the processors repair such texts too
    if entity is None:
        return name, None
    kind, _, native = entity.partition(":")
    return name, entity_key(source.name, shop, kind, native).encode()


def hashed_key(source: Source, shop: str, body: bytes) -> bytes:
    """Return the raw key of a delivery without a readable id: a hash of its body as received."""
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return entity_key(source.name, shop, "body", digest).encode()


def prove(shop: Shop, secret: bytes, body: bytes, event: str) -> tuple[str, dict[str, str]]:
    """Return the path and headers with which the shop's platform would send ``body``.

    ``event`` is the platform's event name. Content-Type is not included. Raises ValueError if
    the shop's proof needs a header that is not named.
    """
    source = SOURCES[shop.source]
    path = f"/hooks/{shop.source}/{shop.id}"
    headers: dict[str, str] = {}
    if shop.proof == "token":
        path += f"/{quote(secret.decode(), safe='')}"
    else:
        names = proof_headers(source, shop)
        if not names:
            raise ValueError(f"{shop.source}/{shop.id}: name its proof_header")
        headers[names[0].decode()] = SCHEMES[shop.proof](secret, body).decode()
    if source.events_in_url:
        path += f"/{event}"
    if source.event_headers:
        headers[source.event_headers[0].decode()] = event
    return path, headers


def proof_headers(source: Source, shop: Shop) -> tuple[bytes, ...]:
    """Return the headers, lower-case, of which exactly one carries the shop's proof.

    They are the platform's, unless the shop has a header of another name.
    """
    if not shop.proof_header:
        return source.proof_headers
    name = shop.proof_header.lower().encode()
    return source.proof_headers if name in source.proof_headers else (name,)
