"""Explains a customer's rows: the rules that apply to each order, and how a row adds up.

Orders and refunds are taken as they are stored, so that every amount shown is one of the tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from schemas.events import PaymentStatus
from schemas.platforms import PLATFORMS
from sinks.lifetime.order_state import OrderState

Row = Mapping[str, Any]

_REASONS = {
    "tax-unknown": "prices include tax and no tax is given: the net is unknown",
    "items-unknown": "no items are given: the net is unknown",
    "refund-unknown": "a part was refunded and no event gives how much: the net is unknown",
}
_TAX_BASES = {
    "PAYLOAD": "as the order itself gives it",
    "SETTING": "as the shop is configured",
    "SUMS": "as its own sums show",
    "DEFAULT": "as is usual on its platform",
}
_REFUND_BASES = {
    "ORDER_REFUND": "a refund of the order",
    "RUNNING_TOTAL": "a step of the order's refunded total",
    "PAYMENT": "given back by a payment",
    "STATUS": "the status is REFUNDED without an amount, so all goods",
}
_SUMS = {
    "gross": "gross", "discounts": "discounts", "taxes": "taxes", "shipping": "shipping",
    "gift_cards_sold": "gift_cards_sold", "refunded": "refunded", "net": "net",
}  # fmt: skip
"""Column of ``customer_lifetime_value`` -> the column of counted orders that it sums up."""


def order_rules(order: Row, refunds: Sequence[Row], state: OrderState) -> tuple[str, ...]:
    """Explain an order's revenue status and its net, one sentence each.

    ``order`` and ``refunds``: its rows in ``orders`` and ``refunds``. ``state``: what its events
    give.
    """
    lines = [_revenue_status(order)]
    if order["unknown_status"]:
        lines.append(
            f"its newest status text, {order['status_word']!r}, is on no list: it changes no money"
        )
    if order["standing"] in ("COUNTED", "PENDING"):
        lines += [*_net(order), *_tax(order)]
    lines += [_refund(each) for each in refunds]
    lines += _refunds_without_effect(order, refunds, state)
    if order["gift_cards_sold"]:
        lines.append(
            f"gift cards sold for {_amount(order['gift_cards_sold'])} are not counted as goods"
        )
    if order["is_renewal"]:
        lines.append(
            "a renewal of its subscription: in net, subscription_revenue and renewal_revenue, not"
            " in frequency, recency and monetary"
        )
    elif order["subscription_key"] is not None:
        lines.append("the first order of its subscription: in net and subscription_revenue")
    if order["currency"] is None:
        lines.append("no currency is given: in no row of the customer")
    return tuple(lines)


def row_sums(currency: str, orders: Iterable[Row]) -> dict[str, Any]:
    """Add up the customer's orders of a currency: columns of ``customer_lifetime_value``."""
    own = [order for order in orders if order["currency"] == currency]
    counted = [order for order in own if order["standing"] == "COUNTED"]
    sums = {name: _sum(order[column] for order in counted) for name, column in _SUMS.items()}
    if all(order["net"] is not None for order in counted):
        sums |= {name: sums[name] or Decimal(0) for name in ("gross", "net")}
    return {
        **sums,
        "orders_count": len(counted),
        "pending_revenue": _sum(order["pending"] for order in own) or Decimal(0),
        "cancelled_count": sum(order["standing"] == "CANCELLED" for order in own),
        "subscription_revenue": _sum(
            order["net"] for order in counted if order["subscription_key"] is not None
        ),
        "renewal_revenue": _sum(order["net"] for order in counted if order["is_renewal"]),
    }


def row_rules(row: Row, orders: Iterable[Row]) -> list[str]:
    """Explain how a row of ``customer_lifetime_value`` adds up from the customer's orders."""
    orders = list(orders)
    sums = row_sums(row["currency"], orders)
    known = sum(
        order["net"] is not None
        for order in orders
        if order["standing"] == "COUNTED" and order["currency"] == row["currency"]
    )
    summed = f"{known} of {sums['orders_count']} counted orders ({_given(sums['net'])})"
    lines = [
        f"net {_given(row['net'])} = the net of {summed}",
        (
            f"gross {_given(sums['gross'])}, discounts {_given(sums['discounts'])},"
            f" refunded {_given(sums['refunded'])}: of the same orders"
        ),
    ]
    if row["pending_revenue"]:
        lines.append(
            f"pending_revenue {_amount(sums['pending_revenue'])}: not paid yet, not in net"
        )
    if row["cancelled_count"]:
        lines.append(f"cancelled_count {sums['cancelled_count']}: worth nothing")
    if row["subscription_revenue"] is not None:
        lines.append(
            f"subscription_revenue {_given(sums['subscription_revenue'])}: the part of net by"
            " orders that name a subscription;"
            f" {_given(sums['renewal_revenue'])} of it by renewals"
        )
    if row["frequency"] is not None:
        lines.append(
            f"frequency {row['frequency']}: order days after the first, without renewals;"
            f" recency {row['recency']} days from the first to the last, t {row['t']} to today"
        )
    lines += _reported(row)
    lines.append(
        {
            True: "history complete: created at or after the shop's first delivery",
            False: "history incomplete: created before the shop's first delivery, or the platform"
            " counts more orders than were seen",
            None: "whether the history is complete is unknown: no creation time is given",
        }[row["history_complete"]]
    )
    if row["ineligible_reason"] is not None:
        lines.append(f"no cohort, no prediction: {row['ineligible_reason']}")
    return lines


def payment_rules(payment: Row) -> tuple[str, ...]:
    """Explain what a payment gave back. ``payment``: its row in ``payments``."""
    of_order = f"of {payment['order_key']}: the orders of its platform give no refunds themselves"
    if payment["refunded_amount"] is not None:
        return (f"gave back {_amount(payment['refunded_amount'])} {of_order}",)
    return (f"REFUNDED without an amount: gave back all {_amount(payment['amount'])} {of_order}",)


def _revenue_status(order: Row) -> str:
    standing, status = order["standing"], order["status"]
    if standing == "CANCELLED":
        cause = (
            "deleted" if order["is_deleted"]
            else "cancelled" if order["cancelled_at"]
            else status
        )  # fmt: skip
        return f"CANCELLED, since {cause}: kept, worth nothing"
    if standing == "PENDING" and status == "UNKNOWN":
        return "PENDING: no status text that is on our list was ever given"
    return {
        "TEST": "TEST: excluded",
        "DRAFT": "DRAFT: not placed yet, excluded",
        "NOT_A_SALE": "NOT_A_SALE: the shop's orders repeat sales of another source",
        "PENDING": f"PENDING, since {status}: not paid yet",
    }.get(standing, f"COUNTED, since {status}")


def _net(order: Row) -> list[str]:
    net = order["pending"] if order["standing"] == "PENDING" else order["net"]
    if net is None:
        return [_REASONS.get(order["reason"], f"no net: {order['reason']}")]
    if order["standing"] == "PENDING":
        lines = [f"would be worth {_amount(net)} once paid: in pending_revenue, not in net"]
    else:
        gross, discounts, refunded = (
            _amount(order[name]) for name in ("gross", "discounts", "refunded")
        )
        lines = [
            f"net {_amount(net)} = gross {gross} - discounts {discounts} - refunded {refunded}"
        ]
    if order["reason"] == "discount-exceeds-goods":
        lines.append("discounts above the goods: the excess is no discount on goods")
    return lines


def _tax(order: Row) -> list[str]:
    basis = _TAX_BASES.get(order["tax_basis"] or "")
    because = "" if basis is None else f", {basis}"
    if order["taxes_included"]:
        return [f"prices include tax{because}: gross, discounts and net are without it"]
    return [f"prices are without tax{because}"]


def _refund(refund: Row) -> str:
    name = "" if refund["refund_id"] is None else f" {refund['refund_id']}"
    at = refund["refunded_at"].astimezone(UTC)
    given = ", ".join(
        f"{column} {_amount(refund[column])}"
        for column in ("goods", "tax", "shipping", "goodwill")
        if refund[column] is not None
    )
    if refund["is_counted"]:
        effect = f"takes {_amount(refund['net_effect'])} off net"
    elif refund["net_effect"] is None:
        effect = "what it takes off is unknown, as the net is"
    else:
        effect = "takes nothing off: the order is not in net"
    return (
        f"refund{name} of {at:%Y-%m-%d %H:%M}, {_REFUND_BASES[refund['basis']]}:"
        f" {given + ': ' if given else ''}{effect}"
    )


def _refunds_without_effect(order: Row, refunds: Sequence[Row], state: OrderState) -> Iterable[str]:
    """Name refunds that never succeeded, and a platform on which none would be seen."""
    platform = PLATFORMS.get(state.source)
    if platform is not None and platform.refunds_from == "orders":
        for refund in state.refunds:
            if refund.status is not PaymentStatus.SUCCEEDED:
                name = "" if refund.refund_id is None else f" {refund.refund_id}"
                yield f"refund{name} is {refund.status}, not made: takes nothing off"
    is_counted = order["standing"] == "COUNTED" and order["reason"] != "refund-unknown"
    if is_counted and not refunds and not order["refunds_observable"]:
        yield "this platform does not report refunds: taken as 0"


def _beside_orders(delta: Decimal | None) -> str:
    if delta is None:
        return "the total of an order is not given"
    if not delta:
        return "as much as the orders' totals"
    return f"{_amount(abs(delta))} {'more' if delta > 0 else 'less'} than the orders' totals"


def _reported(row: Row) -> Iterable[str]:
    if row["reported_revenue"] is not None:
        delta = row["reported_delta"]
        yield (
            f"the platform itself reports {_amount(row['reported_revenue'])}: shown beside net,"
            f" never part of it; {_beside_orders(delta)}"
        )
    if row["reported_refunded"] is not None:
        text = (
            f"it reports {_amount(row['reported_refunded'])} refunded in all, of no order in"
            " particular: not in net"
        )
        if (less := row["net_less_reported_refunds"]) is not None:
            text += (
                f"; net_less_reported_refunds {_amount(less)} = net"
                f" - {_amount(row['net'] - less)} of it that no payment gives"
            )
        yield text


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    given = [amount for amount in amounts if amount is not None]
    return sum(given, Decimal(0)) if given else None


def _given(value: Decimal | None) -> str:
    return "null" if value is None else _amount(value)


def _amount(value: Decimal | None) -> str:
    return "0" if value is None else f"{value.normalize():f}"
