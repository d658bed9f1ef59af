"""Taxes of an order, and goods without the tax that their prices include."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from schemas.events import LineItem
from schemas.platforms import PLATFORMS
from sinks.carts.lines import lines_total
from sinks.lifetime.amounts import ZERO, sum_given
from sinks.lifetime.order_state import OrderState

_TOLERANCE = Decimal("0.01")


class TaxBasis(StrEnum):
    """What decided whether an order's prices include tax."""

    PAYLOAD = "PAYLOAD"
    SETTING = "SETTING"
    SUMS = "SUMS"
    DEFAULT = "DEFAULT"


def taxes_included(order: OrderState) -> tuple[bool, TaxBasis]:
    """Return whether the order's prices include tax, and what decided it.

    The payload, else the shop's setting, else the payload's own sums, else the platform.
    """
    if order.taxes_included is not None:
        return order.taxes_included, TaxBasis.PAYLOAD
    if order.shop_taxes_included is not None:
        return order.shop_taxes_included, TaxBasis.SETTING
    if (by_sums := _by_sums(order)) is not None:
        return by_sums, TaxBasis.SUMS
    platform = PLATFORMS.get(order.source)
    return platform is not None and platform.taxes_included, TaxBasis.DEFAULT


def order_taxes(order: OrderState) -> Decimal | None:
    """Return the order's own tax, else the sum of its lines' taxes."""
    if order.tax_total is not None:
        return order.tax_total
    return sum_given(line.tax for line in order.items or ())


def without_tax(
    goods: Sequence[LineItem], discounted: Decimal, taxes: Decimal | None
) -> Decimal | None:
    """Take the tax out of ``discounted`` goods, whose prices include it; None where unknown.

    The goods' own taxes come first, if every line gives one: the order's tax may include that
    of the shipping.
    """
    if discounted <= 0:
        return discounted
    line_taxes = [line.tax for line in goods]
    tax = sum((each for each in line_taxes if each is not None), ZERO)
    if not line_taxes or None in line_taxes:
        if taxes is None:
            return None
        tax = taxes
    return discounted - tax if tax <= discounted else None


def _by_sums(order: OrderState) -> bool | None:
    """Compare items - discounts + shipping with the total, without and with the tax added."""
    total = order.total if order.total is not None else order.paid_total
    items = order.items_total
    if items is None and order.items is not None:
        items = lines_total(order.items)
    tax = order_taxes(order)
    if total is None or items is None or tax is None or tax <= 0:
        return None
    discounts = order.discount_total
    if discounts is None:
        discounts = sum_given(line.discount for line in order.items or ())
    parts = items - (discounts or ZERO) + (order.shipping_total or ZERO)
    inside, outside = abs(parts - total), abs(parts + tax - total)
    if min(inside, outside) > _TOLERANCE:
        return None
    return inside <= outside
