"""What one order is worth: net = gross - discounts - refunded, without tax.

One rule after the other, in the order in which the law has them.
"""

from dataclasses import dataclass
from fractions import Fraction

from hookline.simulate.truth.amounts import NOTHING, Amount, total
from hookline.simulate.truth.orders.refunds import Back, refunds
from hookline.simulate.truth.orders.state import OrderLife
from hookline.simulate.truth.platforms import gives
from hookline.simulate.world.facts import Line, OrderState, Paid

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What an order comes to; None is not given or cannot be known.

    ``standing`` as in the table. ``value``: the net, of a pending order what it would be.
    ``backs``: the refunds that succeeded, oldest first; they take something off a counted order.
    """

    standing: str
    gross: Amount | None = None
    discounts: Amount | None = None
    refunded: Amount | None = None
    net: Amount | None = None
    reason: str | None = None
    observable: bool = False
    backs: tuple[Back, ...] = ()

    @property
    def is_counted(self) -> bool:
        """Whether it is revenue."""
        return self.standing == "COUNTED"


def standing(state: OrderState) -> str:
    """Return what the newest state of an order is as money."""
    given = gives(state.shop)
    if state.is_test and given.test_orders:
        return "TEST"
    if not state.shop.counts_as_sale:
        return "NOT_A_SALE"
    if state.change.value == "deleted" or state.paid is Paid.CANCELLED or state.cancelled_at:
        return "CANCELLED"
    if state.paid is Paid.PENDING and given.status:
        return "PENDING"
    return "COUNTED"


def money(life: OrderLife) -> Money:
    """Return what an order comes to after all its states."""
    state, as_money = life.whole, standing(life.newest)
    if state is None:
        return Money(standing="CANCELLED", gross=NOTHING, net=NOTHING)

    goods = Fraction(sum(line.total for line in state.lines if not line.is_gift_card))
    discount = Fraction(state.discount)
    reason = "discount-exceeds-goods" if discount > goods else None
    base = goods - min(discount, goods)  # what the goods cost, with the tax that is inside
    untaxed = base
    if state.is_tax_inside and base > 0:
        tax = Fraction(state.tax)
        if (not gives(state.shop).tax or tax > base) and as_money != "CANCELLED":
            return Money(standing=as_money, reason="tax-unknown")
        untaxed = base - tax
    backs = refunds(life, base, untaxed, _order_total(state, base))
    if as_money == "CANCELLED":
        return Money(standing=as_money, gross=NOTHING, net=NOTHING, backs=_without_effect(backs))
    if _is_part_unknown(life, backs) and untaxed > 0:
        return Money(standing=as_money, reason="refund-unknown")
    gross = goods * untaxed / base if base else goods
    refunded = _all_back(backs, untaxed)
    if refunded is None and life.are_refunds_given:
        refunded = NOTHING
    return Money(
        standing=as_money,
        gross=Amount.of(gross),
        discounts=Amount.of(gross - untaxed),
        refunded=refunded,
        net=Amount.of(untaxed) - (refunded or NOTHING),
        reason=reason,
        observable=gives(state.shop).reports_refunds and not _is_part_unknown(life, backs),
        backs=backs if as_money == "COUNTED" else _without_effect(backs),
    )


def _order_total(state: OrderState, base: Fraction) -> Fraction:
    """All that the customer paid: as given, else the sum of the parts that are given."""
    given = gives(state.shop)
    if given.total:
        return Fraction(state.total)
    tax = ZERO if state.is_tax_inside or not given.tax else Fraction(state.tax)
    cards = Fraction(sum(line.total for line in state.lines if line.is_gift_card))
    return base + tax + cards + (Fraction(state.shipping) if given.shipping else ZERO)


def _is_part_unknown(life: OrderLife, backs: tuple[Back, ...]) -> bool:
    """Whether a part went back, and the platform does not give how much."""
    by_status = gives(life.newest.shop).refunds in ("objects", "running", "status")
    return by_status and life.newest.paid is Paid.PARTLY_REFUNDED and not backs


def _all_back(backs: tuple[Back, ...], untaxed: Fraction) -> Amount | None:
    """Return what the refunds take off in all: at most the goods."""
    if not backs:
        return None
    return total(back.effect for back in backs).at_most(Amount(untaxed))


def _without_effect(backs: tuple[Back, ...]) -> tuple[Back, ...]:
    """Return the refunds of an order that does not count: they take nothing off."""
    return tuple(back.with_effect(NOTHING) for back in backs)


def gift_cards(lines: tuple[Line, ...]) -> Amount:
    """Return what the gift cards sold come to."""
    return Amount.of(sum((Fraction(x.total) for x in lines if x.is_gift_card), ZERO))
