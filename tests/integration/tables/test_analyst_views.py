"""The views for analysts add up to the tables beneath them, whatever shops go through."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from sinks.postgres.migrate import migrate
from tests.histories.everything import WATERMARK, everything
from tests.histories.running import by_topic
from tests.sink_events import Tables

pytestmark = pytest.mark.stack

SUMS = {
    "people, and customers, by currency": (
        """
        SELECT currency, sum(orders_count), sum(gross), sum(discounts), sum(refunded), sum(net),
            sum(pending_revenue), sum(customers)
        FROM people GROUP BY 1 ORDER BY 1
        """,
        """
        SELECT currency, sum(orders_count), sum(gross), sum(discounts), sum(refunded), sum(net),
            sum(pending_revenue), count(*)
        FROM customer_lifetime_value GROUP BY 1 ORDER BY 1
        """,
    ),
    "net of days after refunds of the days, and net of orders": (
        """
        SELECT source, shop, currency, sum(net), sum(net_of_orders), sum(orders)
        FROM shop_days GROUP BY 1, 2, 3 HAVING sum(orders) > 0 ORDER BY 1, 2, 3
        """,
        """
        SELECT source, shop, currency, sum(net), sum(net), count(*)
        FROM orders WHERE standing = 'COUNTED' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
    ),
    "refunds of days, and what orders lost by them": (
        """
        SELECT source, shop, currency, sum(net_effect) FROM refunds_by_day
        GROUP BY 1, 2, 3 HAVING sum(net_effect) <> 0 ORDER BY 1, 2, 3
        """,
        """
        SELECT source, shop, currency, sum(refunded) FROM orders WHERE standing = 'COUNTED'
        GROUP BY 1, 2, 3 HAVING sum(refunded) <> 0 ORDER BY 1, 2, 3
        """,
    ),
    "refunds of the months' orders, and of the orders": (
        """
        SELECT source, shop, currency, sum(net_effect), sum(net) FROM refunds_by_order_month
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        """
        SELECT source, shop, currency, coalesce(sum(refunded), 0), sum(net) FROM orders
        WHERE standing = 'COUNTED' AND refunds_observable GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
    ),
    "all orders with a number, and counted orders": (
        "SELECT source, shop, count(*), sum(net) FROM order_sequence GROUP BY 1, 2 ORDER BY 1, 2",
        """
        SELECT source, shop, count(*), sum(net) FROM orders WHERE standing = 'COUNTED'
        GROUP BY 1, 2 ORDER BY 1, 2
        """,
    ),
    "a customer's highest number, and the orders that are no renewals": (
        """
        SELECT customer_key, max(number) FROM order_sequence WHERE number IS NOT NULL
        GROUP BY 1 ORDER BY 1
        """,
        """
        SELECT customer_key, count(*) FROM orders
        WHERE standing = 'COUNTED' AND NOT is_renewal AND customer_key IS NOT NULL
        GROUP BY 1 ORDER BY 1
        """,
    ),
    "order days, and frequency, of customers of one currency": (
        """
        SELECT customer_key, order_days - 1 FROM order_intervals WHERE customer_key IN (
            SELECT customer_key FROM customer_lifetime_value GROUP BY 1 HAVING count(*) = 1
        ) AND customer_key NOT IN (
            SELECT customer_key FROM orders WHERE currency IS NULL AND customer_key IS NOT NULL
        ) ORDER BY 1
        """,
        """
        SELECT customer_key, frequency FROM customer_lifetime_value WHERE customer_key IN (
            SELECT customer_key FROM customer_lifetime_value GROUP BY 1 HAVING count(*) = 1
        ) AND customer_key NOT IN (
            SELECT customer_key FROM orders WHERE currency IS NULL AND customer_key IS NOT NULL
        ) AND frequency IS NOT NULL ORDER BY 1
        """,
    ),
    "the last month of a cohort, and the sum of its months": (
        """
        SELECT DISTINCT ON (source, shop, currency, cohort_month) source, shop, currency,
            cohort_month, cumulative_net, cumulative_orders
        FROM cohort_value ORDER BY source, shop, currency, cohort_month, months_since DESC
        """,
        """
        SELECT source, shop, currency, cohort_month,
            CASE WHEN bool_and(net IS NOT NULL) THEN sum(net) END, sum(orders)
        FROM monthly_cohorts GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
    ),
}
"""What is compared -> a query of the view, a query of what it must equal."""

_GROSS_OF_PRODUCTS = """
    SELECT source, shop, currency, sum(gross), count(*) FILTER (WHERE orders_without_gross > 0)
    FROM product_sales GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_GROSS_OF_ORDERS = """
    SELECT source, shop, currency, sum(gross) FROM orders o
    WHERE standing = 'COUNTED' AND EXISTS (
        SELECT FROM order_items i WHERE i.order_key = o.order_key AND i.is_gift_card IS NOT TRUE
    ) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@pytest.fixture
async def filled(stack: Any) -> AsyncIterator[Tables]:
    """A thousand events of all platforms: edits, refunds, cancellations, renewals, guests."""
    settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as tables:
        for batch in by_topic(everything(1000, seed=7), 1000):
            await tables.put_batch(batch)
        await tables.passed(WATERMARK)
        yield tables


async def test_views_add_up_to_the_tables(filled: Tables) -> None:
    for name, (view, table) in SUMS.items():
        found, expected = filled.rows(view), filled.rows(table)
        assert found, name
        assert found == expected, name


async def test_the_gross_of_products_is_the_gross_of_their_orders(filled: Tables) -> None:
    """To a hundredth: each product is rounded. Where a product's part is unknown, at most."""
    products = {row[:3]: row[3:] for row in filled.rows(_GROSS_OF_PRODUCTS)}
    orders = {row[:3]: row[3] for row in filled.rows(_GROSS_OF_ORDERS)}
    assert products.keys() == orders.keys()
    for shop, (gross, unknown) in products.items():
        if unknown:
            assert (gross or 0) <= orders[shop] + Decimal("0.01")
        else:
            assert abs(gross - orders[shop]) < Decimal("0.01"), shop


async def test_every_column_of_a_view_has_a_comment(filled: Tables) -> None:
    without = filled.rows(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'v')"
        " AND a.attnum > 0 AND NOT a.attisdropped AND (col_description(c.oid, a.attnum) IS NULL"
        " OR obj_description(c.oid, 'pg_class') IS NULL)",
        filled.settings.sql_schema,
    )
    assert without == []
