"""Refunds of every shape: lines, money, shipping, all, several, failed, pending, by status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Literal

from hookline.simulate.world.baskets import ZERO, money
from hookline.simulate.world.facts import (
    Change,
    Line,
    Micros,
    Money,
    OrderState,
    Paid,
    Refund,
    Repayment,
)

if TYPE_CHECKING:
    from hookline.simulate.world.orders import Order

_BY_STATUS, _PART_BY_STATUS, _SETTLES, _ALL_AT_ONCE = 0.15, 0.2, 0.7, 0.4
Later = Callable[[], Micros]
_SHAPES = ("lines", "lines", "lines and shipping", "goodwill", "all", "failed", "pending")
_FIRST_SHAPES = (*_SHAPES, "lines without money")


def of(
    order: Order, kind: str, chance: Random, again: float, later: Later
) -> list[OrderState | Repayment]:
    """Return the changes that refund an order, as its platform reports refunds (``kind``).

    ``again``: the chance of another refund.
    """
    if kind == "repayments":
        return list(_repaid(order, chance, again, later))
    by_status = kind == "status" or (kind == "objects or status" and chance.random() < _BY_STATUS)
    if by_status:
        order.at += later()
        is_part = kind == "status" and chance.random() < _PART_BY_STATUS
        order.paid = Paid.PARTLY_REFUNDED if is_part else Paid.REFUNDED
        return [order.state("refunded")]
    return _objects(order, chance, again, later, has_status=kind == "objects or status")


def _objects(
    order: Order, chance: Random, again: float, later: Later, *, has_status: bool
) -> list[OrderState | Repayment]:
    """Refund once or more; what was taken back is not taken back again."""
    changes: list[OrderState | Repayment] = []
    left = _Left(order)
    while True:
        shape = chance.choice(_FIRST_SHAPES if has_status else _SHAPES)
        order.at += later()
        made = left.refund(shape, chance)
        if made is None:
            break
        changes.append(_with(order, made))
        if made.outcome == "pending" and chance.random() < _SETTLES:
            order.at += later()
            settled = replace(made, outcome="success")
            left.take(settled)
            changes.append(_with(order, settled))
        if chance.random() >= again:
            break
    return changes


def _with(order: Order, refund: Refund) -> OrderState:
    """Add a refund to its order, or replace its earlier state."""
    order.refunds = (*(r for r in order.refunds if r.number != refund.number), refund)
    if refund.outcome == "success":
        back = sum((r.goods for r in order.refunds if r.outcome == "success"), ZERO)
        is_all = back == _goods(order) - order.basket.discount
        order.paid = Paid.REFUNDED if is_all else Paid.PARTLY_REFUNDED
    return order.state("refunded", refund=refund)


def _goods(order: Order) -> Money:
    return sum((line.total for line in order.basket.lines if not line.is_gift_card), ZERO)


class _Left:
    """What of an order can still be refunded; a line's worth is after its share of the discount."""

    def __init__(self, order: Order) -> None:
        self._order, basket = order, order.basket
        self._lines: tuple[Line, ...] = tuple(x for x in basket.lines if not x.is_gift_card)
        self._units = {line.number: line.quantity for line in self._lines}
        self._goods = _goods(order)
        self._base = self.goods = self._goods - basket.discount
        self.tax, self.shipping = basket.tax, basket.shipping
        self._is_goodwill_given = False

    def refund(self, shape: str, chance: Random) -> Refund | None:
        """Draw a refund of a shape; None where nothing is left of it. It is taken if it is made."""
        outcome: Literal["success", "pending", "failure"] = "success"
        if shape in ("failed", "pending"):
            outcome = "failure" if shape == "failed" else "pending"
            shape = chance.choice(("lines", "goodwill"))
        if shape == "goodwill":
            made = self._goodwill(outcome, chance)
        else:
            made = self._of_units(outcome, self._chosen(shape, chance), shape)
        if made is not None and outcome == "success":
            self.take(made)
        return made

    def take(self, made: Refund) -> None:
        """Note that a refund was made."""
        for number, units in made.units.items():
            self._units[number] -= units
        self.goods -= made.goods
        self.shipping -= made.shipping
        self.tax -= made.tax or ZERO
        if not made.units:
            self._is_goodwill_given = True

    def _chosen(self, shape: str, chance: Random) -> dict[int, int]:
        left = {number: units for number, units in self._units.items() if units}
        if shape == "all" or not left:
            return left
        number = chance.choice(tuple(left))
        return {number: chance.randrange(1, left[number] + 1)}

    def _of_units(
        self, outcome: Literal["success", "pending", "failure"], units: dict[int, int], shape: str
    ) -> Refund | None:
        if not units or self._is_goodwill_given:
            return None
        is_rest = all(units.get(number, 0) == left for number, left in self._units.items())
        goods = self.goods if is_rest else self._worth(units)
        if goods <= 0:
            return None
        tax = self._tax_of(goods)
        shipping = self.shipping if shape in ("lines and shipping", "all") else ZERO
        is_inside = self._order.basket.is_tax_inside
        paid = goods + shipping + (ZERO if is_inside else tax)
        return self._made(
            outcome, units, goods, tax, shipping,
            None if shape == "lines without money" else paid,
        )  # fmt: skip

    def _goodwill(
        self, outcome: Literal["success", "pending", "failure"], chance: Random
    ) -> Refund | None:
        most = int(self.goods.scaleb(2)) * 30 // 100
        if most < 1 or self._is_goodwill_given:
            return None
        paid = money(chance.randrange(1, most + 1))
        return self._made(outcome, {}, ZERO, None, ZERO, paid)

    def _made(
        self,
        outcome: Literal["success", "pending", "failure"],
        units: dict[int, int],
        goods: Money,
        tax: Money | None,
        shipping: Money,
        paid: Money | None,
    ) -> Refund:
        order = self._order
        return Refund(
            number=order.numbers.next("refunds"), at=order.at, outcome=outcome, units=units,
            goods=goods, tax=tax, shipping=shipping, money=paid,
        )  # fmt: skip

    def _worth(self, units: dict[int, int]) -> Money:
        """Return what some units are worth after the discount, in whole cents, rounded down."""
        prices = {line.number: line.price for line in self._lines}
        whole = sum((prices[number] * count for number, count in units.items()), ZERO)
        share = int((whole * self._base / self._goods).scaleb(2))
        return min(money(share), self.goods)

    def _tax_of(self, goods: Money) -> Money:
        """Return the tax of goods; what is left of it for the rest."""
        if goods == self.goods:
            return self.tax
        whole = self._order.basket.tax
        return min(self.tax, money(int((whole * goods / self._base).scaleb(2))))


def payment(order: Order) -> Repayment:
    """Return the transaction that pays an order, of which nothing is paid back."""
    order.transaction = Repayment(
        customer=order.customer,
        shop=order.numbers.shop,
        number=order.numbers.next("transactions"),
        change=Change.CREATED,
        order=order.number,
        created_at=order.at,
        changed_at=order.at,
        amount=order.basket.total,
        refunded=ZERO,
    )
    return order.transaction


def _repaid(order: Order, chance: Random, again: float, later: Later) -> list[Repayment]:
    """Pay a transaction's money back, in parts or at once."""
    made, changes, back = order.transaction, list[Repayment](), 0
    total = 0 if made is None else int(made.amount.scaleb(2))
    while made is not None and back < total:
        order.at += later()
        is_whole = chance.random() < _ALL_AT_ONCE
        back = total if is_whole else chance.randrange(back + 1, total + 1)
        changes.append(
            replace(made, change=Change.UPDATED, changed_at=order.at, refunded=money(back))
        )
        if chance.random() >= again:
            break
    return changes
