"""The shops: when they last sent, what came of it, what failed, and the URL to paste."""

from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hookline.dashboard.database import Page, Query
from hookline.dashboard.filters import Filters
from hookline.shops import webhook_urls
from hookline.tables.queries import ENTITIES
from schemas.shops import Shop, ShopsError, load

SPARK_DAYS = 14
MAX_SHOPS = 500

_EVENTS = " UNION ALL ".join(
    f"SELECT '{table}' AS kind, source, shop, appended_at FROM {table}"  # noqa: S608 - our own names
    for table in ENTITIES
)
_ARRIVED = f"""
    SELECT source, shop, kind, max(appended_at) AS newest, count(*) AS rows,
           count(*) FILTER (WHERE appended_at > now() - interval '1 hour') AS hour,
           count(*) FILTER (WHERE appended_at > now() - interval '1 day') AS day
      FROM ({_EVENTS}) events
     WHERE (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     GROUP BY source, shop, kind ORDER BY source, shop, kind LIMIT {MAX_SHOPS * len(ENTITIES)}
"""  # noqa: S608 - our own names
_COVERAGE = f"""
    SELECT * FROM coverage
     WHERE (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     ORDER BY source, shop LIMIT {MAX_SHOPS}
"""  # noqa: S608 - our own names
_FAILURES = """
    SELECT source, shop, reason, kind, sum(open)::bigint AS open, sum(settled)::bigint AS settled,
           max(last_received_at) AS last_at
      FROM dead_letters_by_day
     WHERE (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     GROUP BY source, shop, reason, kind ORDER BY open DESC, last_at DESC LIMIT 2000
"""
_ORDERS = f"""
    SELECT source, shop, (placed_at AT TIME ZONE timezone)::date AS day, count(*) AS orders
      FROM orders
     WHERE standing = 'COUNTED' AND placed_at > now() - interval '{SPARK_DAYS} days'
       AND (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     GROUP BY source, shop, day ORDER BY source, shop, day LIMIT 10000
"""  # noqa: S608 - our own names
_RATES = """
    SELECT source, shop, sum(carts)::bigint AS carts, sum(abandoned)::bigint AS abandoned,
           sum(recovered)::bigint AS recovered
      FROM daily_cart_rates
     WHERE day > current_date - 30
       AND (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     GROUP BY source, shop ORDER BY source, shop LIMIT 1000
"""
_TODAY = "SELECT now() AS at, current_date AS today"


def configured(path: Path) -> tuple[list[Shop], str | None]:
    """Return the shops of the file, or none and why it cannot be read here."""
    try:
        return list(load(path, needs_secrets=False).values()), None
    except ShopsError as error:
        return [], str(error)


def view(
    query: Query, filters: Filters, shops: Collection[Shop], ingress_url: str, note: str | None
) -> Page:
    """Return the list of shops: those of the tables and those of the file.

    ``note``: why the file is not known. With ``filters.shop`` that shop alone.
    """
    parameters = {"source": filters.source, "shop": filters.shop_id}
    [now] = query(_TODAY).as_dicts()
    found: dict[str, dict[str, Any]] = {}
    for shop in shops:
        name = f"{shop.source}/{shop.id}"
        if filters.shop in ("", name):
            found[name] = {**_empty(name), **_settings(shop, ingress_url)}
    for row in query(_COVERAGE, parameters).as_dicts():
        name = f"{row.pop('source')}/{row.pop('shop')}"
        found.setdefault(name, _empty(name)).update(row)
    for row in query(_ARRIVED, parameters).as_dicts():
        _add_arrived(found.setdefault(_name(row), _empty(_name(row))), row)
    for row in query(_FAILURES, parameters).as_dicts():
        _add_failure(found.setdefault(_name(row), _empty(_name(row))), row)
    for row in query(_RATES, parameters).as_dicts():
        found.setdefault(_name(row), _empty(_name(row)))["rates"] = _rates(row)
    days: dict[str, dict[date, int]] = {}
    for row in query(_ORDERS, parameters).as_dicts():
        days.setdefault(_name(row), {})[row["day"]] = row["orders"]
    for name, shop_page in found.items():
        shop_page["orders_by_day"] = _series(days.get(name, {}), now["today"])
        shop_page["state"] = _state(shop_page)
    return {
        "at": now["at"],
        "shops": sorted(found.values(), key=_rank),
        "note": note,
        "spark_days": SPARK_DAYS,
    }


def _empty(name: str) -> dict[str, Any]:
    """A shop of which nothing is known."""
    return {
        "shop": name, "url": None, "instructions": [], "proof": None, "settings": {},
        "is_configured": False, "is_test": False, "last_delivery": None, "hour": 0, "day": 0,
        "arrived": [], "failures": [], "rates": None, "dead_letters_open": 0,
        "dead_letters_settled": 0, "orders": 0, "carts": 0, "orders_of_unknown_status": 0,
        "orders_without_customer": 0, "orders_without_net": 0, "rounded_amounts": 0,
        "first_received_at": None, "no_recovery_reason": None,
    }  # fmt: skip


def _settings(shop: Shop, ingress_url: str) -> dict[str, Any]:
    return {
        "url": webhook_urls.url(ingress_url or webhook_urls.BASE, shop),
        "instructions": webhook_urls.instructions(shop),
        "proof": shop.proof,
        "is_configured": True,
        "is_test": shop.is_test,
        "settings": {
            "currency": shop.currency,
            "timezone": shop.timezone,
            "abandon_after": timedelta(seconds=shop.abandon_after),
            "expire_after": timedelta(seconds=shop.expire_after),
        },
    }


def _add_arrived(shop: dict[str, Any], row: dict[str, Any]) -> None:
    shop["arrived"].append({name: row[name] for name in ("kind", "newest", "rows", "hour", "day")})
    shop["hour"] += row["hour"]
    shop["day"] += row["day"]
    _delivered(shop, row["newest"])


def _add_failure(shop: dict[str, Any], row: dict[str, Any]) -> None:
    names = ("reason", "kind", "open", "settled", "last_at")
    shop["failures"].append({name: row[name] for name in names})
    _delivered(shop, row["last_at"])


def _delivered(shop: dict[str, Any], at: Any) -> None:
    if at is not None and (shop["last_delivery"] is None or at > shop["last_delivery"]):
        shop["last_delivery"] = at


def _rates(row: dict[str, Any]) -> dict[str, Any]:
    carts, abandoned, recovered = row["carts"], row["abandoned"], row["recovered"]
    return {
        "carts": carts,
        "abandoned": abandoned,
        "recovered": recovered,
        "abandonment_rate": abandoned / carts if carts else None,
        "recovery_rate": recovered / abandoned if abandoned and recovered is not None else None,
    }


def _series(counts: dict[date, int], today: date) -> list[dict[str, Any]]:
    """One entry for each of the last days, those without an order too."""
    days = [today - timedelta(days=back) for back in reversed(range(SPARK_DAYS))]
    return [{"day": day, "orders": counts.get(day, 0)} for day in days]


def _state(shop: dict[str, Any]) -> str:
    """Return ``failing``, ``waiting`` (nothing came yet), ``quiet`` (for a day) or ``ok``."""
    if shop["dead_letters_open"]:
        return "failing"
    if shop["last_delivery"] is None:
        return "waiting"
    return "ok" if shop["day"] else "quiet"


def _rank(shop: dict[str, Any]) -> tuple[int, str]:
    """What needs somebody comes first."""
    return ("failing", "quiet", "ok", "waiting").index(shop["state"]), shop["shop"]


def _name(row: dict[str, Any]) -> str:
    return f"{row['source']}/{row['shop']}"
