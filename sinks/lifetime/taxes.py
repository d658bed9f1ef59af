"""Taxes of an order, and goods without the tax that their prices include."""

from collections.abc import Sequence
from decimal import Decimal

from schemas.events import LineItem
from sinks.lifetime.amounts import ZERO, sum_given
from sinks.lifetime.order_state import OrderState


def order_taxes(order: OrderState) -> Decimal | None:
    """Return the order's own tax, else the sum of its lines' taxes."""
    if order.tax_total is not None:
        return order.tax_total
    return sum_given(line.tax for line in order.items or ())


def without_tax(
    order: OrderState, goods: Sequence[LineItem], discounted: Decimal, taxes: Decimal | None
) -> Decimal | None:
    """Take the tax out of ``discounted`` goods if the prices include it; None where it is unknown.

    The goods' own taxes come first, if every line gives one: the order's tax may include that
    of the shipping.
    """
    if not order.taxes_included or discounted <= 0:
        return discounted
    line_taxes = [line.tax for line in goods]
    tax = sum((each for each in line_taxes if each is not None), ZERO)
    if not line_taxes or None in line_taxes:
        if taxes is None:
            return None
        tax = taxes
    return discounted - tax if tax <= discounted else None
