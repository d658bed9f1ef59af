"""Digests of the tables' rows, to compare two states of the tables."""

from typing import Any

from psycopg import AsyncConnection, sql

DERIVED = (
    "abandoned_carts",
    "cart_activity",
    "cart_generations",
    "carts",
    "consents",
    "customer_contacts",
    "customer_lifetime_value",
    "customers",
    "order_items",
    "orders",
    "payments",
    "refunds",
    "reported_totals",
    "shipments",
    "shops",
    "sink_rejects",
    "subscriptions",
)
"""Tables with rows that follow from the log. The others record what was done, and by whom."""

PREDICTED = (
    "probability_alive",
    "expected_purchases_30d",
    "expected_purchases_90d",
    "expected_purchases_365d",
    "expected_value_30d",
    "expected_value_90d",
    "expected_value_365d",
    "discounted_clv",
)
"""Columns of customer_lifetime_value that a prediction fills, whenever it runs."""

VOLATILE = {
    "abandoned_carts": ("detected_at",),
    "customer_lifetime_value": PREDICTED,
    "sink_rejects": ("rejected_at",),
}
"""Columns that depend on when, or by which run, a row was written: not in the digest."""

# Sums of both halves of each row's md5: no sort, constant memory, and a repeated row counts.
_DIGEST = """
    SELECT {name}, md5(concat_ws(' ', count(*), sum({high}), sum({low}))) FROM (
        SELECT md5((to_jsonb(each) - {volatile}::text[])::text) AS row FROM {table} AS each
    ) AS rows
"""
_HALF = "('x' || {}(row, 16))::bit(64)::bigint::numeric"


async def digests(connection: AsyncConnection[Any], schema: str) -> dict[str, str]:
    """Return table -> digest of its rows in any order: 32 hexadecimal digits.

    Of the tables that follow from the log, as of one moment, without volatile columns.
    The session's TimeZone must be UTC.
    """
    query = sql.SQL(" UNION ALL ").join(_digest(schema, name) for name in DERIVED)
    return {name: digest async for name, digest in await connection.execute(query)}


def _digest(schema: str, name: str) -> sql.Composed:
    return sql.SQL(_DIGEST).format(
        name=sql.Literal(name),
        high=sql.SQL(_HALF.format("left")),
        low=sql.SQL(_HALF.format("right")),
        volatile=sql.Literal(list(VOLATILE.get(name, ()))),
        table=sql.Identifier(schema, name),
    )
