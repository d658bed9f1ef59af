"""Changes in the payloads of the shops, from one day to the next."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

from hookline.console import output
from hookline.console.errors import CommandError
from hookline.notify.conditions.condition import Condition
from hookline.shops import document_shape, payload_drift
from hookline.shops.payload_drift import Drift
from runtime.settings import Settings

DAY_MS = int(timedelta(days=1).total_seconds() * 1000)
SHOWN = 3
"""Paths that a message names."""


def read(settings: Settings, now_ms: int) -> list[Condition]:
    """Compare the raw deliveries of the last day with those of the day before.

    Raises errors of Kafka's client, TopicsError, TimeoutError.
    """
    try:
        found = asyncio.run(
            payload_drift.compare(
                settings, None, now_ms - DAY_MS, now_ms - 2 * DAY_MS, now_ms, lambda *_: None
            )
        )
    except CommandError:  # no delivery is kept: nothing has changed
        return []
    return list(conditions(found))


def conditions(drift: Drift) -> Iterator[Condition]:
    """Yield the sure changes of each shop and event: paths, never values."""
    for (shop, event), shapes in sorted(drift.events.items()):
        sure = [
            each for each in document_shape.changes(shapes.before, shapes.after) if each.is_sure
        ]
        if not sure:
            continue
        paths = ", ".join(f"{each.path} ({each.what})" for each in sure[:SHOWN])
        more = f" and {len(sure) - SHOWN} more" if len(sure) > SHOWN else ""
        yield Condition(
            key=f"shop-drift:{shop}:{event}",
            alert="shop-drift",
            scope="drift",
            severity="warning",
            shop=shop,
            what=f"the payload of {event or 'an event without a name'} changed: {paths}{more}",
            do=f"hookline shops drift {shop} --since 24h",
            page=f"/shops/{quote(shop)}",
            since=output.from_unix_ms(min(each.at_ms for each in sure)),
        )
