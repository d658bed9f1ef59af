"""What refunds take off the goods of an order, each with its date.

A refund takes off the goods of its lines, without tax. Money beyond its lines, their tax and its
shipping takes off the goods' share of the order's total. Only what succeeded counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cmp_to_key, reduce

from hookline.simulate.truth.amounts import NOTHING, Amount
from hookline.simulate.truth.orders.state import OrderLife
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.spans import Span, earlier, earliest
from hookline.simulate.truth.versions import occurred_at
from hookline.simulate.world.facts import Change, OrderState, Paid, Refund, Repayment

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """Something that went back: a row of ``refunds``. ``effect``: what it takes off the net."""

    at: Span
    basis: str
    number: int | None = None
    goods: Amount | None = None
    shipping: Amount | None = None
    tax: Amount | None = None
    goodwill: Amount | None = None
    effect: Amount = NOTHING

    def with_effect(self, effect: Amount) -> "Back":
        """Return it with another effect."""
        return replace(self, effect=effect)


def refunds(
    life: OrderLife, base: Fraction, untaxed: Fraction, total: Fraction
) -> tuple[Back, ...]:
    """Return what went back, oldest first; together it takes off no more than ``untaxed``.

    ``base`` and ``untaxed``: the goods after discounts as priced and without tax; ``total``: all
    that the customer paid.
    """
    shape = gives(life.newest.shop).refunds
    if shape == "transactions":
        found = [*_of_transactions(life)]
    elif shape in ("objects", "running"):
        found = [*_of_objects(life, base, untaxed, is_running=shape == "running")]
        if shape == "running":
            found += _of_running_total(life, sum((_covered(r, life) for r in _good(life)), ZERO))
    else:
        found = []
    by_status = shape in ("objects", "running", "status") and life.newest.paid is Paid.REFUNDED
    if not found and by_status and life.newest.change is not Change.DELETED:
        found = [Back(at=_first_refunded(life), basis="STATUS", goods=Amount.of(untaxed))]
    left = Amount(untaxed)
    limited: list[Back] = []
    for _, back in sorted(enumerate(found), key=cmp_to_key(_compare)):
        share = ZERO
        if back.goodwill is not None and total > 0:
            share = back.goodwill.value * untaxed / total
        off = ((back.goods or NOTHING) + Amount.of(share)).at_most(left)
        if limited and off.roundings:  # the difference of two sums, each of them rounded
            off = Amount(off.value, off.roundings + 1)
        left -= off
        limited.append(back.with_effect(off))
    return tuple(limited)


def _compare(one: tuple[int, Back], other: tuple[int, Back]) -> int:
    """Compare by time, then by id. Of one transaction what it gave back more came later."""
    (mine, a), (theirs, b) = one, other
    if mine == theirs:
        return 0
    if a.number is not None and a.number == b.number:
        return -1 if mine < theirs else 1
    if a.at == b.at == Span.at(a.at.first):
        return -1 if (_id(a), mine) < (_id(b), theirs) else 1
    return -1 if earlier(a.at, b.at, f"which refund came first, {_id(a)} or {_id(b)}") else 1


def _state(life: OrderLife) -> OrderState:
    return life.whole or life.newest


def _id(back: Back) -> str:
    return "" if back.number is None else str(back.number)


def _good(life: OrderLife) -> list[Refund]:
    return [refund for refund, _ in life.refunds().values() if refund.outcome == "success"]


def _of_objects(
    life: OrderLife, base: Fraction, untaxed: Fraction, *, is_running: bool
) -> Iterator[Back]:
    for refund, at in life.refunds().values():
        if refund.outcome != "success":
            continue
        beyond = None
        if refund.money is not None and not is_running:
            beyond = Amount.of(max(ZERO, Fraction(refund.money) - _covered(refund, life)))
        yield Back(
            at=at,
            basis="ORDER_REFUND",
            number=refund.number,
            goods=_goods(refund, _state(life), base, untaxed),
            shipping=Amount.of(refund.shipping) if refund.shipping else None,
            tax=None if refund.tax is None else Amount.of(refund.tax),
            goodwill=beyond,
        )


def _goods(refund: Refund, state: OrderState, base: Fraction, untaxed: Fraction) -> Amount | None:
    """Return what its lines are worth without tax; None where it has none."""
    if not refund.units:
        return None
    goods = Fraction(refund.goods)
    if not state.is_tax_inside:
        return Amount.of(goods)
    if refund.tax is not None:
        return Amount.of(goods - Fraction(refund.tax))
    return Amount.of(goods * untaxed / base if base else ZERO)


def _covered(refund: Refund, life: OrderLife) -> Fraction:
    """Return the money that its lines, their tax and its shipping account for."""
    tax = ZERO if _state(life).is_tax_inside else Fraction(refund.tax or 0)
    return Fraction(refund.goods) + tax + Fraction(refund.shipping)


def _of_running_total(life: OrderLife, lines: Fraction) -> Iterator[Back]:
    """Yield the steps by which the order's own total of its refunds grew beyond their lines."""
    steps = [(running_total(state), occurred_at(each)) for state, each in life.shown]
    for money, at in _growth(steps, lines):
        yield Back(at=at, basis="RUNNING_TOTAL", goodwill=Amount.of(money))


def running_total(state: OrderState) -> Fraction:
    """Return what the shop has paid back of an order so far."""
    paid = (refund.money or 0 for refund in state.refunds if refund.outcome == "success")
    return sum((Fraction(money) for money in paid), ZERO)


def _of_transactions(life: OrderLife) -> Iterator[Back]:
    for transaction in life.repayments:
        steps = [(Fraction(each.fact.refunded), occurred_at(each)) for each in transaction
                 if isinstance(each.fact, Repayment)]  # fmt: skip
        fact = transaction[-1].fact
        number = fact.number if isinstance(fact, Repayment) else None
        for money, at in _growth(steps, ZERO):
            yield Back(at=at, basis="PAYMENT", number=number, goodwill=Amount.of(money))


def _growth(
    steps: Sequence[tuple[Fraction, Span]], before: Fraction
) -> Iterator[tuple[Fraction, Span]]:
    """Yield what each state adds to the newest total, with the first time that it was given."""
    newest = steps[-1][0]
    first: dict[Fraction, Span] = {}
    for money, at in steps:
        first[money] = earliest(at, first.get(money, at))
    for money in sorted(first):
        if before < money <= newest:
            yield money - before, first[money]
            before = money


def _first_refunded(life: OrderLife) -> Span:
    """Return when a state first showed that all went back."""
    shown = [occurred_at(each) for each in life.received
             if isinstance(each.fact, OrderState) and each.fact.paid is Paid.REFUNDED]  # fmt: skip
    return reduce(earliest, shown)
