"""Shops that are silent, and shops whose deliveries fail, as the tables show it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from hookline.notify.conditions import silence
from hookline.notify.conditions.condition import Condition
from hookline.notify.settings import NotifySettings
from hookline.tables.queries import ENTITIES, Rows

MIN_LETTERS = 5
"""Dead letters of two days below which a share means nothing."""

_EVENTS = " UNION ALL ".join(
    f"SELECT source, shop, appended_at FROM {table}"  # noqa: S608 - our own names
    for table in ENTITIES
)
ARRIVED = f"""
    WITH moved AS (
        SELECT source, shop, floor(extract(epoch FROM appended_at) / 3600)::bigint AS hour,
               count(*) AS deliveries, max(appended_at) AS newest
          FROM ({_EVENTS}) events GROUP BY source, shop, hour
    ), whole AS (
        SELECT *, max(hour) OVER (PARTITION BY source, shop) AS last FROM moved
    )
    SELECT source, shop, hour, deliveries, newest FROM whole
     WHERE hour > last - 30 * 24
"""  # noqa: S608 - our own names
"""Rows by the hour in which Kafka took their newest delivery: fewer than came, never more."""
FAILED = """
    SELECT source, shop, max(last_received_at) AS newest,
           coalesce(sum(open) FILTER (WHERE day >= (now() AT TIME ZONE 'UTC')::date - 1), 0)::bigint
               AS open,
           min(first_received_at) FILTER (
               WHERE open > 0 AND day >= (now() AT TIME ZONE 'UTC')::date - 1) AS first_at
      FROM dead_letters_by_day GROUP BY source, shop
"""


@dataclass(slots=True)
class Arrivals:
    """What came of a shop: rows by hour, its newest delivery, open dead letters of two days."""

    hours: dict[int, int] = field(default_factory=dict)
    newest: datetime | None = None
    letters: int = 0
    first_letter: datetime | None = None

    def came(self, at: datetime | None) -> None:
        """Note a delivery."""
        if at is not None and (self.newest is None or at > self.newest):
            self.newest = at


def conditions(
    arrived: Rows,
    failed: Rows,
    whole_until: datetime | None,
    now: datetime,
    settings: NotifySettings,
) -> list[Condition]:
    """Return what ARRIVED and FAILED show of each shop.

    ``whole_until``: up to when the tables are whole. What came later may not be there yet, and
    is not missed; None where nothing can be said of silence.
    """
    shops: dict[str, Arrivals] = {}
    for row in arrived.as_dicts():
        shop = shops.setdefault(_name(row), Arrivals())
        shop.hours[row["hour"]] = row["deliveries"]
        shop.came(row["newest"])
    for row in failed.as_dicts():
        shop = shops.setdefault(_name(row), Arrivals())
        shop.came(row["newest"])
        shop.letters, shop.first_letter = row["open"], row["first_at"]
    return list(_all(shops.items(), whole_until, now, settings))


def _all(
    shops: Iterable[tuple[str, Arrivals]],
    whole_until: datetime | None,
    now: datetime,
    settings: NotifySettings,
) -> Iterable[Condition]:
    for name, shop in shops:
        if whole_until is not None and (found := silent(name, shop, whole_until, settings)):
            yield found
        if (found := failing(name, shop, now, settings)) is not None:
            yield found


def silent(
    name: str, shop: Arrivals, until: datetime, settings: NotifySettings
) -> Condition | None:
    """Return the silence of a shop that sends in these hours every week, None if there is none."""
    if shop.newest is None:
        return None
    missing = silence.missing(shop.hours, _hour(shop.newest), _hour(until))
    if missing < settings.expected:
        return None
    return Condition(
        key=f"shop-silent:{name}",
        alert="shop-silent",
        scope="silence",
        severity="warning",
        shop=name,
        what="nothing came in hours in which at least"
        f" {missing} deliveries came in each of the four weeks before",
        do="hookline shops check; then the platform's own list of failed webhooks",
        page=_page(name),
        since=shop.newest,
    )


def failing(name: str, shop: Arrivals, now: datetime, settings: NotifySettings) -> Condition | None:
    """Return that too many of a shop's deliveries since yesterday (UTC) became dead letters."""
    if shop.letters < MIN_LETTERS or shop.first_letter is None:
        return None
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = _hour(today - timedelta(days=1))
    rows = sum(count for hour, count in shop.hours.items() if hour >= since)
    share = shop.letters / (shop.letters + rows)
    if share <= settings.failures:
        return None
    return Condition(
        key=f"shop-failures:{name}",
        alert="shop-failures",
        scope="failures",
        severity="warning",
        shop=name,
        what=f"{share:.0%} of its deliveries since yesterday are dead letters: {shop.letters}",
        do=f"hookline dead list --group --shop {name}",
        page=f"/dead-letters?shop={quote(name, safe='')}",
        since=shop.first_letter,
        level=shop.letters,
    )


def _hour(at: datetime) -> int:
    return int(at.timestamp() // silence.HOUR_S)


def _page(name: str) -> str:
    return f"/shops/{quote(name)}"


def _name(row: dict[str, Any]) -> str:
    return f"{row['source']}/{row['shop']}"
