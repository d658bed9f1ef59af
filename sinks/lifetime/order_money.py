"""What one order contributes: net = gross - discounts - refunded."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from sinks.carts.records import CandidateOrder
from sinks.lifetime.amounts import ZERO, proportion, sum_given
from sinks.lifetime.goods import gift_cards_sold, goods_before_discounts, goods_lines
from sinks.lifetime.order_state import OrderState
from sinks.lifetime.refunds import (
    Prices,
    RefundEffect,
    lacks_amount,
    refund_effects,
    refunds_given,
    refunds_observable,
    replace_effect,
)
from sinks.lifetime.revenue_status import RevenueStatus, revenue_status
from sinks.lifetime.taxes import TaxBasis, order_taxes, taxes_included, without_tax

DISCOUNT_EXCEEDS_GOODS = "discount-exceeds-goods"


class OrderMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What an order contributes: columns of ``orders``. None is not given, or does not apply.

    Filled for COUNTED; gross and net are 0 for CANCELLED and None for every other status, so
    that plain sums over ``orders`` are those of ``customer_lifetime_value``. ``pending`` is what
    the net of a PENDING order would be. ``total`` includes tax and shipping. net + discounts +
    refunded = gross wherever net is known. ``reason`` is why a COUNTED or PENDING order has no
    net: ``tax-unknown``, ``items-unknown`` or ``refund-unknown``; with a net of 0 it is
    ``discount-exceeds-goods``. ``refund_effects`` are the rows of ``refunds``: those of a counted
    order with a net sum up to ``refunded``, those of other orders take nothing off.
    """

    revenue_status: RevenueStatus
    gross: Decimal | None = None
    discounts: Decimal | None = None
    taxes: Decimal | None = None
    shipping: Decimal | None = None
    gift_cards_sold: Decimal | None = None
    refunded: Decimal | None = None
    net: Decimal | None = None
    pending: Decimal | None = None
    total: Decimal | None = None
    refunds_observable: bool = False
    reason: str | None = None
    taxes_included: bool = False
    tax_basis: TaxBasis = TaxBasis.DEFAULT
    refund_effects: tuple[RefundEffect, ...] = ()

    @property
    def value(self) -> Decimal | None:
        """The net; of a pending order what it would be. It becomes ``recovered_value``."""
        return self.pending if self.revenue_status is RevenueStatus.PENDING else self.net


class _GoodsMoney(NamedTuple):
    """The money of an order's goods, without tax; all None where the net is unknown."""

    gross: Decimal | None = None
    discounts: Decimal | None = None
    refunded: Decimal | None = None
    net: Decimal | None = None
    reason: str | None = None
    effects: tuple[RefundEffect, ...] = ()


def order_money(order: OrderState) -> OrderMoney:
    """Work out what an order contributes."""
    status = revenue_status(order)
    inside, basis = taxes_included(order)
    taxes = order_taxes(order)
    goods = _goods_money(order, taxes, inside=inside)
    counted = status is RevenueStatus.COUNTED
    effects = tuple(
        replace_effect(
            effect, effect.net_effect if counted else ZERO,
            is_counted=counted and goods.net is not None,
        )
        for effect in goods.effects
    )  # fmt: skip
    if not counted:
        pending, cancelled = status is RevenueStatus.PENDING, status is RevenueStatus.CANCELLED
        return OrderMoney(
            revenue_status=status,
            gross=ZERO if cancelled else None,
            net=ZERO if cancelled else None,
            pending=goods.net if pending else None,
            reason=goods.reason if pending else None,
            taxes_included=inside,
            tax_basis=basis,
            refund_effects=effects,
        )
    return OrderMoney(
        revenue_status=status,
        gross=goods.gross,
        discounts=goods.discounts,
        taxes=taxes,
        shipping=order.shipping_total,
        gift_cards_sold=gift_cards_sold(order.items),
        refunded=goods.refunded,
        net=goods.net,
        total=order.total if order.total is not None else order.paid_total,
        refunds_observable=refunds_observable(order, effects),
        reason=goods.reason,
        taxes_included=inside,
        tax_basis=basis,
        refund_effects=effects,
    )


def candidate_order(order: OrderState, money: OrderMoney, is_renewal: bool) -> CandidateOrder:
    """Describe the order to the cart rules. Renewals, tests and drafts close no cart."""
    is_purchase = money.revenue_status not in (RevenueStatus.TEST, RevenueStatus.DRAFT)
    return CandidateOrder(
        order_key=order.order_key,
        source=order.source,
        shop=order.shop,
        placed_at=order.placed_at,
        may_close_cart=is_purchase and not is_renewal,
        value=money.value,
        currency=order.currency,
        standing=money.revenue_status.value,
        items=order.items,
        customer_id=order.customer_id,
        email_hash=order.email_hash,
        cart_token=order.cart_token,
        cart_id=order.cart_id,
    )


def _goods_money(order: OrderState, taxes: Decimal | None, *, inside: bool) -> _GoodsMoney:
    goods = goods_lines(order)
    listed = goods_before_discounts(order, goods)
    if listed is None:
        return _GoodsMoney(reason="items-unknown", effects=refund_effects(order, None))
    discounts, flag = order.discount_total, None
    if discounts is None:
        discounts = sum_given(line.discount for line in goods)
    if discounts is not None and discounts > max(listed, ZERO):
        discounts, flag = max(listed, ZERO), DISCOUNT_EXCEEDS_GOODS
    discounted = listed - (discounts or ZERO)
    untaxed = without_tax(goods, discounted, taxes) if inside else discounted
    prices = Prices(discounted, untaxed, inside)
    if untaxed is None:
        return _GoodsMoney(reason="tax-unknown", effects=refund_effects(order, prices))
    if discounts is None:
        gross = untaxed
    elif untaxed == discounted:
        gross = listed
    else:  # the tax comes off gross and discounts in proportion
        gross = proportion(listed, untaxed, discounted)
        discounts = gross - untaxed
    effects = refund_effects(order, prices)
    if untaxed > 0 and lacks_amount(order, effects):
        return _GoodsMoney(reason="refund-unknown")
    refunded = sum_given(effect.net_effect for effect in effects)
    if refunded is None and refunds_given(order):
        refunded = ZERO
    return _GoodsMoney(gross, discounts, refunded, untaxed - (refunded or ZERO), flag, effects)
