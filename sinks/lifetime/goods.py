"""The goods of an order: what its lines sell, gift cards apart."""

from collections.abc import Sequence
from decimal import Decimal

from schemas.events import LineItem
from sinks.carts.lines import lines_total
from sinks.lifetime.amounts import ZERO
from sinks.lifetime.order_state import OrderState


def goods_lines(order: OrderState) -> list[LineItem]:
    """Return the lines that are not gift cards."""
    return [line for line in order.items or () if not line.is_gift_card]


def gift_cards_sold(items: Sequence[LineItem] | None) -> Decimal | None:
    """Add up the gift-card lines; None where no line shows whether it is one."""
    flags = [line.is_gift_card for line in items or ()]
    if True in flags:
        return lines_total(line for line in items or () if line.is_gift_card)
    return ZERO if False in flags else None


def goods_before_discounts(order: OrderState, goods: Sequence[LineItem]) -> Decimal | None:
    """Price the goods before discounts, with the tax that the payload's prices include.

    The order's own total, less gift cards, else the sum of its lines; None where neither is
    given.
    """
    if order.items_total is not None and len(goods) == len(order.items or ()):
        return order.items_total
    of_lines = lines_total(goods) if order.items is not None else None
    if order.items_total is None:
        return of_lines
    gift_cards = gift_cards_sold(order.items)
    # Some platforms leave gift cards out of the total already: it then equals the goods' lines.
    if order.items_total == of_lines or gift_cards is None:
        return of_lines
    left = order.items_total - gift_cards
    # A total below its own gift cards does not hold them all: the lines know the goods.
    return left if left >= 0 else of_lines or ZERO
