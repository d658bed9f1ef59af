"""Customers: whether they come back, what they are worth, and what is expected of them."""

import math
from typing import Any

from hookline.dashboard.database import Page, Query
from hookline.dashboard.filters import Filters
from hookline.dashboard.pages.carts import is_known, shop_names

COHORTS = 12
TOP = 20
BARS = 12

_FILTERED = "(%(source)s = '' OR (source, shop) = (%(source)s, %(shop)s))"
_OF_CURRENCY = f"currency = %(currency)s AND {_FILTERED}"
_CURRENCIES = f"""
    SELECT currency, count(*) AS customers
      FROM customer_lifetime_value WHERE {_FILTERED} AND currency <> ''
     GROUP BY currency ORDER BY customers DESC, currency LIMIT 20
"""  # noqa: S608 - our own names
_SUMMARY = f"""
    SELECT count(*) AS customers, count(net) AS with_net, sum(net) AS net,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY net) AS median_net,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY net) AS high_net,
           sum(orders_count)::bigint AS orders, sum(net) / nullif(sum(orders_count)
               FILTER (WHERE net IS NOT NULL), 0) AS avg_order_value,
           count(*) FILTER (WHERE orders_count > 0) AS buyers,
           count(*) FILTER (WHERE frequency >= 1) AS repeat_buyers,
           count(*) FILTER (WHERE frequency IS NOT NULL) AS with_frequency,
           count(*) FILTER (WHERE net IS NULL AND orders_count > 0) AS without_net
      FROM customer_lifetime_value WHERE {_OF_CURRENCY}
"""  # noqa: S608 - our own names
_DISTRIBUTION = f"""
    SELECT width_bucket(net, %(edges)s::numeric[]) AS bar, count(*) AS customers, sum(net) AS net
      FROM customer_lifetime_value WHERE {_OF_CURRENCY} AND net IS NOT NULL
     GROUP BY bar ORDER BY bar
"""  # noqa: S608 - our own names
_COHORTS = f"""
    SELECT cohort_month, months_since, sum(customers)::bigint AS customers,
           sum(active_customers)::bigint AS buyers, sum(cumulative_net) AS net,
           bool_or(cumulative_net IS NULL) AS is_net_unknown,
           bool_or(is_provisional) AS is_provisional
      FROM cohort_value
     WHERE {_OF_CURRENCY} AND months_since < {COHORTS}
       AND cohort_month > date_trunc('month', now()) - interval '{COHORTS} months'
     GROUP BY cohort_month, months_since ORDER BY cohort_month, months_since
     LIMIT {COHORTS * COHORTS * 2}
"""  # noqa: S608 - our own names
_TOP = f"""
    SELECT source || '/' || shop AS shop, split_part(customer_key, '/', 3) AS customer,
           orders_count, net, avg_order_value, last_order_at, history_complete,
           probability_alive, expected_value_365d
      FROM customer_lifetime_value WHERE {_OF_CURRENCY} AND net IS NOT NULL
     ORDER BY net DESC, customer_key LIMIT {TOP}
"""  # noqa: S608 - our own names
_SEGMENTS = f"""
    SELECT segment, count(*) AS customers, sum(net) AS net
      FROM rfm_segments WHERE {_OF_CURRENCY}
     GROUP BY segment ORDER BY customers DESC, segment LIMIT 20
"""  # noqa: S608 - our own names
_PREDICTED = f"""
    SELECT source, shop, predicted_at, as_of, customers, repeat_customers, predicted, reason,
           value_reason
      FROM prediction_runs WHERE {_OF_CURRENCY} ORDER BY predicted DESC, source, shop LIMIT 100
"""  # noqa: S608 - our own names
_EXPECTED = f"""
    SELECT source, shop, sum(expected_purchases_90d) AS purchases,
           sum(expected_value_90d) AS value, avg(probability_alive) AS alive
      FROM customer_lifetime_value
     WHERE {_OF_CURRENCY} AND probability_alive IS NOT NULL
     GROUP BY source, shop LIMIT 100
"""  # noqa: S608 - our own names
# Observed of the same customers, in the 90 days before the prediction, in the days of each shop.
_OBSERVED = """
    SELECT o.source, o.shop, sum(o.net) AS value,
           count(DISTINCT (o.customer_key, (o.placed_at AT TIME ZONE o.timezone)::date))
               AS purchases
      FROM orders o
      JOIN prediction_runs p USING (source, shop, currency)
      JOIN customer_lifetime_value v ON v.customer_key = o.customer_key AND v.currency = o.currency
     WHERE o.currency = %(currency)s AND o.standing = 'COUNTED' AND NOT o.is_renewal
       AND v.probability_alive IS NOT NULL
       AND o.placed_at <= p.as_of AND o.placed_at > p.as_of - interval '90 days'
       AND (%(source)s = '' OR (o.source, o.shop) = (%(source)s, %(shop)s))
     GROUP BY o.source, o.shop LIMIT 100
"""
_COVERAGE = f"""
    SELECT * FROM coverage WHERE {_FILTERED}
     ORDER BY dead_letters_open DESC, source, shop LIMIT 200
"""  # noqa: S608 - our own names


def view(query: Query, filters: Filters) -> Page:
    """Return cohorts, distribution, top, prediction and coverage in one currency.

    Without a currency in ``filters``, that of most customers.
    """
    parameters: dict[str, Any] = {"source": filters.source, "shop": filters.shop_id}
    [(at,)] = query("SELECT now()").rows
    currencies = query(_CURRENCIES, parameters).as_dicts()
    currency = filters.currency or (currencies[0]["currency"] if currencies else "")
    parameters["currency"] = currency
    [summary] = query(_SUMMARY, parameters).as_dicts()
    return {
        "at": at,
        "shops": shop_names(query),
        "shop_is_known": is_known(query, filters),
        "currencies": currencies,
        "currency": currency,
        "summary": summary,
        "distribution": _distribution(query, parameters, summary["high_net"]),
        "cohorts": cohorts(query(_COHORTS, parameters).as_dicts()),
        "segments": query(_SEGMENTS, parameters).as_dicts(),
        "top": query(_TOP, parameters).as_dicts(),
        "predictions": _predictions(query, parameters),
        "coverage": [
            {**row, "shop": f"{row['source']}/{row['shop']}"}
            for row in query(_COVERAGE, parameters).as_dicts()
        ],
    }


def edges_of(high: float | None) -> list[int]:
    """Return the ends of the bars, from 0 to at least ``high``, in steps of 1, 2 or 5 and zeros."""
    least = max(float(high or 0), 1.0) / BARS
    size = 10 ** math.floor(math.log10(least))
    step = next(size * each for each in (1, 2, 5, 10) if size * each >= least)
    step = max(1, math.ceil(step))
    return [step * number for number in range(BARS + 1)]


def _distribution(
    query: Query, parameters: dict[str, Any], high: float | None
) -> list[dict[str, Any]]:
    """One entry for each bar; ``low`` None: everything below, ``high`` None: everything above."""
    edges = edges_of(high)
    found = query(_DISTRIBUTION, {**parameters, "edges": edges}).as_dicts()
    of_bar = {row["bar"]: row for row in found}
    bars = []
    for number, (low, above) in enumerate(zip([None, *edges], [*edges, None], strict=True)):
        row = of_bar.get(number, {})
        bars.append({"low": low, "high": above, "customers": row.get("customers", 0),
                     "net": row.get("net", 0)})  # fmt: skip
    # From the first to the last with a customer, 0 in any case.
    filled = [number for number, bar in enumerate(bars) if bar["customers"]] or [1]
    return bars[min(filled[0], 1) : filled[-1] + 1]


def cohorts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each month of first order, with a cell for each month since."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        cohort = found.setdefault(
            row["cohort_month"], {"month": row["cohort_month"], "customers": 0, "cells": []}
        )
        customers = row["customers"]
        # A shop whose month has begun earlier has one cell more: the first has all customers.
        cohort["customers"] = max(cohort["customers"], customers)
        is_known = customers and not row["is_net_unknown"]
        cohort["cells"].append(
            {
                "months_since": row["months_since"],
                "customers": customers,
                "buyers": row["buyers"],
                "share": row["buyers"] / customers if customers else None,
                "value": row["net"] / customers if is_known else None,
                "is_provisional": row["is_provisional"],
            }
        )
    return list(found.values())


def _predictions(query: Query, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each shop what is expected of 90 days beside what the 90 days before brought."""
    expected = _of_shops(query(_EXPECTED, parameters).as_dicts())
    observed = _of_shops(query(_OBSERVED, parameters).as_dicts())
    found = []
    for run in query(_PREDICTED, parameters).as_dicts():
        shop = f"{run.pop('source')}/{run.pop('shop')}"
        then, before = expected.get(shop, {}), observed.get(shop, {})
        found.append(
            {
                "shop": shop,
                **run,
                "alive": then.get("alive"),
                "expected_purchases": then.get("purchases"),
                "expected_value": then.get("value"),
                "observed_purchases": before.get("purchases"),
                "observed_value": before.get("value"),
            }
        )
    return found


def _of_shops(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{row['source']}/{row['shop']}": row for row in rows}
