"""Recompute ``customer_lifetime_value`` for the customers that a transaction touched.

Set-based SQL over ``orders``; must equal its reference, ``customer_rows`` in tests/lifetime.
"""

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

from schemas.platforms import naming_cart_customers, providing
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS
from sinks.lifetime.refunds import PROVIDES_REFUNDS
from sinks.lifetime.reported_totals import COUNTS_NO_ORDERS


def _sql_list(platforms: frozenset[str]) -> str:
    return "(" + ", ".join(f"'{name}'" for name in sorted(platforms)) + ")"


_WITH_REFUNDS = _sql_list(PROVIDES_REFUNDS)
_FROM_PAYMENTS = _sql_list(REFUNDS_FROM_PAYMENTS)
_COUNTING_NO_ORDERS = _sql_list(COUNTS_NO_ORDERS)
_WITH_CUSTOMERS_OF_CARTS = _sql_list(naming_cart_customers())
_WITH_SUBSCRIPTIONS = _sql_list(providing("subscriptions"))

_COLUMNS = (
    "customer_key", "currency", "source", "shop", "person_key", "first_order_at",
    "last_order_at", "orders_count", "gross", "discounts", "taxes", "shipping",
    "gift_cards_sold", "refunded", "net", "avg_order_value", "pending_revenue",
    "cancelled_count", "subscription_revenue", "renewal_revenue", "active_subscriptions",
    "abandoned_carts_count", "reported_revenue", "reported_orders", "reported_refunded",
    "reported_delta", "net_less_reported_refunds", "refunds_observable", "history_complete",
    "cohort_month", "frequency", "recency", "t", "monetary", "as_of",
    "ineligible_reason", "source_event_id", "raw_partition", "raw_offset",
)  # fmt: skip

_RECOMPUTE = f"""
    WITH today AS (
        SELECT (SELECT date_trunc('day', at, 'UTC') FROM watermark) AS as_of
    ), facts AS MATERIALIZED (
        SELECT c.customer_key, c.source, c.shop, c.person_key, c.timezone, c.shop_currency,
            c.created_at, c.source_event_id, c.raw_partition, c.raw_offset,
            least(s.first_received_at, s.history_from) AS whole_since,
            CASE WHEN c.source IN {_WITH_SUBSCRIPTIONS} THEN (
                SELECT count(*) FROM subscriptions u WHERE u.customer_key = c.customer_key
                AND u.status = 'ACTIVE' AND NOT u.is_deleted AND NOT u.is_test
            ) END AS active_subscriptions,
            CASE WHEN c.source IN {_WITH_CUSTOMERS_OF_CARTS} THEN (
                SELECT count(*) FROM abandoned_carts a WHERE a.customer_key = c.customer_key
                AND NOT a.is_test
            ) END AS abandoned_carts_count
        FROM customers c JOIN shops s USING (source, shop) WHERE c.customer_key = ANY(%(keys)b)
    ), sales AS MATERIALIZED (
        SELECT o.customer_key, o.currency, o.order_key, o.placed_at, o.standing, o.is_renewal,
            o.subscription_key IS NOT NULL AS is_subscribed,
            o.gross, o.discounts, o.taxes, o.shipping, o.gift_cards_sold, o.refunded, o.net,
            o.pending, o.counted_total, o.refunds_observable,
            CASE WHEN o.net IS NULL THEN o.reason END AS reason,
            o.standing = 'COUNTED' AS counted, (o.placed_at AT TIME ZONE f.timezone)::date AS day
        FROM orders o JOIN facts f USING (customer_key)
        WHERE o.customer_key = ANY(%(keys)b)
            AND o.standing IN ('COUNTED', 'PENDING', 'CANCELLED')
    ), seen AS (
        SELECT customer_key, count(*) AS orders FROM sales GROUP BY customer_key
    ), reported AS MATERIALIZED (
        SELECT * FROM reported_totals WHERE customer_key = ANY(%(keys)b)
    ), claimed AS (
        SELECT DISTINCT ON (customer_key) customer_key, orders_count
        FROM reported JOIN facts USING (customer_key)
        WHERE orders_count IS NOT NULL AND facts.source NOT IN {_COUNTING_NO_ORDERS}
        ORDER BY customer_key, orders_version DESC, reported.source_event_id DESC
    ), sums AS (
        SELECT customer_key, currency,
            min(placed_at) FILTER (WHERE counted) AS first_order_at,
            max(placed_at) FILTER (WHERE counted) AS last_order_at,
            min(day) FILTER (WHERE counted) AS first_day,
            count(*) FILTER (WHERE counted) AS orders_count,
            sum(gross) FILTER (WHERE counted) AS gross,
            sum(discounts) AS discounts, sum(taxes) AS taxes, sum(shipping) AS shipping,
            sum(gift_cards_sold) AS gift_cards_sold, sum(refunded) AS refunded,
            sum(net) FILTER (WHERE counted) AS net,
            coalesce(sum(pending), 0) AS pending_revenue,
            count(*) FILTER (WHERE standing = 'CANCELLED') AS cancelled_count,
            sum(net) FILTER (WHERE counted AND is_subscribed) AS subscription_revenue,
            sum(net) FILTER (WHERE counted AND is_renewal) AS renewal_revenue,
            coalesce(sum(counted_total), 0) AS totals,
            coalesce(bool_and(net IS NOT NULL) FILTER (WHERE counted), true) AS net_known,
            coalesce(bool_and(counted_total IS NOT NULL) FILTER (WHERE counted), true)
                AS totals_known,
            bool_and(refunds_observable) FILTER (WHERE counted) AS refunds_observable,
            (array_agg(reason ORDER BY placed_at, order_key)
                FILTER (WHERE counted AND reason IS NOT NULL))[1] AS reason
        FROM sales WHERE currency IS NOT NULL GROUP BY customer_key, currency
    ), returned AS (
        SELECT customer_key, currency, sum(coalesce(goodwill, 0) + coalesce(goods, 0)) AS money
        FROM refunds WHERE customer_key = ANY(%(keys)b) AND is_counted
            AND source IN {_FROM_PAYMENTS}
        GROUP BY customer_key, currency
    ), days AS (
        SELECT customer_key, currency, day, coalesce(sum(net), 0) AS net,
            min(day) OVER (PARTITION BY customer_key, currency) AS first
        FROM sales WHERE counted AND NOT is_renewal AND currency IS NOT NULL
        GROUP BY customer_key, currency, day
    ), rfm AS (
        SELECT customer_key, currency, min(first) AS first, max(day) AS last,
            count(*) - 1 AS frequency,
            max(day) - min(day) AS recency,
            half_even(
                (sum(net) FILTER (WHERE day > first AND net > 0))::numeric(38,12)
                / nullif(count(*) FILTER (WHERE day > first AND net > 0), 0)
            ) AS monetary
        FROM days GROUP BY customer_key, currency
    ), keys AS MATERIALIZED (
        SELECT customer_key, currency, currency = coalesce(
            max(currency) FILTER (WHERE currency = shop_currency) OVER theirs,
            min(currency) OVER theirs
        ) AS is_home
        FROM (
            SELECT customer_key, currency FROM sums
            UNION SELECT customer_key, currency FROM reported WHERE currency <> ''
        ) found JOIN facts USING (customer_key)
        WINDOW theirs AS (PARTITION BY customer_key)
    ), fresh AS (
        SELECT k.customer_key, k.currency, f.source, f.shop, f.person_key, s.first_order_at,
            s.last_order_at, coalesce(s.orders_count, 0) AS orders_count,
            CASE WHEN known.net THEN coalesce(s.gross, 0) ELSE s.gross END AS gross,
            s.discounts, s.taxes, s.shipping, s.gift_cards_sold, s.refunded,
            CASE WHEN known.net THEN coalesce(s.net, 0) ELSE s.net END AS net,
            CASE WHEN known.net THEN
                half_even(s.net::numeric(38,12) / nullif(s.orders_count, 0))
            END AS avg_order_value,
            coalesce(s.pending_revenue, 0) AS pending_revenue,
            coalesce(s.cancelled_count, 0) AS cancelled_count, s.subscription_revenue,
            s.renewal_revenue,
            CASE WHEN k.is_home THEN f.active_subscriptions END AS active_subscriptions,
            CASE WHEN k.is_home THEN f.abandoned_carts_count END AS abandoned_carts_count,
            r.revenue AS reported_revenue,
            CASE WHEN f.source NOT IN {_COUNTING_NO_ORDERS} THEN r.orders_count END
                AS reported_orders,
            r.refunded AS reported_refunded,
            CASE WHEN coalesce(s.totals_known, true) THEN r.revenue - coalesce(s.totals, 0) END
                AS reported_delta,
            CASE WHEN known.net AND r.refunded IS NOT NULL AND f.source IN {_FROM_PAYMENTS} THEN
                coalesce(s.net, 0) - greatest(r.refunded - coalesce(b.money, 0), 0)
            END AS net_less_reported_refunds,
            coalesce(s.refunds_observable, f.source IN {_WITH_REFUNDS}) AS refunds_observable,
            whole.history_complete,
            date_trunc('month', s.first_day::timestamp)::date AS cohort_month,
            m.frequency, m.recency,
            CASE WHEN today.as_of IS NOT NULL THEN
                greatest((today.as_of AT TIME ZONE f.timezone)::date, m.last) - m.first
            END AS t,
            m.monetary, today.as_of,
            CASE WHEN m.first IS NULL AND s.orders_count > 0 THEN 'only-renewals'
                WHEN m.first IS NULL THEN 'no-counted-order'
                WHEN s.reason IS NOT NULL THEN s.reason
                WHEN whole.history_complete IS NOT TRUE THEN 'history-incomplete'
            END AS ineligible_reason,
            f.source_event_id, f.raw_partition, f.raw_offset
        FROM keys k JOIN facts f USING (customer_key) CROSS JOIN today
        LEFT JOIN sums s USING (customer_key, currency)
        LEFT JOIN rfm m USING (customer_key, currency)
        LEFT JOIN reported r USING (customer_key, currency)
        LEFT JOIN returned b USING (customer_key, currency)
        LEFT JOIN seen USING (customer_key)
        LEFT JOIN claimed USING (customer_key)
        CROSS JOIN LATERAL (SELECT coalesce(s.net_known, true) AS net) known
        CROSS JOIN LATERAL (
            SELECT CASE WHEN claimed.orders_count > coalesce(seen.orders, 0) THEN false
                ELSE f.created_at >= f.whole_since END AS history_complete
        ) whole
    ), gone AS (
        DELETE FROM customer_lifetime_value c WHERE c.customer_key = ANY(%(keys)b)
            AND NOT EXISTS (
                SELECT FROM keys k
                WHERE k.customer_key = c.customer_key AND k.currency = c.currency
            )
    )
    INSERT INTO customer_lifetime_value ({", ".join(_COLUMNS)})
    SELECT {", ".join(_COLUMNS)} FROM fresh
    ON CONFLICT (customer_key, currency) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])}
"""  # noqa: S608 - only names of this module are put in
_AT_ONCE = 20_000
"""Customers of one statement: all of a shop change when its history has been imported."""
_NESTED_LOOPS = "SELECT set_config('enable_nestloop', %s, true)"


async def recompute(connection: AsyncConnection[Any], customers: Iterable[str]) -> None:
    """Recompute the rows of ``customers`` from the working tables, under locks already taken."""
    keys = sorted(customers)
    if keys:
        # The planner estimates one row for every CTE above and would join them by nested loops,
        # at a cost that grows with the square of the batch.
        await connection.execute(_NESTED_LOOPS, ["off"])
        for first in range(0, len(keys), _AT_ONCE):
            await connection.execute(_RECOMPUTE, {"keys": keys[first : first + _AT_ONCE]})
        await connection.execute(_NESTED_LOOPS, ["on"])
