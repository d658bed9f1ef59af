"""Refunds: how much of an order's goods was given back, by which refund, and when.

A refund takes off the goods of its lines, without tax. Money beyond its lines, their tax and its
shipping is goodwill: it takes off the goods' share of the order's total.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.events import Micros, OrderStatus, PaymentStatus
from schemas.platforms import PLATFORMS
from sinks.lifetime.amounts import ZERO, proportion
from sinks.lifetime.goods import gift_cards_sold
from sinks.lifetime.order_state import OrderState, RefundState
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS, RefundedStep

PROVIDES_REFUNDS = frozenset(name for name, row in PLATFORMS.items() if row.refunds_from)
"""Platforms whose events give refunds."""


class RefundBasis(StrEnum):
    """What a refund is known from."""

    ORDER_REFUND = "ORDER_REFUND"
    RUNNING_TOTAL = "RUNNING_TOTAL"
    PAYMENT = "PAYMENT"
    STATUS = "STATUS"


class RefundEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One refund, or one step of a running total, and what it takes off the order's net.

    ``goods``: goods given back, without tax where that is known. ``goodwill``: money beyond lines.
    ``net_effect`` is None where the net is unknown.
    """

    refunded_at: Micros
    basis: RefundBasis
    refund_id: str | None = None
    goods: Decimal | None = None
    shipping: Decimal | None = None
    tax: Decimal | None = None
    goodwill: Decimal | None = None
    net_effect: Decimal | None = None
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of an order's goods after discounts: as listed, and without tax (None: unknown)."""

    discounted: Decimal
    untaxed: Decimal | None
    taxes_included: bool

    def without_tax(self, goods: Decimal, tax: Decimal | None) -> Decimal | None:
        """Take the tax out of a part of the goods."""
        if not self.taxes_included:
            return goods
        if tax is not None:
            return max(ZERO, goods - tax)
        if self.untaxed is None or not self.discounted:
            return self.untaxed
        return proportion(goods, self.untaxed, self.discounted)


def refund_effects(order: OrderState, prices: Prices | None) -> tuple[RefundEffect, ...]:
    """Return the refunds that succeeded, oldest first; together they take off no more than all.

    ``prices`` is None where the price of the goods is unknown; the effects are unknown then.
    """
    effects = sorted(
        _effects(order, prices or Prices(ZERO, None, False)),
        key=lambda effect: (effect.refunded_at, effect.refund_id or ""),
    )
    if prices is None or prices.untaxed is None:
        return tuple(replace_effect(effect, None) for effect in effects)
    capped, taken, goods, goodwill = [], ZERO, ZERO, ZERO
    for effect in effects:
        # By the sums so far: shares that are rounded one by one leave a rest of what is all back.
        goods += max(ZERO, effect.goods or ZERO)
        goodwill += max(ZERO, effect.goodwill or ZERO)
        together = min(max(ZERO, prices.untaxed), goods + _share(order, prices, goodwill))
        capped.append(replace_effect(effect, max(ZERO, together - taken)))
        taken = max(taken, together)
    return tuple(capped)


def replace_effect(
    effect: RefundEffect, net_effect: Decimal | None, *, is_counted: bool = False
) -> RefundEffect:
    """Return a refund with another effect."""
    return msgspec.structs.replace(effect, net_effect=net_effect, is_counted=is_counted)


def refunds_given(order: OrderState) -> bool:
    """Return whether events give the order's refunds, be it that there is none."""
    if order.source in REFUNDS_FROM_PAYMENTS:
        return bool(order.payments)
    amounts = order.refunded_goods, order.refunded_total
    return order.refunds_given or amounts != (None, None)


def lacks_amount(order: OrderState, effects: Sequence[RefundEffect]) -> bool:
    """Return whether a part was refunded and no event gives how much."""
    return order.status is OrderStatus.PARTIALLY_REFUNDED and not any(map(_has_amount, effects))


def refunds_observable(order: OrderState, effects: Sequence[RefundEffect]) -> bool:
    """Return whether a refund of this order would be seen, with its amount."""
    return order.source in PROVIDES_REFUNDS and not lacks_amount(order, effects)


def _effects(order: OrderState, prices: Prices) -> Iterator[RefundEffect]:
    if order.source in REFUNDS_FROM_PAYMENTS:
        given = list(_of_payments(order, prices))
    else:
        given = list(_of_order(order, prices))
    if order.status is OrderStatus.REFUNDED and not any(map(_has_amount, given)):
        at = order.placed_at if order.first_refunded_at is None else order.first_refunded_at
        yield RefundEffect(refunded_at=at, basis=RefundBasis.STATUS, goods=prices.untaxed)
    yield from given


def _has_amount(effect: RefundEffect) -> bool:
    """Return whether it is given how much a refund gave back: its lines or its money."""
    return (effect.goods, effect.goodwill, effect.shipping) != (None, None, None)


def _of_payments(order: OrderState, prices: Prices) -> Iterator[RefundEffect]:
    for payment in order.payments:
        if payment.refunded is None:  # whole, as an order that is REFUNDED and gives no amount
            yield RefundEffect(
                refunded_at=payment.steps[0][1],
                basis=RefundBasis.PAYMENT,
                refund_id=payment.payment_id,
                goods=prices.untaxed,
            )
            continue
        for money, at in _increments(payment.refunded, payment.steps, order.placed_at):
            yield RefundEffect(
                refunded_at=at,
                basis=RefundBasis.PAYMENT,
                refund_id=payment.payment_id,
                goodwill=money,
            )


def _of_order(order: OrderState, prices: Prices) -> Iterator[RefundEffect]:
    running = order.refunded_total
    succeeded = [each for each in order.refunds if each.status is PaymentStatus.SUCCEEDED]
    if order.refunded_goods is not None:
        # Events of adapters before refunds were listed: their total is a sum of the list.
        if order.refunds_given:
            running = None
        elif order.refunded_goods > 0:
            yield RefundEffect(
                refunded_at=_date_of(order),
                basis=RefundBasis.RUNNING_TOTAL,
                goods=prices.without_tax(order.refunded_goods, None),
            )
            return
    lines = ZERO
    for refund in succeeded:
        of_lines = _money_of_lines(refund, prices)
        lines += of_lines
        goodwill = None if running or refund.amount is None else refund.amount - of_lines
        goods = None if refund.goods is None else prices.without_tax(refund.goods, refund.tax)
        yield RefundEffect(
            refunded_at=refund.at,
            basis=RefundBasis.ORDER_REFUND,
            refund_id=refund.refund_id,
            goods=goods,
            shipping=refund.shipping,
            tax=refund.tax,
            goodwill=None if goodwill is None else max(ZERO, goodwill),
        )
    if running and running > 0:
        for money, at in _increments(running, order.refunded_steps, order.placed_at, lines):
            yield RefundEffect(refunded_at=at, basis=RefundBasis.RUNNING_TOTAL, goodwill=money)


def _money_of_lines(refund: RefundState, prices: Prices) -> Decimal:
    """Return the money that a refund's lines, their tax and its shipping account for."""
    tax = ZERO if prices.taxes_included else refund.tax or ZERO
    return (refund.goods or ZERO) + tax + (refund.shipping or ZERO)


def _increments(
    total: Decimal, steps: Iterable[RefundedStep], otherwise: Micros, without: Decimal = ZERO
) -> Iterator[tuple[Decimal, Micros]]:
    """Yield the money that each step of a running total adds, beyond the first ``without``.

    Steps above the newest total were taken back. A total without a step has the date of the
    step before it, else ``otherwise``.
    """
    before, at = without, otherwise
    for amount, first_at in (*(step for step in steps if step[0] <= total), (total, None)):
        at = at if first_at is None else first_at
        if amount > before:
            yield amount - before, at
            before = amount


def _date_of(order: OrderState) -> Micros:
    return next((at for amount, at in order.refunded_steps), order.placed_at)


def _share(order: OrderState, prices: Prices, goodwill: Decimal) -> Decimal:
    """Return what money beyond lines takes off the untaxed goods, before the limit of all goods."""
    if not goodwill:
        return ZERO
    total = _order_total(order, prices)
    # Faulty payloads give goods above the total, or below zero.
    share = proportion(goodwill, prices.untaxed or ZERO, total) if total > 0 else ZERO
    return max(ZERO, min(share, goodwill))


def _order_total(order: OrderState, prices: Prices) -> Decimal:
    """All that the customer owes: as given, else the sum of the parts that are given."""
    for total in (order.total, order.paid_total):
        if total is not None:
            return total
    tax = ZERO if prices.taxes_included else order.tax_total or ZERO
    gift_cards = gift_cards_sold(order.items) or ZERO
    return prices.discounted + tax + gift_cards + (order.shipping_total or ZERO)
