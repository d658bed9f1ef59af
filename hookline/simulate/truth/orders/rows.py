"""Rows of ``orders`` and ``refunds``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hookline.simulate.truth.amounts import Amount
from hookline.simulate.truth.names import CustomerKey, customer_key, order_key
from hookline.simulate.truth.orders.money import Money, gift_cards, money
from hookline.simulate.truth.orders.state import OrderLife
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.spans import Span, UndecidedError
from hookline.simulate.truth.undecided import Undecided
from hookline.simulate.world.facts import OrderState, Paid

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """An order with all that other tables take of it. ``state``: its newest whole state."""

    key: str
    life: OrderLife
    state: OrderState
    money: Money
    customer: CustomerKey | None
    placed_at: Span
    is_renewal: bool
    counted_total: Amount | None
    taxes: Amount | None
    shipping: Amount | None
    gift_cards_sold: Amount | None

    @property
    def value(self) -> Amount | None:
        """What it is worth to a cart that it closes."""
        return self.money.net


def known_orders(lives: Iterable[OrderLife], undecided: Undecided) -> list[KnownOrder]:
    """Work out all orders, with the renewals among them."""
    lives = list(lives)
    again = renewals(lives)
    found = []
    for life in lives:
        try:
            found.append(_known(life, is_renewal=order_of(life) in again))
        except UndecidedError as error:
            undecided.note_order(life.newest, error)
    return found


def order_of(life: OrderLife) -> str:
    """Key of an order."""
    return order_key(life.newest.shop, life.newest.number)


def renewals(lives: Iterable[OrderLife]) -> set[str]:
    """Return the keys of the orders for which a subscription billed again.

    An older order names the same subscription, or the creation shows it. Tests make none.
    """
    found: set[str] = set()
    subscribed: dict[tuple[str, int], list[OrderLife]] = {}
    for life in lives:
        state = life.newest
        if state.subscription is None or not gives(state.shop).subscriptions:
            continue
        if life.is_billed_again:
            found.add(order_of(life))
        subscribed.setdefault((state.shop.key, state.subscription), []).append(life)
    for orders in subscribed.values():
        first = min(orders, key=lambda life: (life.newest.placed_at, order_of(life)))
        found.update(order_of(life) for life in orders if life is not first)
    return found


def _known(life: OrderLife, *, is_renewal: bool) -> KnownOrder:
    state, given = life.whole or life.newest, gives(life.newest.shop)
    worth = money(life)
    counts = worth.is_counted
    return KnownOrder(
        key=order_of(life),
        life=life,
        state=state,
        money=worth,
        customer=customer_key(state.customer) if life.whole else None,
        placed_at=_placed_at(life, state),
        is_renewal=is_renewal,
        counted_total=Amount.of(state.total) if counts and given.total else None,
        taxes=Amount.of(state.tax) if counts and given.tax else None,
        shipping=Amount.of(state.shipping) if counts and given.shipping else None,
        gift_cards_sold=gift_cards(state.lines) if counts and given.gift_cards else None,
    )


def _placed_at(life: OrderLife, state: OrderState) -> Span:
    if state.shop.source != "gooten":
        return Span.at(state.placed_at)
    first = min(life.received, key=lambda each: each.number)
    return Span(first.earliest, first.latest)  # its first event dates it


def order_row(order: KnownOrder) -> Row:
    """Return an order's row of ``orders``."""
    worth, state = order.money, order.state
    pending = worth.standing == "PENDING"
    counted = worth.is_counted
    row: dict[str, Any] = {
        "standing": worth.standing,
        "customer_key": order.customer,
        "currency": state.shop.currency,
        "timezone": state.shop.timezone,
        "placed_at": order.placed_at,
        "is_renewal": order.is_renewal,
        "gross": worth.gross if counted or worth.standing == "CANCELLED" else None,
        "net": worth.net if counted or worth.standing == "CANCELLED" else None,
        "discounts": worth.discounts if counted else None,
        "refunded": worth.refunded if counted else None,
        "taxes": order.taxes,
        "shipping": order.shipping,
        "gift_cards_sold": order.gift_cards_sold,
        "pending": worth.net if pending else None,
        "counted_total": order.counted_total,
        "reason": worth.reason if counted or pending else None,
        "is_test": state.is_test and gives(state.shop).test_orders,
    }
    if order.life.whole is not None and state.paid is not Paid.CANCELLED:
        row["units"] = sum(line.quantity for line in state.lines)
    if counted:
        row["refunds_observable"] = worth.observable
        if state.tax and gives(state.shop).tax:
            row["taxes_included"] = state.is_tax_inside
    return row


def refund_rows(order: KnownOrder) -> dict[tuple[str, int], Row]:
    """Return an order's rows of ``refunds`` by (order, position)."""
    known = order.money.is_counted and order.money.net is not None
    return {
        (order.key, position): {
            "customer_key": order.customer,
            "currency": order.state.shop.currency,
            "refunded_at": back.at,
            "basis": back.basis,
            "goods": back.goods,
            "shipping": back.shipping,
            "tax": back.tax,
            "goodwill": back.goodwill,
            "net_effect": back.effect,
            "is_counted": known,
        }
        for position, back in enumerate(order.money.backs, start=1)
    }
