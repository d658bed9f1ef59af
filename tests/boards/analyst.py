"""The analyst's board: the shops by their tables, read as ``hookline_reader``.

Money is of one currency; no query names contact data. ``hookline`` is the schema.
"""

# ruff: noqa: S608 - the queries are lists of ours
from tests.boards.board import POSTGRES, Board, Choice, Panel, Query

_SHOP = "source || '/' || shop"
_CHOSEN = f"{_SHOP} IN (${{shop:sqlstring}})"
_MONEY = f"currency = ${{currency:sqlstring}} AND {_CHOSEN}"
_DAYS = "$__timeFilter(day)"


def _by_day(view: str, where: str, columns: dict[str, str]) -> tuple[Query, ...]:
    """A series for each column: its sum over the shops that were chosen."""
    shown = ", ".join(f'{each} AS "{name}"' for name, each in columns.items())
    return (
        Query(
            f"SELECT day::timestamp AS time, {shown} FROM hookline.{view}"
            f" WHERE {_DAYS} AND {where} GROUP BY day ORDER BY day"
        ),
    )


_FRESH = (
    Panel("Now", kind="row"),
    Panel(
        "Tables behind",
        (Query("SELECT extract(epoch FROM behind)::float AS behind FROM hookline.freshness"),),
        "The tables are whole up to so long ago; 10 to 20 s while all is well.",
        kind="stat", unit="s", width=4, height=5, limits=(60, 300),
    ),
    Panel(
        "Deliveries missing",
        (Query("SELECT coalesce(sum(dead_letters_open), 0)::bigint AS missing"
               f" FROM hookline.coverage WHERE {_CHOSEN}"),),
        "Open dead letters: accepted, and not in the tables.",
        kind="stat", width=4, height=5, limits=(1, 100),
    ),
    Panel(
        "Net",
        (Query("SELECT sum(net)::float AS net FROM hookline.shop_days"
               f" WHERE {_DAYS} AND {_MONEY}"),),
        "Goods less discounts and refunds, without tax and shipping, in the time shown.",
        kind="stat", width=4, height=5,
    ),
    Panel(
        "Orders",
        (Query("SELECT sum(orders)::bigint AS orders FROM hookline.shop_days"
               f" WHERE {_DAYS} AND {_MONEY}"),),
        "Counted orders, renewals included.", kind="stat", width=4, height=5,
    ),
    Panel(
        "Carts abandoned",
        (Query("SELECT (sum(abandoned)::float / nullif(sum(carts), 0)) AS rate"
               f" FROM hookline.daily_cart_rates WHERE {_DAYS} AND {_CHOSEN}"),),
        "Share of the carts with an item; tests are left out.",
        kind="stat", unit="percentunit", width=4, height=5,
    ),
    Panel(
        "Carts recovered",
        (Query("SELECT (sum(recovered)::float / nullif(sum(abandoned) FILTER"
               " (WHERE recovered IS NOT NULL), 0)) AS rate"
               f" FROM hookline.daily_cart_rates WHERE {_DAYS} AND {_CHOSEN}"),),
        "Share of the abandoned carts that an order closed, where that can be known.",
        kind="stat", unit="percentunit", width=4, height=5,
    ),
)  # fmt: skip

_SALES = (
    Panel("Sales", kind="row"),
    Panel(
        "Net by day", _by_day("shop_days", _MONEY, {"net": "sum(net)::float",
                                                  "refunded": "sum(refunded)::float"}),
        "What the day brought, and what was given back on it.",
    ),
    Panel(
        "Net by shop",
        (Query(f"SELECT day::timestamp AS time, {_SHOP} AS metric, net::float AS net"
               f" FROM hookline.shop_days WHERE {_DAYS} AND {_MONEY} ORDER BY day"),),
        "Each shop's own line.",
    ),
    Panel(
        "Orders and renewals",
        _by_day("shop_days", _MONEY, {"orders": "sum(orders)::bigint",
                                     "renewals": "sum(renewals)::bigint"}),
        "Renewals are among the orders.",
    ),
    Panel(
        "New and returning customers",
        _by_day("shop_days", _MONEY, {
            "new": "sum(new_customers)::bigint", "returning": "sum(returning_customers)::bigint",
            "history unknown": "sum(customers_of_unknown_history)::bigint",
        }),
        "Unknown: the first order that we have, but perhaps not the first.", is_stacked=True,
    ),
    Panel(
        "Products",
        (Query("SELECT coalesce(name, product_id, sku) AS product, sum(orders)::bigint AS orders,"
               " sum(units)::float AS units, sum(net_before_refunds)::float AS net"
               f" FROM hookline.product_sales WHERE {_MONEY}"
               " GROUP BY 1 ORDER BY net DESC NULLS LAST LIMIT 50"),),
        "Of all time; net before refunds.", kind="table",
    ),
    Panel(
        "Discount codes",
        (Query("SELECT code, sum(orders)::bigint AS orders, sum(discounts)::float AS discounts,"
               " sum(net)::float AS net, sum(new_customers)::bigint AS new_customers"
               f" FROM hookline.discount_codes WHERE {_MONEY}"
               " GROUP BY code ORDER BY orders DESC, code LIMIT 50"),),
        "Of all time. An order with two codes is in both rows.", kind="table",
    ),
)  # fmt: skip

_CARTS = (
    Panel("Carts", kind="row"),
    Panel(
        "Carts by day",
        _by_day("daily_cart_rates", _CHOSEN, {
            "carts": "sum(carts)::bigint", "abandoned": "sum(abandoned)::bigint",
            "recovered": "sum(recovered)::bigint",
        }),
        "By the day on which they were begun; the newest days still change.",
    ),
    Panel(
        "At stake",
        (Query("SELECT status, count(*) AS carts, sum(cart_value)::float AS value,"
               " sum(recovered_value)::float AS recovered,"
               " round(extract(epoch FROM avg(time_to_recover)) / 3600, 1)::float AS recovery_hours"
               " FROM hookline.abandoned_carts"
               f" WHERE $__timeFilter(abandoned_at) AND NOT is_test AND {_MONEY}"
               " GROUP BY status ORDER BY status"),),
        "Abandoned carts by what became of them.", kind="table",
    ),
    Panel(
        "Newest abandoned",
        (Query(f"SELECT abandoned_at AS time, {_SHOP} AS shop, native_cart_id AS cart, status,"
               " item_count AS items, cart_value::float AS value FROM hookline.abandoned_carts"
               f" WHERE $__timeFilter(abandoned_at) AND NOT is_test AND {_MONEY}"
               " ORDER BY abandoned_at DESC LIMIT 50"),),
        "`hookline why carts` explains each.", kind="table",
    ),
)  # fmt: skip

_CUSTOMERS = (
    Panel("Customers", kind="row"),
    Panel(
        "Cohorts",
        (Query("SELECT to_char(cohort_month, 'YYYY-MM') AS cohort, months_since,"
               " sum(customers)::bigint AS customers,"
               " sum(active_customers)::float / nullif(sum(customers), 0) AS active_share,"
               " sum(cumulative_net)::float / nullif(sum(customers), 0) AS net_each"
               f" FROM hookline.cohort_value WHERE {_MONEY}"
               " GROUP BY cohort_month, months_since"
               " ORDER BY cohort_month DESC, months_since LIMIT 300"),),
        "Customers by the month of their first order: who still buys, and what they brought.",
        kind="table", width=12, height=10,
    ),
    Panel(
        "What customers are worth",
        (Query("SELECT CASE WHEN net < 50 THEN '1: below 50' WHEN net < 100 THEN '2: 50 to 100'"
               " WHEN net < 500 THEN '3: 100 to 500' ELSE '4: 500 and more' END AS net,"
               " count(*) AS customers, sum(net)::float AS sum"
               f" FROM hookline.customer_lifetime_value WHERE net IS NOT NULL AND {_MONEY}"
               " GROUP BY 1 ORDER BY 1"),),
        "Customers by their net.", kind="table", width=6, height=10,
    ),
    Panel(
        "Segments",
        (Query("SELECT segment, count(*) AS customers, sum(net)::float AS net"
               f" FROM hookline.rfm_segments WHERE {_MONEY} GROUP BY segment ORDER BY net DESC"),),
        "By how lately, how often and for how much they bought.", kind="table", width=6, height=10,
    ),
    Panel(
        "Predicted",
        (Query(f"SELECT {_SHOP} AS shop, max(predicted_at) AS predicted_at, sum(customers)::bigint"
               " AS customers, sum(predicted)::bigint AS predicted, max(reason) AS reason"
               f" FROM hookline.prediction_runs WHERE {_MONEY} GROUP BY 1 ORDER BY 1"),),
        "What `hookline predict` filled, and why not.", kind="table",
    ),
    Panel(
        "Refunds by day",
        _by_day("refunds_by_day", _MONEY, {"refunds": "sum(refunds)::bigint",
                                          "orders": "sum(orders)::bigint"}),
        "By the day on which they were made.",
    ),
)  # fmt: skip

_MISSING = (
    Panel("What is missing", kind="row"),
    Panel(
        "Coverage",
        (Query(f"SELECT {_SHOP} AS shop, orders, orders_without_customer, orders_without_net,"
               " carts, tells_carts, tells_refunds, no_recovery_reason, dead_letters_open"
               f" FROM hookline.coverage WHERE {_CHOSEN} ORDER BY dead_letters_open DESC, 1"),),
        "What a platform never reports, and what is missing in what it reported.",
        kind="table", width=16,
    ),
    Panel(
        "Dead letters by day",
        _by_day("dead_letters_by_day", _CHOSEN, {"open": "sum(open)::bigint",
                                                "settled": "sum(settled)::bigint"}),
        "By the day of receipt, UTC.", is_stacked=True,
    ),
)  # fmt: skip

BOARD = Board(
    name="analyst",
    title="Hookline: the shops",
    about="Sales, carts and customers from the tables, read as hookline_reader; docs/tables.md.",
    source=POSTGRES,
    panels=(*_FRESH, *_SALES, *_CARTS, *_CUSTOMERS, *_MISSING),
    choices=(
        Choice(
            "currency", "Currency",
            "SELECT currency FROM hookline.customer_lifetime_value WHERE currency <> ''"
            " GROUP BY currency ORDER BY count(*) DESC",
        ),
        Choice("shop", "Shop", f"SELECT {_SHOP} FROM hookline.coverage ORDER BY 1",
               is_multiple=True),
    ),
    since="now-30d",
    refresh="5m",
)  # fmt: skip
