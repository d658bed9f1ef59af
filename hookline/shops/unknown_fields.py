"""Fields of deliveries that no adapter knows: they are counted by name, and nothing keeps them."""

from dataclasses import dataclass, field

from processors.sources import ADAPTERS, notes
from processors.sources.contract import Delivery, Parsed
from schemas.raw_delivery import RawDelivery
from schemas.shops import Shop

MAX_NAMES = 1_000
_ANY_KEY = b"only names are read"


@dataclass(slots=True)
class UnknownFields:
    """Deliveries by the unknown fields in them: (shop, event, path) -> their number.

    ``omitted``: occurrences of names beyond ``MAX_NAMES``.
    """

    deliveries: dict[tuple[str, str, str], int] = field(default_factory=dict)
    omitted: int = 0

    def add(self, raw: RawDelivery, body: bytes) -> None:
        """Add a delivery with its decompressed body."""
        for path in unknown_fields(raw, body):
            key = f"{raw.source}/{raw.shop}", raw.event, path
            if key in self.deliveries or len(self.deliveries) < MAX_NAMES:
                self.deliveries[key] = self.deliveries.get(key, 0) + 1
            else:
                self.omitted += 1


def unknown_fields(raw: RawDelivery, body: bytes) -> set[str]:
    """Return the paths of the fields that the adapter does not know; none of a refused delivery."""
    adapter = ADAPTERS.get(raw.source)
    if adapter is None:
        return set()
    delivery = Delivery(raw, Shop(source=raw.source, id=raw.shop), body, _ANY_KEY)
    try:
        parsed = adapter.parse(delivery)
        if not isinstance(parsed, Parsed) or not isinstance(adapter.events(delivery, parsed), dict):
            return set()
    except Exception:  # noqa: BLE001 - a body that the adapter fails on is a dead letter
        return set()
    return {f"{path}{name}" for path, names in notes.unknown_fields() for name in names}
