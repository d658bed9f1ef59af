"""What rows would become, through the real adapters and without writing: ``--dry-run``."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hookline.history.prepare import Prepared, Refused
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed, Slots
from schemas.envelopes import Reject
from schemas.events import TOPIC_OF, Micros
from schemas.raw_delivery import Imported, RawDelivery
from schemas.shops import Shop

SHOWN = 1_000
_NO_KEY = b"\x00" * 16
"""Where addresses are hashed only to be thrown away."""


@dataclass(slots=True)
class Checked:
    """What the rows become. ``rejects``: (row, reason); ``first`` and ``last``: their times."""

    rows: int = 0
    webhooks: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    first: Micros | None = None
    last: Micros | None = None

    def reject(self, row: int, reason: str) -> None:
        """Count a row of which nothing can be made."""
        self.reasons[reason] += 1
        if len(self.rejects) < SHOWN:
            self.rejects.append((row, reason))


def slots_of(shop: Shop, row: Prepared, contact_key: bytes = _NO_KEY) -> Slots | Reject:
    """Return the events that the platform's adapter makes of a row."""
    now = time.time_ns() // 1000
    raw = RawDelivery(
        0, row.row, now // 1000, row.key, row.body, f"row-{row.row}", shop.source, shop.id,
        row.event, now, "application/json",
        imported=Imported("check", row.row, row.at, row.state_at),
    )  # fmt: skip
    adapter = ADAPTERS[shop.source]
    delivery = Delivery(raw, shop, row.body, contact_key)
    parsed = adapter.parse(delivery)
    return adapter.events(delivery, parsed) if isinstance(parsed, Parsed) else parsed


def check(shop: Shop, rows: Iterable[Prepared | Refused]) -> Checked:
    """Run all rows through the adapter."""
    result = Checked()
    for row in rows:
        result.rows += 1
        if isinstance(row, Refused):
            result.reject(row.row, row.reason)
            continue
        made = slots_of(shop, row)
        if isinstance(made, Reject):
            result.reject(row.row, f"{made.reason} {made.path}".strip())
            continue
        result.webhooks[row.event] += 1
        for event in made.values():
            result.events[TOPIC_OF[type(event)]] += 1
        at = next(iter(made.values())).meta.occurred_at
        result.first = at if result.first is None else min(at, result.first)
        result.last = at if result.last is None else max(at, result.last)
    return result
