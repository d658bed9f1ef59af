"""Explains a customer's rows: the rules that apply to each order, and how a row adds up."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from schemas.events import OrderStatus
from sinks.lifetime.order_money import OrderMoney
from sinks.lifetime.order_state import OrderState
from sinks.lifetime.revenue_status import RevenueStatus


def order_rules(state: OrderState, money: OrderMoney, *, is_renewal: bool) -> tuple[str, ...]:
    """Explain an order's revenue status and its net, one sentence each."""
    lines = [_revenue_status(state, money)]
    if money.revenue_status not in (RevenueStatus.COUNTED, RevenueStatus.PENDING):
        return tuple(lines)
    value = money.value
    if value is None:
        lines.append(
            {
                "tax-unknown": "prices include tax and no tax is given: the net is unknown",
                "items-unknown": "no items are given: the net is unknown",
            }.get(money.reason or "", f"no net: {money.reason}")
        )
    elif money.revenue_status is RevenueStatus.PENDING:
        lines.append(f"would be worth {_amount(value)} once paid: in pending_revenue, not in net")
    else:
        lines.append(
            f"net {_amount(value)} = gross {_amount(money.gross)}"
            f" - discounts {_amount(money.discounts)} - refunded {_amount(money.refunded)}"
        )
    if money.taxes_included and money.reason is None:
        lines.append(f"prices include tax: {_amount(money.taxes)} of it is subtracted")
    lines += _refunds(state, money)
    if money.gift_cards_sold:
        lines.append(
            f"gift cards sold for {_amount(money.gift_cards_sold)} are not counted as goods"
        )
    if is_renewal:
        lines.append(
            "a renewal of its subscription: in net and subscription_revenue, not in frequency,"
            " recency and monetary"
        )
    if state.currency is None:
        lines.append("no currency is given: in no row of the customer")
    return tuple(lines)


def row_rules(row: dict[str, Any], orders: Iterable[tuple[OrderState, OrderMoney]]) -> list[str]:
    """Explain how a row of ``customer_lifetime_value`` adds up from its orders."""
    counted = [
        (state, money)
        for state, money in orders
        if money.revenue_status is RevenueStatus.COUNTED and state.currency == row["currency"]
    ]
    nets: Sequence[Decimal] = [money.net for _, money in counted if money.net is not None]
    total = sum(nets, Decimal(0))
    summed = f"{len(nets)} of {row['orders_count']} counted orders ({_amount(total)})"
    lines = [f"net {_amount(row['net'])} = the net of {summed}"]
    if row["frequency"] is not None:
        lines.append(
            f"frequency {row['frequency']}: order days after the first, without renewals;"
            f" recency {row['recency']} days from the first to the last, t {row['t']} to today"
        )
    if row["reported_revenue"] is not None:
        lines.append(
            f"the platform itself reports {_amount(row['reported_revenue'])}: shown beside net,"
            f" never part of it; {_amount(row['reported_delta'])} more than the orders' totals"
        )
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


def _revenue_status(state: OrderState, money: OrderMoney) -> str:
    if money.revenue_status is RevenueStatus.CANCELLED:
        cause = "deleted" if state.deleted else "cancelled" if state.cancelled_at else state.status
        return f"CANCELLED, since {cause}: kept, worth nothing"
    if money.revenue_status is RevenueStatus.PENDING and state.status is OrderStatus.UNKNOWN:
        return "PENDING: its status text is unknown to us"
    return {
        RevenueStatus.TEST: "TEST: excluded",
        RevenueStatus.DRAFT: "DRAFT: not placed yet, excluded",
        RevenueStatus.NOT_A_SALE: "NOT_A_SALE: the shop's orders repeat sales of another source",
        RevenueStatus.PENDING: f"PENDING, since {state.status}: not paid yet",
    }.get(money.revenue_status, f"COUNTED, since {state.status}")


def _refunds(state: OrderState, money: OrderMoney) -> list[str]:
    if state.refunded_goods is not None:
        return [f"refunded: the goods given as refunded, {_amount(state.refunded_goods)}"]
    if state.refunded_total is not None:
        share = f"the share of goods in the total: {_amount(money.refunded)}"
        return [f"refunded: of {_amount(state.refunded_total)} in all, {share}"]
    if money.refunded:
        return ["refunded: the status says so without an amount, so all of the goods"]
    return [] if money.refunds_observable else ["this platform does not report refunds: taken as 0"]


def _amount(value: Decimal | None) -> str:
    return "0" if value is None else f"{value.normalize():f}"
