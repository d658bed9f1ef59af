"""Carts: how many were left and came back, what they were worth, and the newest ones."""

from datetime import date, timedelta
from typing import Any

from hookline.dashboard.database import Page, Query
from hookline.dashboard.filters import Filters

NEWEST = 25
MAX_SHOPS = 200
OUTSIDE = ("reported", "merged", "empty", "earlier")
"""Why a cart that was left is not in the funnel."""

_RATES = f"""
    SELECT grouping(day) AS no_day, grouping(source) AS no_shop, day, source, shop,
           sum(carts)::bigint AS carts, sum(abandoned)::bigint AS abandoned,
           coalesce(sum(recovered), 0)::bigint AS recovered,
           coalesce(sum(abandoned) FILTER (WHERE recovered IS NOT NULL), 0)::bigint AS traceable,
           bool_or(is_provisional) AS is_provisional
      FROM daily_cart_rates
     WHERE day > current_date - %(days)s
       AND (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     GROUP BY GROUPING SETS ((), (day), (source, shop))
     ORDER BY no_day, no_shop, carts DESC LIMIT {MAX_SHOPS + 400}
"""  # noqa: S608 - our own numbers
# The same carts as in the view: one that an order closed was never merged into another.
_VOIDED = f"""
    SELECT grouping(source) AS no_shop, source, shop,
           (first_seen_at AT TIME ZONE timezone)::date AS day, count(*) AS voided
      FROM cart_generations
     WHERE detection = 'TIMER' AND NOT is_test AND item_count >= 1 AND abandon_count >= 1
       AND status = 'RECOVERED' AND order_standing NOT IN ('COUNTED', 'PENDING')
       AND (first_seen_at AT TIME ZONE timezone)::date > current_date - %(days)s
       AND (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
     GROUP BY GROUPING SETS ((source, shop), ((first_seen_at AT TIME ZONE timezone)::date))
     ORDER BY voided DESC LIMIT {MAX_SHOPS + 400}
"""  # noqa: S608 - our own numbers
_FILTERED = """
    NOT is_test AND abandoned_at > now() - %(days)s * interval '1 day'
    AND (%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))
"""
_BACK = "status = 'RECOVERED' AND order_standing IN ('COUNTED', 'PENDING')"
_VOID = "status = 'RECOVERED' AND order_standing NOT IN ('COUNTED', 'PENDING')"
_MONEY = f"""
    SELECT coalesce(currency, '') AS currency, count(*) AS carts,
           count(*) FILTER (WHERE status = 'ABANDONED') AS open,
           sum(cart_value) FILTER (WHERE status = 'ABANDONED') AS at_stake,
           count(*) FILTER (WHERE status = 'ABANDONED' AND cart_value IS NULL) AS open_unknown,
           count(*) FILTER (WHERE {_BACK}) AS back,
           sum(recovered_value) FILTER (WHERE {_BACK}) AS brought_back,
           count(*) FILTER (WHERE {_VOID}) AS voided,
           count(*) FILTER (WHERE status = 'EXPIRED') AS expired,
           sum(cart_value) FILTER (WHERE status = 'EXPIRED') AS gone
      FROM abandoned_carts WHERE {_FILTERED}
     GROUP BY 1 ORDER BY carts DESC, 1 LIMIT 20
"""  # noqa: S608 - our own names
# Each cart that was left in the period is in one class; the funnel counts those of ''.
_CLASSES = f"""
    SELECT CASE WHEN detection = 'PLATFORM' THEN 'reported'
                WHEN merged.cart_key IS NOT NULL THEN 'merged'
                WHEN coalesce(item_count, 0) < 1 THEN 'empty'
                WHEN (first_seen_at AT TIME ZONE zoned.timezone)::date > current_date - %(days)s
                THEN '' ELSE 'earlier' END AS class,
           count(*) AS carts, count(*) FILTER (WHERE {_BACK}) AS back
      FROM abandoned_carts
      LEFT JOIN merged_carts merged USING (cart_key, generation)
      LEFT JOIN (SELECT cart_key, generation, timezone FROM cart_generations) zoned
           USING (cart_key, generation)
     WHERE {_FILTERED} GROUP BY class
"""  # noqa: S608 - our own names
STEPS = (
    ("within 15 minutes", 900), ("up to an hour", 3600), ("up to 6 hours", 21_600),
    ("up to a day", 86_400), ("up to 3 days", 259_200), ("up to a week", 604_800), ("later", None),
)  # fmt: skip
"""Steps of the time to recover: label, and the seconds at which it ends."""
_RECOVERY = f"""
    SELECT width_bucket(extract(epoch FROM time_to_recover)::float8, %(edges)s::float8[]) AS step,
           count(*) AS carts
      FROM abandoned_carts
     WHERE {_FILTERED} AND {_BACK} AND time_to_recover IS NOT NULL
     GROUP BY step ORDER BY step
"""  # noqa: S608 - our own names
_MEDIAN = f"""
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY time_to_recover) AS median,
           count(time_to_recover) AS carts
      FROM abandoned_carts WHERE {_FILTERED} AND {_BACK}
"""  # noqa: S608 - our own names
_LIST = f"""
    SELECT source, shop, cart_key, generation, native_cart_id, status,
           {_VOID} AS is_voided, detection, abandoned_at, item_count, cart_value, currency,
           time_to_recover, recovered_value, split_part(order_key, ':', 2) AS order_id
      FROM abandoned_carts
     WHERE {_FILTERED}
       AND (%(status)s = '' OR CASE WHEN %(status)s = 'VOIDED' THEN {_VOID}
            WHEN %(status)s = 'RECOVERED' THEN {_BACK} ELSE status = %(status)s END)
       AND (%(before)s::timestamptz IS NULL
            OR (abandoned_at, cart_key) < (%(before)s::timestamptz, %(before_key)s))
     ORDER BY abandoned_at DESC, cart_key DESC LIMIT {NEWEST + 1}
"""  # noqa: S608 - our own names
_SHOPS = f"""
    SELECT DISTINCT source || '/' || shop AS shop FROM shops ORDER BY shop LIMIT {MAX_SHOPS}
"""  # noqa: S608 - our own numbers
_KNOWN = "SELECT 1 FROM shops WHERE (source, shop) = (%(source)s, %(shop)s)"


def is_known(query: Query, filters: Filters) -> bool:
    """Return whether the tables have a delivery of the chosen shop; True where none is chosen."""
    return not filters.shop or bool(
        query(_KNOWN, {"source": filters.source, "shop": filters.shop_id}).rows
    )


def shop_names(query: Query) -> list[str]:
    """Return the shops that a page can be filtered by."""
    return [shop for (shop,) in query(_SHOPS).rows]


def view(query: Query, filters: Filters) -> Page:
    """Return the funnel, the money, the time to recover and the newest abandoned carts."""
    parameters = {
        "source": filters.source,
        "shop": filters.shop_id,
        "days": filters.days,
        "status": filters.status,
        "before": filters.before or None,
        "before_key": filters.before_key,
        "edges": [seconds for _, seconds in STEPS if seconds is not None],
    }
    [(at, today)] = query("SELECT now(), current_date").rows
    rates = query(_RATES, parameters).as_dicts()
    voided = query(_VOIDED, parameters).as_dicts()
    return {
        "at": at,
        "shops": shop_names(query),
        "shop_is_known": is_known(query, filters),
        "funnel": _funnel(rates, voided),
        "days": _days(rates, voided, today, filters.days),
        "by_shop": _by_shop(rates, voided),
        "money": query(_MONEY, parameters).as_dicts(),
        "left": _left(query(_CLASSES, parameters).as_dicts()),
        "recovery": _recovery(query, parameters),
        **_newest(query(_LIST, parameters).as_dicts()),
    }


def _funnel(rates: list[dict[str, Any]], voided: list[dict[str, Any]]) -> dict[str, Any]:
    [total] = [row for row in rates if row["no_day"] and row["no_shop"]] or [{}]
    counts = {name: total.get(name) or 0 for name in ("carts", "abandoned", "recovered")}
    counts["voided"] = sum(row["voided"] for row in voided if not row["no_shop"])
    traceable = total.get("traceable") or 0
    return {
        **counts,
        "abandonment_rate": _share(counts["abandoned"], counts["carts"]),
        "recovery_rate": _share(counts["recovered"], traceable),
        "untraceable": counts["abandoned"] - traceable,
        "is_provisional": bool(total.get("is_provisional")),
    }


def _left(classes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many carts were left in the period and came back, and those outside the funnel.

    ``outside``: ``reported`` by a platform that reports no other carts, ``merged`` into another at
    a login, ``empty``, or first seen ``earlier``.
    """
    found = {row["class"]: row for row in classes}
    outside = {name: found[name] for name in OUTSIDE if name in found}
    return {
        "carts": sum(row["carts"] for row in classes),
        "back": sum(row["back"] for row in classes),
        "in_funnel": found.get("", {}).get("carts", 0),
        "back_in_funnel": found.get("", {}).get("back", 0),
        "outside": {
            name: {"carts": row["carts"], "back": row["back"]} for name, row in outside.items()
        },
    }


def _days(
    rates: list[dict[str, Any]], voided: list[dict[str, Any]], today: date, length: int
) -> list[dict[str, Any]]:
    """Every day of the period, oldest first."""
    of_day = {row["day"]: row for row in rates if not row["no_day"]}
    void = {row["day"]: row["voided"] for row in voided if row["no_shop"]}
    # A shop's today can be a day ahead of the server's.
    last = max([today, *of_day])
    days = []
    for back in reversed(range(length)):
        day = last - timedelta(days=back)
        row = of_day.get(day, {})
        counts = {name: row.get(name, 0) for name in ("carts", "abandoned", "recovered")}
        days.append({"day": day, **counts, "voided": void.get(day, 0)})
    return days


def _by_shop(rates: list[dict[str, Any]], voided: list[dict[str, Any]]) -> list[dict[str, Any]]:
    void = {(row["source"], row["shop"]): row["voided"] for row in voided if not row["no_shop"]}
    return [
        {
            "shop": f"{row['source']}/{row['shop']}",
            "carts": row["carts"],
            "abandoned": row["abandoned"],
            # Nobody knows what came back where orders name no cart: not 0.
            "recovered": row["recovered"] if row["traceable"] or not row["abandoned"] else None,
            "voided": void.get((row["source"], row["shop"]), 0),
            "abandonment_rate": _share(row["abandoned"], row["carts"]),
            "recovery_rate": _share(row["recovered"], row["traceable"]),
        }
        for row in rates
        if not row["no_shop"]
    ]


def _recovery(query: Query, parameters: dict[str, Any]) -> dict[str, Any]:
    counts = dict(query(_RECOVERY, parameters).rows)
    [(median, carts)] = query(_MEDIAN, parameters).rows
    steps = [
        {"label": label, "carts": counts.get(number, 0)} for number, (label, _) in enumerate(STEPS)
    ]
    return {"steps": steps, "median": median, "carts": carts}


def _newest(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one page of rows, and the last one if there are more behind it."""
    shown = [
        {
            "shop": f"{row['source']}/{row['shop']}",
            "status": "VOIDED" if row.pop("is_voided") else row["status"],
            **{name: value for name, value in row.items() if name not in _NOT_SHOWN},
        }
        for row in rows[:NEWEST]
    ]
    after = shown[-1] if len(rows) > NEWEST else None
    return {
        "carts": shown,
        "older": after and {"before": after["abandoned_at"], "before_key": after["cart_key"]},
    }


_NOT_SHOWN = ("source", "shop", "status")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
