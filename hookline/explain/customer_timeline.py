"""How a customer's rows came to be: each order's events, what they decide, what it is worth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.events import Micros, OrderStatus
from sinks.lifetime.customers import OrderMoney, OrderState, Standing
from sinks.merge.event_fields import FIRST
from sinks.merge.last_writer import Layers

_INNER = frozenset({FIRST, "occurred_at", "settings", "is_test"})
"""Fields that every event tells."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, and the fields that it decides: no newer event tells them.

    ``settings``: whether the shop's settings in force are those stamped on this one.
    """

    event_id: str
    version_at: Micros
    appended_at: Micros
    raw_partition: int
    raw_offset: int
    decides: dict[str, Any]
    settings: bool


@dataclass(frozen=True, slots=True)
class Told:
    """An entity: its events, oldest first, and in words what follows from them."""

    key: str
    kind: str
    events: tuple[Event, ...]
    rules: tuple[str, ...]


def events(layers: Layers) -> tuple[Event, ...]:
    """The events that still decide something, oldest first."""
    return tuple(
        Event(
            layer.event_id,
            layer.version[0],
            layer.version[2],
            layer.version[3],
            layer.version[4],
            {name: value for name, value in layer.fields.items() if name not in _INNER},
            "settings" in layer.fields,
        )
        for layer in reversed(layers)
    )


def order_rules(state: OrderState, worth: OrderMoney, *, is_renewal: bool) -> tuple[str, ...]:
    """What the money rules say of an order, and why."""
    said = [_standing(state, worth)]
    if worth.standing not in (Standing.COUNTED, Standing.PENDING):
        return tuple(said)
    value = worth.value
    if value is None:
        said.append(
            {
                "tax-unknown": "prices hold tax and no tax is told: its net cannot be known",
                "items-unknown": "no goods are told: its net cannot be known",
            }.get(worth.reason or "", f"no net: {worth.reason}")
        )
    elif worth.standing is Standing.PENDING:
        said.append(f"would be worth {_amount(value)} once paid: in pending_revenue, not in net")
    else:
        said.append(
            f"net {_amount(value)} = gross {_amount(worth.gross)}"
            f" - discounts {_amount(worth.discounts)} - refunded {_amount(worth.refunded)}"
        )
    if state.taxes_included and worth.reason is None:
        said.append(f"prices hold tax: {_amount(worth.taxes)} of it is taken out")
    said += _refunds(state, worth)
    if worth.gift_cards_sold:
        said.append(f"gift cards sold for {_amount(worth.gift_cards_sold)} are kept apart")
    if is_renewal:
        said.append(
            "a renewal of its subscription: in net and subscription_revenue, not in frequency,"
            " recency and monetary"
        )
    if state.currency is None:
        said.append("no currency is told: in no row of the customer's")
    return tuple(said)


def row_rules(row: dict[str, Any], worths: Iterable[tuple[OrderState, OrderMoney]]) -> list[str]:
    """How a row of ``customer_lifetime_value`` adds up from its orders."""
    counted = [
        (state, worth)
        for state, worth in worths
        if worth.standing is Standing.COUNTED and state.currency == row["currency"]
    ]
    nets: Sequence[Decimal] = [worth.net for _, worth in counted if worth.net is not None]
    total = sum(nets, Decimal(0))
    seen = f"{len(nets)} of {row['orders_count']} counted orders ({_amount(total)})"
    said = [f"net {_amount(row['net'])} = the net of {seen}"]
    if row["frequency"] is not None:
        said.append(
            f"frequency {row['frequency']}: order days but the first, renewals left out;"
            f" recency {row['recency']} days from the first to the last, t {row['t']} to today"
        )
    if row["reported_revenue"] is not None:
        said.append(
            f"the platform itself reports {_amount(row['reported_revenue'])}: beside the row,"
            f" never in it; {_amount(row['reported_delta'])} more than the orders' totals"
        )
    said.append(
        {
            True: "history complete: created at or after the shop's first delivery",
            False: "history incomplete: created before the shop's first delivery, or the platform"
            " counts more orders than were seen",
            None: "whether the history is complete cannot be known: no creation is told",
        }[row["history_complete"]]
    )
    if row["ineligible_reason"] is not None:
        said.append(f"no cohort, no prediction: {row['ineligible_reason']}")
    return said


def _standing(state: OrderState, worth: OrderMoney) -> str:
    if worth.standing is Standing.CANCELLED:
        why = "deleted" if state.deleted else "cancelled" if state.cancelled_at else state.status
        return f"CANCELLED, since {why}: stays, worth nothing"
    if worth.standing is Standing.PENDING and state.status is OrderStatus.UNKNOWN:
        return "PENDING: its status word is none that we know"
    return {
        Standing.TEST: "TEST: excluded",
        Standing.DRAFT: "DRAFT: nobody has placed it, excluded",
        Standing.NOT_A_SALE: "NOT_A_SALE: the shop's orders repeat sales told elsewhere",
        Standing.PENDING: f"PENDING, since {state.status}: not paid yet",
    }.get(worth.standing, f"COUNTED, since {state.status}")


def _refunds(state: OrderState, worth: OrderMoney) -> list[str]:
    if state.refunded_goods is not None:
        return [f"refunded: the goods told as refunded, {_amount(state.refunded_goods)}"]
    if state.refunded_total is not None:
        share = f"the share of goods in the total: {_amount(worth.refunded)}"
        return [f"refunded: of {_amount(state.refunded_total)} in all, {share}"]
    if worth.refunded:
        return ["refunded: the status says so, no amount is told, so all of the goods"]
    return (
        [] if worth.refunds_observable else ["refunds of this platform are not told: taken for 0"]
    )


def _amount(value: Decimal | None) -> str:
    return "0" if value is None else f"{value.normalize():f}"
