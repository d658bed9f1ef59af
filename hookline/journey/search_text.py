"""What somebody typed into the one search box: a delivery, a raw position, an entity, a person."""

import re
from dataclasses import dataclass

from hookline.console.errors import CommandError
from hookline.journey.windows import received_ms, uuid_version

_POSITION = re.compile(r"(?:([A-Za-z0-9._-]+)[: ])?([0-9]{1,9}):([0-9]{1,18})")
_HASHED = re.compile(
    r"person:((?:customer:hashed-)?[0-9a-f]{32}(?:,(?:customer:hashed-)?[0-9a-f]{32})*)"
)
_KEY_PARTS = 3
_PERSONS = ("customer:", "guest:")
FORMS = (
    "a delivery id (UUIDv7), a raw position like 2:17, a key like spiffy/johns/order:7, an order's,"
    " cart's or customer's id, or an e-mail address"
)


@dataclass(frozen=True, slots=True)
class DeliveryId:
    """A delivery by its id. ``received_ms``: the time in it, by the clock of an ingress."""

    text: str
    received_ms: int


@dataclass(frozen=True, slots=True)
class RawPosition:
    """A record of the raw topic. ``topic``: as it was given, or empty."""

    partition: int
    offset: int
    topic: str = ""


@dataclass(frozen=True, slots=True)
class EntityKey:
    """An entity: ``spiffy/johns/order:7``."""

    key: str

    @property
    def is_person(self) -> bool:
        """Whether it is a customer or a guest, who has other entities."""
        return self.key.split("/", 2)[2].startswith(_PERSONS)


@dataclass(frozen=True, slots=True)
class NativeId:
    """An id alone or after its shop, whose key the tables know: ``eeafa``, ``johns/eeafa``."""

    text: str


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address. It is hashed on the spot; no message and no log shows it."""

    text: str

    def __repr__(self) -> str:
        return "Address(…)"


@dataclass(frozen=True, slots=True)
class HashedAddress:
    """An e-mail address by its hashes, for a URL: ``person:0f…,customer:hashed-…``.

    ``ids``: what the address is as a customer's id.
    """

    hashes: tuple[str, ...]
    ids: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that names it."""
        return f"person:{','.join((*self.hashes, *self.ids))}"


SearchText = DeliveryId | RawPosition | EntityKey | NativeId | Address | HashedAddress


def parse(text: str) -> SearchText:
    """Return what a text names. Raises CommandError for an empty text, and for another UUID."""
    text = text.strip()
    if not text or not text.isprintable():
        raise CommandError(f"nothing to look for: give {FORMS}")
    if match := _POSITION.fullmatch(text):
        return RawPosition(int(match[2]), int(match[3]), match[1] or "")
    if match := _HASHED.fullmatch(text):
        names = match[1].split(",")
        return HashedAddress(
            tuple(name for name in names if ":" not in name),
            tuple(name for name in names if ":" in name),
        )
    lowered = text.lower()
    if (version := uuid_version(lowered)) is not None:
        at = received_ms(lowered)
        if at is not None:
            return DeliveryId(lowered, at)
        raise CommandError(_no_delivery(lowered, version))
    parts = text.split("/", 2)
    if len(parts) == _KEY_PARTS and all(parts) and ":" in parts[2]:
        return EntityKey(text)
    return Address(text) if "@" in text else NativeId(text)


def _no_delivery(text: str, version: str) -> str:
    if version == "5":
        return (
            f"{text} is the id of an event, not of a delivery: the header hookline-delivery of its"
            " record names the delivery, as do raw_partition and raw_offset of its row"
        )
    return f"{text} is no delivery id: those are UUIDs of version 7, not {version}"
