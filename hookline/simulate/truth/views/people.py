"""People over all shops, and what customers of each month bought since."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from hookline.simulate.truth.amounts import NOTHING, Amount, total, total_given
from hookline.simulate.truth.customers.rows import CustomerFacts
from hookline.simulate.truth.days import day_of, midnight_before, month_of, months_between
from hookline.simulate.truth.names import Person
from hookline.simulate.truth.spans import Span
from hookline.simulate.world.facts import Micros

Row = Mapping[str, Any]
Customers = Sequence[tuple[CustomerFacts, Row]]
"""Each customer with its row of ``customer_lifetime_value``."""

_GIVEN = (
    "discounts", "taxes", "shipping", "gift_cards_sold", "refunded", "pending_revenue",
    "subscription_revenue", "renewal_revenue",
)  # fmt: skip


def people(customers: Customers) -> Mapping[tuple[Person, str], Row]:
    """Return the rows of ``people`` by (address, currency)."""
    found: dict[tuple[Person, str], list[tuple[CustomerFacts, Row]]] = {}
    for facts, row in customers:
        key = facts.known.person, facts.known.shop.currency
        found.setdefault(key, []).append((facts, row))
    return {key: _person([row for _, row in own]) for key, own in found.items()}


def _person(rows: Sequence[Row]) -> Row:
    buyers = [row for row in rows if row["orders_count"]] or rows
    orders = sum(row["orders_count"] for row in rows)
    net = total_given(row["net"] for row in buyers)
    is_known = all(row["avg_order_value"] is not None for row in rows if row["orders_count"])
    histories = [row["history_complete"] for row in rows]
    complete = False if False in histories else True if None not in histories else None
    return {
        "customers": len(rows),
        "shops": len({(row["source"], row["shop"]) for row in rows}),
        "orders_count": orders,
        "gross": total_given(row["gross"] for row in buyers),
        "net": net,
        "avg_order_value": net.mean(orders) if net and orders and is_known else None,
        "cancelled_count": sum(row["cancelled_count"] for row in rows),
        "cohort_month": min((r["cohort_month"] for r in rows if r["cohort_month"]), default=None),
        "history_complete": complete,
        **{name: total_given(row[name] for row in rows) for name in _GIVEN},
    }


def cohorts(customers: Customers, as_of: Micros) -> Mapping[tuple[str, str, str, date, int], Row]:
    """Return the rows of ``monthly_cohorts`` by (platform, shop, currency, month, months since)."""
    members: dict[tuple[str, str, str, date], list[CustomerFacts]] = {}
    for facts, row in customers:
        if row["history_complete"] is True and row["cohort_month"] is not None:
            shop = facts.known.shop
            key = shop.source, shop.id, shop.currency, row["cohort_month"]
            members.setdefault(key, []).append(facts)
    rows: dict[tuple[str, str, str, date, int], Row] = {}
    for key, own in members.items():
        zone = own[0].known.shop.timezone
        today = day_of(Span.at(midnight_before(as_of)), zone, "the watermark")
        bought = _by_month(own, zone)
        months = max(months_between(key[3], max(today, key[3])), 0)
        for since in range(months + 1):
            rows[(*key, since)] = _month(bought, key[3], since, len(own), today)
    return rows


def _by_month(
    members: Sequence[CustomerFacts], zone: str
) -> Mapping[date, list[tuple[CustomerFacts, Amount | None]]]:
    """Return who bought in each month, with the net of each order."""
    bought: dict[date, list[tuple[CustomerFacts, Amount | None]]] = {}
    for facts in members:
        for order in facts.counted:
            month = month_of(day_of(order.placed_at, zone, order.key))
            bought.setdefault(month, []).append((facts, order.money.net))
    return bought


def _month(
    bought: Mapping[date, list[tuple[CustomerFacts, Amount | None]]],
    cohort: date,
    since: int,
    customers: int,
    today: date,
) -> Row:
    number = cohort.year * 12 + cohort.month - 1 + since
    month = date(number // 12, number % 12 + 1, 1)
    orders = bought.get(month, [])
    nets = [net for _, net in orders]
    return {
        "customers": customers,
        "buyers": len({facts.key for facts, _ in orders}),
        "orders": len(orders),
        "net": None if None in nets else total(net or NOTHING for net in nets),
        "is_provisional": month >= month_of(today),
    }
