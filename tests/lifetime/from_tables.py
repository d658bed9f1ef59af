"""Customers' rows and the net of orders once more, slowly, from rows of the tables alone.

Nothing of ``sinks`` is used: only what ``docs/tables.md`` gives of the columns. Each function
returns differences in words, none where all agree.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
"""Table -> rows: ``orders``, ``order_items``, ``refunds``, ``payments``, ``customers``, ..."""

NEEDED = (
    "orders", "order_items", "refunds", "payments", "customers", "reported_totals",
    "customer_lifetime_value",
)  # fmt: skip
_ZERO, _FOUR, _CENT = Decimal(0), Decimal("0.0001"), Decimal("0.01")
_BY_DEFAULT_INSIDE: tuple[str, ...] = ()
_REFUNDS_IN_PAYMENTS = ("ciklik",)


def differences(tables: Tables) -> list[str]:
    """All that does not add up."""
    parts = _orders, _renewals, _refunds, _payments, _customers
    return [text for part in parts for text in part(tables)]


def _orders(tables: Tables) -> Iterator[str]:
    """Each order: net = gross - discounts - refunds, and what decided its tax."""
    given, lines = _by(tables["refunds"], "order_key"), _by(tables["order_items"], "order_key")
    for order in tables["orders"]:
        key, standing = order["order_key"], order["standing"]
        effects = [refund["net_effect"] for refund in given[key]]
        if standing == "CANCELLED" and (order["net"], order["gross"]) != (_ZERO, _ZERO):
            yield f"{key}: cancelled, and worth {order['net']}"
        if standing not in ("COUNTED", "CANCELLED") and order["net"] is not None:
            yield f"{key}: {standing} has a net of {order['net']}"
        if standing != "PENDING" and order["pending"] is not None:
            yield f"{key}: {standing} has {order['pending']} pending"
        if standing == "COUNTED" and order["net"] is not None:
            off = sum(effects, _ZERO)
            if off != (order["refunded"] or _ZERO):
                yield f"{key}: refunds take {off} off, refunded is {order['refunded']}"
            net = order["gross"] - (order["discounts"] or _ZERO) - off
            if net != order["net"]:
                yield f"{key}: net {order['net']}, and by its parts {net}"
            expected = _effects(order, given[key])
            if expected is not None and expected != effects:
                yield f"{key}: refunds take {effects} off, and by their parts {expected}"
        basis = _tax_basis(order, lines[key])
        if order["tax_basis"] not in basis:
            yield f"{key}: tax by {order['tax_basis']}, and by its amounts {basis}"


def _effects(order: Row, refunds: Iterable[Row]) -> list[Decimal] | None:
    """What each refund takes off: its goods, and the goods' share of its goodwill; not below 0."""
    goods = order["gross"] - (order["discounts"] or _ZERO)
    total = order["paid_total"] if order["total"] is None else order["total"]
    if total is None:
        if order["taxes_included"]:
            return None  # the goods' price with tax is no column
        total = goods + sum(
            order[name] or _ZERO for name in ("tax_total", "gift_cards_sold", "shipping_total")
        )
    left, effects = max(goods, _ZERO), []
    for refund in sorted(refunds, key=lambda each: each["position"]):
        goodwill = refund["goodwill"] or _ZERO
        share = (goodwill * goods / total).quantize(_FOUR, ROUND_HALF_EVEN) if total > 0 else _ZERO
        share = max(_ZERO, min(share, goodwill))
        effects.append(min(left, max(_ZERO, (refund["goods"] or _ZERO) + share)))
        left -= effects[-1]
    return effects


def _tax_basis(order: Row, lines: Sequence[Row]) -> tuple[str, ...]:
    """What may decide an order's tax; its payload's and its shop's settings are not columns."""
    by_sums = _tax_inside_by_sums(order, lines)
    inside = order["taxes_included"]
    if by_sums is None:
        default = order["source"] in _BY_DEFAULT_INSIDE
        return ("PAYLOAD", "SETTING", *(("DEFAULT",) if inside is default else ()))
    return ("PAYLOAD", "SETTING", *(("SUMS",) if inside is by_sums else ()))


def _tax_inside_by_sums(order: Row, lines: Sequence[Row]) -> bool | None:
    total = order["paid_total"] if order["total"] is None else order["total"]
    items = order["items_total"]
    if items is None and lines:
        prices = [_line_total(line) for line in lines]
        items = None if None in prices else sum(prices, _ZERO)
    tax = order["tax_total"]
    if tax is None:
        tax = _sum(line["tax"] for line in lines)
    if total is None or items is None or not tax or tax < 0:
        return None
    discounts = order["discount_total"]
    if discounts is None:
        discounts = _sum(line["discount"] for line in lines)
    parts = items - (discounts or _ZERO) + (order["shipping_total"] or _ZERO)
    without, added = abs(parts - total), abs(parts + tax - total)
    return None if min(without, added) > _CENT else without <= added


def _line_total(line: Row) -> Decimal | None:
    if line["line_total"] is not None:
        return Decimal(line["line_total"])
    if line["unit_price"] is None:
        return None
    return Decimal(line["unit_price"]) * (1 if line["quantity"] is None else line["quantity"])


def _renewals(tables: Tables) -> Iterator[str]:
    """What is not the first purchase of its subscription is a renewal."""
    for subscription, orders in _by(tables["orders"], "subscription_key").items():
        purchases = [
            (order["placed_at"], order["order_key"])
            for order in orders
            if not order["is_test"] and not order["is_draft"]
        ]
        for order in orders:
            if subscription is None:
                is_renewal = False
            elif purchases and (order["placed_at"], order["order_key"]) > min(purchases):
                is_renewal = True
            else:
                continue  # its CREATED event may have given several transactions
            if order["is_renewal"] is not is_renewal:
                yield f"{order['order_key']}: is_renewal {order['is_renewal']}"


def _refunds(tables: Tables) -> Iterator[str]:
    """Each refund belongs to its order, and counts as the order does."""
    orders = {order["order_key"]: order for order in tables["orders"]}
    for refund in tables["refunds"]:
        key, order = refund["order_key"], orders.get(refund["order_key"])
        if order is None:
            yield f"{key}: a refund without an order"
            continue
        for column in ("customer_key", "source", "shop", "currency", "timezone"):
            if refund[column] != order[column]:
                yield f"{key}: {column} of a refund is {refund[column]}, not {order[column]}"
        if refund["is_counted"] != (order["standing"] == "COUNTED" and order["net"] is not None):
            yield f"{key}: is_counted {refund['is_counted']} of a {order['standing']} order"
        if order["standing"] != "COUNTED" and refund["net_effect"] not in (None, _ZERO):
            yield f"{key}: takes {refund['net_effect']} off a {order['standing']} order"


def _payments(tables: Tables) -> Iterator[str]:
    """Refunds of payments are what the payments gave back; no other payment is in a net."""
    orders = {order["order_key"] for order in tables["orders"]}
    given: defaultdict[tuple[str, str], Decimal | None] = defaultdict(Decimal)
    for refund in tables["refunds"]:
        if refund["basis"] == "PAYMENT":
            if refund["source"] not in _REFUNDS_IN_PAYMENTS:
                yield f"{refund['order_key']}: a refund of a payment"
            of_payment = refund["order_key"], refund["refund_id"]
            before, money = given[of_payment], refund["goodwill"]
            given[of_payment] = None if before is None or money is None else before + money
        elif refund["source"] in _REFUNDS_IN_PAYMENTS and refund["basis"] != "STATUS":
            yield f"{refund['order_key']}: {refund['basis']}, though payments decide"
    expected = {
        (payment["order_key"], payment["payment_id"]): back
        for payment in tables["payments"]
        if payment["source"] in _REFUNDS_IN_PAYMENTS
        and payment["order_key"] in orders
        and ((back := _given_back(payment)) is None or back > 0)
    }
    if dict(given) != expected:
        yield f"payments gave back {expected}, refunds are {dict(given)}"


def _given_back(payment: Row) -> Decimal | None:
    """Return the money that a payment gave back; None where that is all, and not how much."""
    if payment["is_test"] or payment["kind"] in ("INVOICE", "CREDIT"):
        return _ZERO
    back = payment["refunded_amount"]
    if back is None and payment["status"] == "REFUNDED":
        back = payment["amount"]
        if back is None:
            return None
    return Decimal(back or 0)


def _customers(tables: Tables) -> Iterator[str]:
    """Each row of customer_lifetime_value, and that there is one where there must be."""
    orders, refunds = _by(tables["orders"], "customer_key"), _by(tables["refunds"], "customer_key")
    reported = _by(tables["reported_totals"], "customer_key")
    people = {row["customer_key"]: row for row in tables["customers"]}
    rows = {
        (row["customer_key"], row["currency"]): row for row in tables["customer_lifetime_value"]
    }
    expected = {
        (key, each["currency"])
        for key, of_customer in (*orders.items(), *reported.items())
        if key is not None
        for each in of_customer
        if each["currency"] and each.get("standing") not in ("TEST", "DRAFT", "NOT_A_SALE")
    }
    if rows.keys() != expected:
        yield f"rows {sorted(rows.keys() ^ expected)}"
    for (key, currency), row in rows.items():
        own = [order for order in orders[key] if order["currency"] == currency]
        back = [refund for refund in refunds[key] if refund["currency"] == currency]
        told = [total for total in reported[key] if total["currency"] == currency]
        for name, value in _expected(row, people[key], own, back, told).items():
            if row[name] != value:
                yield f"{key} {currency}: {name} {row[name]}, and by its orders {value}"


def _expected(
    row: Row, person: Row, own: Sequence[Row], back: Sequence[Row], told: Sequence[Row]
) -> dict[str, Any]:
    counted = [order for order in own if order["standing"] == "COUNTED"]
    is_known = all(order["net"] is not None for order in counted)
    of_ciklik = row["source"] in _REFUNDS_IN_PAYMENTS

    def added(column: str, orders: Iterable[Row] = counted) -> Decimal | None:
        return _sum(order[column] for order in orders)

    net = added("net")
    if is_known:
        net = net or _ZERO
    placed = sorted(order["placed_at"] for order in counted)
    zone = ZoneInfo(person["timezone"])
    days: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for order in counted:
        if not order["is_renewal"]:
            days[_day(order["placed_at"], zone)] += order["net"] or _ZERO
    repeats = [value for day, value in days.items() if day != min(days) and value > 0]
    refunded = told[0]["refunded"] if told else None
    less = None
    if is_known and of_ciklik and net is not None and refunded is not None:
        seen = [(each["goodwill"] or _ZERO) + (each["goods"] or _ZERO) for each in back
                if each["is_counted"]]  # fmt: skip
        less = net - max(refunded - sum(seen, _ZERO), _ZERO)
    return {
        "orders_count": len(counted),
        "cancelled_count": sum(order["standing"] == "CANCELLED" for order in own),
        "pending_revenue": added("pending", own) or _ZERO,
        "gross": (added("gross") or _ZERO) if is_known else added("gross"),
        **{
            name: added(name)
            for name in ("discounts", "taxes", "shipping", "gift_cards_sold", "refunded")
        },
        "net": net,
        "avg_order_value": _mean(net, len(counted)) if is_known else None,
        "subscription_revenue": added(
            "net", [order for order in counted if order["subscription_key"] is not None]
        ),
        "renewal_revenue": added("net", [order for order in counted if order["is_renewal"]]),
        "first_order_at": placed[0] if placed else None,
        "last_order_at": placed[-1] if placed else None,
        "cohort_month": _day(placed[0], zone).replace(day=1) if placed else None,
        "frequency": len(days) - 1 if days else None,
        "recency": (max(days) - min(days)).days if days else None,
        "monetary": _mean(sum(repeats, _ZERO), len(repeats)),
        "reported_revenue": told[0]["revenue"] if told else None,
        "reported_refunded": refunded,
        "net_less_reported_refunds": less,
        "person_key": person["person_key"],
    }


def _by(rows: Iterable[Row], column: str) -> defaultdict[Any, list[Row]]:
    found: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    given = [amount for amount in amounts if amount is not None]
    return sum(given, _ZERO) if given else None


def _mean(total: Decimal | None, count: int) -> Decimal | None:
    if total is None or not count:
        return None
    return (total / count).quantize(_FOUR, rounding=ROUND_HALF_EVEN)


def _day(at: datetime, zone: ZoneInfo) -> Any:
    return at.astimezone(zone).date()
