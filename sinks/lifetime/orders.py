"""What one order is worth, from its newest state."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import msgspec

from schemas.events import Change, LineItem, Order, OrderStatus
from schemas.platforms import telling
from sinks.carts.lines import lines_total
from sinks.carts.records import CandidateOrder
from sinks.lifetime.records import OrderMoney, OrderState, Standing
from sinks.merge.event_fields import FIRST

NOTHING = Decimal(0)
PLACES = Decimal("0.0001")
_WIDE = Context(prec=64, rounding=ROUND_HALF_EVEN)
"""Room for any product of two amounts: a told total of 0.0001 must not raise."""
TELLS_REFUNDS = telling("refunds")
"""Platforms whose order events tell a refund."""
TELLS_PAYMENTS = telling("payments")
"""Platforms whose order status tells whether it was paid."""

_STANDINGS = {
    OrderStatus.PLACED: Standing.COUNTED,
    OrderStatus.PAID: Standing.COUNTED,
    OrderStatus.COMPLETED: Standing.COUNTED,
    OrderStatus.PARTIALLY_REFUNDED: Standing.COUNTED,
    OrderStatus.REFUNDED: Standing.COUNTED,
    OrderStatus.PENDING: Standing.PENDING,
    OrderStatus.UNKNOWN: Standing.PENDING,
    OrderStatus.CANCELLED: Standing.CANCELLED,
    OrderStatus.DELETED: Standing.CANCELLED,
}


def order_state(order_key: str, source: str, shop: str, fields: Mapping[str, Any]) -> OrderState:
    """The typed state of an order, from its flattened layers."""
    settings = fields["settings"]
    placed = (fields.get(name) for name in ("placed_at", "created_at", FIRST))
    known = {
        **fields,
        "order_key": order_key,
        "source": source,
        "shop": shop,
        "placed_at": next(at for at in placed if at is not None),
        "is_draft": fields.get("is_draft") is True,
        "counts_as_sale": settings["counts_as_sale"],
        "timezone": settings["timezone"],
    }
    for name in ("currency", "taxes_included"):
        if known.get(name) is None:
            known[name] = settings.get(name)
    return msgspec.convert(known, OrderState)


def state_of(order_key: str, order: Order) -> OrderState:
    """``order_state`` of an order of which this event is all that is told.

    Built by position: each keyword would be looked for among all fields.
    """
    source, shop, _ = order_key.split("/", 2)
    meta, customer, settings = order.meta, order.customer, order.meta.settings
    placed = order.placed_at if order.placed_at is not None else order.created_at
    taxes_included = order.taxes_included
    return OrderState(
        order_key,
        source,
        shop,
        placed if placed is not None else meta.occurred_at,
        order.status,
        None if customer is None else customer.customer_id,
        None if customer is None else customer.email_hash,
        order.cart_id,
        order.cart_token,
        order.subscription_id,
        order.currency if order.currency is not None else settings.currency,
        order.items,
        order.items_total,
        order.discount_total,
        order.tax_total,
        order.shipping_total,
        order.total,
        order.paid_total,
        order.refunded_total,
        order.refunded_goods,
        taxes_included if taxes_included is not None else settings.taxes_included,
        order.cancelled_at,
        settings.counts_as_sale,
        meta.is_test,
        order.is_draft is True,
        meta.change is Change.DELETED,
        order.successful_transactions if meta.change is Change.CREATED else None,
        settings.timezone,
    )


def standing(order: OrderState) -> Standing:
    """What the order is as money. Test and draft come before every status."""
    if order.is_test:
        return Standing.TEST
    if order.is_draft:
        return Standing.DRAFT
    if not order.counts_as_sale:
        return Standing.NOT_A_SALE
    if order.deleted or order.cancelled_at is not None:
        return Standing.CANCELLED
    by_status = _STANDINGS[order.status]
    if order.source not in TELLS_PAYMENTS and by_status is not Standing.CANCELLED:
        return Standing.COUNTED  # tells production, not payment
    return by_status


def money(order: OrderState) -> OrderMoney:
    """What the order is worth."""
    stands = standing(order)
    if stands is Standing.CANCELLED:
        return OrderMoney(standing=stands, gross=NOTHING, net=NOTHING)
    if stands not in (Standing.COUNTED, Standing.PENDING):
        return OrderMoney(standing=stands)
    goods = [line for line in order.items or () if not line.is_gift_card]
    gift_cards = _gift_cards(order.items)
    listed = _listed(order, goods)
    # The order's own figures, else the sums of what its lines tell.
    discounts, taxes = order.discount_total, order.tax_total
    if discounts is None:
        discounts = _summed(line.discount for line in goods)
    if taxes is None:
        taxes = _summed(line.tax for line in order.items or ())
    gross = refunded = net = None
    base = None if listed is None else listed - (discounts or NOTHING)
    untaxed = None if base is None else _untaxed(order, goods, base, taxes)
    if listed is None or base is None or untaxed is None:
        reason = "items-unknown" if base is None else "tax-unknown"
        discounts = None  # of an order without net nothing is in the sums that make up net
    else:
        reason = None
        if discounts is None:
            gross = untaxed
        elif untaxed == base:
            gross = listed
        else:
            gross = _share(listed, untaxed, base)
            discounts = gross - untaxed
        refunded = _refunded(order, base, untaxed)
        net = untaxed - (refunded or NOTHING)
    if stands is Standing.PENDING:
        return OrderMoney(standing=stands, pending=net, reason=reason)
    return OrderMoney(
        standing=stands,
        gross=gross,
        discounts=discounts,
        taxes=taxes,
        shipping=order.shipping_total,
        gift_cards_sold=gift_cards,
        refunded=refunded,
        net=net,
        total=order.total if order.total is not None else order.paid_total,
        refunds_observable=_refunds_observable(order),
        reason=reason,
    )


def renewals(orders: Iterable[OrderState]) -> frozenset[str]:
    """Keys of those orders that are renewals, given all orders naming the same subscriptions.

    A renewal names a subscription that an older order names, or its CREATED event told more
    than one successful transaction. Tests and drafts make no other order a renewal.
    """
    found: set[str] = set()
    named: defaultdict[tuple[str, str, str], list[OrderState]] = defaultdict(list)
    for order in orders:
        if order.subscription_id is None:
            continue
        if (order.created_successful_transactions or 0) > 1:
            found.add(order.order_key)
        named[order.source, order.shop, order.subscription_id].append(order)
    for group in named.values():
        real = [order for order in group if not (order.is_test or order.is_draft)]
        first = min(((order.placed_at, order.order_key) for order in real), default=None)
        found.update(
            order.order_key
            for order in group
            if first is not None and (order.placed_at, order.order_key) > first
        )
    return frozenset(found)


def candidate(order: OrderState, worth: OrderMoney, is_renewal: bool) -> CandidateOrder:
    """The order as one that may close a cart. Renewals, tests and drafts close none."""
    return CandidateOrder(
        order_key=order.order_key,
        source=order.source,
        shop=order.shop,
        placed_at=order.placed_at,
        closes=not is_renewal and worth.standing not in (Standing.TEST, Standing.DRAFT),
        value=worth.value,
        currency=order.currency,
        cancelled=worth.standing is Standing.CANCELLED,
        items=order.items,
        customer_id=order.customer_id,
        email_hash=order.email_hash,
        cart_token=order.cart_token,
        cart_id=order.cart_id,
    )


def _summed(lines: Iterable[Decimal | None]) -> Decimal | None:
    told = [amount for amount in lines if amount is not None]
    return sum(told, NOTHING) if told else None


def _gift_cards(items: Sequence[LineItem] | None) -> Decimal | None:
    flags = [line.is_gift_card for line in items or ()]
    if True in flags:
        return lines_total(line for line in items or () if line.is_gift_card)
    return NOTHING if False in flags else None


def _listed(order: OrderState, goods: Sequence[LineItem]) -> Decimal | None:
    """Goods before discounts, gift cards apart, as the payload's prices stand."""
    if order.items_total is not None and len(goods) == len(order.items or ()):
        return order.items_total
    lines = lines_total(goods) if order.items is not None else None
    if order.items_total is None:
        return lines
    sold = _gift_cards(order.items)
    if order.items_total == lines or sold is None:
        return lines
    return order.items_total - sold


def _untaxed(
    order: OrderState, goods: Sequence[LineItem], base: Decimal, taxes: Decimal | None
) -> Decimal | None:
    """Discounted goods without tax; None where the tax within is not told.

    The lines' own taxes where all of them tell it: the order's may hold that of the shipping.
    """
    if not order.taxes_included or base <= 0:
        return base
    on_lines = [line.tax for line in goods]
    tax = sum((each for each in on_lines if each is not None), NOTHING)
    if not on_lines or None in on_lines:
        if taxes is None:
            return None
        tax = taxes
    return base - tax if tax <= base else None


def _refunded(order: OrderState, base: Decimal, untaxed: Decimal) -> Decimal | None:
    """The goods part of what was refunded, without tax; None where no refund is told."""
    if order.refunded_goods is not None:
        if untaxed == base:
            return order.refunded_goods
        return _share(order.refunded_goods, untaxed, base)
    if order.refunded_total is not None:
        total = _total(order, base)
        # Goods above the total, or below nothing, are the payload's mistake: a part is a part.
        share = _share(order.refunded_total, untaxed, total) if total else NOTHING
        return max(NOTHING, min(share, order.refunded_total))
    return untaxed if order.status is OrderStatus.REFUNDED else None


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    share = _WIDE.divide(_WIDE.multiply(amount, part), whole)
    return share.quantize(PLACES, context=_WIDE)


def _total(order: OrderState, base: Decimal) -> Decimal:
    """All that the customer owes: as told, else the sum of the told parts."""
    for told in (order.total, order.paid_total):
        if told is not None:
            return told
    tax = NOTHING if order.taxes_included else order.tax_total or NOTHING
    sold = _gift_cards(order.items) or NOTHING
    return base + tax + sold + (order.shipping_total or NOTHING)


def _refunds_observable(order: OrderState) -> bool:
    told = order.refunded_goods is not None or order.refunded_total is not None
    return order.source in TELLS_REFUNDS and (
        told or order.status is not OrderStatus.PARTIALLY_REFUNDED
    )
