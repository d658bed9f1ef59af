"""The life of an order: placed, paid, edited, cancelled, reinstated, refunded, deleted."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hookline.simulate.world import refunds
from hookline.simulate.world.baskets import Basket, Baskets
from hookline.simulate.world.facts import (
    SECOND,
    Change,
    Customer,
    Micros,
    OrderState,
    Paid,
    Refund,
    Repayment,
    SimulatedShop,
)
from hookline.simulate.world.knobs import Behaviour
from hookline.simulate.world.people import ShopNumbers

Later = Callable[[], Micros]
OrderChange = OrderState | Repayment
Redraw = Callable[[], Basket]
_PAYS = 0.8
HOUR: Micros = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a platform reports of an order after it was placed."""

    pays_later: bool = False
    edits: bool = False
    cancels: bool = False
    fulfils: bool = False
    deletes: bool = False
    tests: bool = False
    refunds: str = ""
    """``objects``, ``objects or status``, ``status``, ``repayments``; empty: none."""


ABILITIES = {
    "spiffy json": Abilities(True, True, True, True, True, True, "objects or status"),
    "spiffy xml": Abilities(True, True, True, True, True, True, "objects or status"),
    "shoprocket envelope": Abilities(True, True, True, True, True, True, "objects"),
    "shoprocket older": Abilities(True, True, True, True, True, True, "status"),
    "ciklik json": Abilities(pays_later=True, cancels=True, refunds="repayments"),
    "gooten json": Abilities(edits=True, cancels=True, fulfils=True, tests=True),
    "run-free json": Abilities(),
}


class Order:
    """An order that changes; ``state`` is what its shop knows of it now."""

    def __init__(
        self, customer: Customer, numbers: ShopNumbers, placed_at: Micros, basket: Basket
    ) -> None:
        self.customer, self.numbers = customer, numbers
        self.number = numbers.next("orders")
        self.placed_at = numbers.clock(placed_at)
        self.at = self.placed_at
        self.basket = basket
        self.paid = Paid.PAID
        self.refunds: tuple[Refund, ...] = ()
        self.cancelled_at: Micros | None = None
        self.transaction: Repayment | None = None
        self.cart: int | None = None
        self.subscription: int | None = None
        self.is_renewal = self.is_test = self.is_fulfilled = False

    def state(
        self, reason: str, change: Change = Change.UPDATED, refund: Refund | None = None
    ) -> OrderState:
        """Return the whole order as it is after a change."""
        basket = self.basket
        return OrderState(
            customer=self.customer,
            shop=self.numbers.shop,
            number=self.number,
            change=change,
            reason=reason,
            placed_at=self.placed_at,
            changed_at=self.at,
            paid=self.paid,
            lines=basket.lines,
            discount=basket.discount,
            tax=basket.tax,
            is_tax_inside=basket.is_tax_inside,
            shipping=basket.shipping,
            total=basket.total,
            refunds=self.refunds,
            refund=refund,
            cancelled_at=self.cancelled_at,
            cart=self.cart,
            subscription=self.subscription,
            is_renewal=self.is_renewal,
            is_test=self.is_test,
            is_fulfilled=self.is_fulfilled,
        )


class OrderLives:
    """Draws orders of one shop, and what happens to them. ``numbers``, ``baskets``: the shop's."""

    def __init__(self, chance: Random, behaviour: Behaviour, numbers: ShopNumbers) -> None:
        self._chance, self._behaviour = chance, behaviour
        shop = numbers.shop
        self.numbers = numbers
        self.baskets = _baskets(chance, behaviour, shop)
        self._can = ABILITIES[f"{shop.source} {shop.format}"]

    def basket(self, spend: int) -> Basket:
        """Draw contents that are worth ``spend`` cents."""
        basket = self.baskets.of_spend(spend, self.numbers.lines)
        self.numbers.lines += len(basket.lines) + 1
        return basket

    def of(self, order: Order, redraw: Redraw, later: Later) -> list[OrderChange]:
        """Return the order's states, and its transactions, in the order of their times.

        ``redraw``: draws other contents. ``later``: draws the time between two changes; the shop
        writes whole seconds, so it is at least two of them.
        """
        chance, can, behaviour = self._chance, self._can, self._behaviour
        order.is_test = can.tests and chance.random() < behaviour.tests
        if not order.is_test and can.pays_later and chance.random() < behaviour.pays_later:
            order.paid = Paid.PENDING
        changes: list[OrderChange] = [order.state("placed", Change.CREATED)]
        if order.paid is Paid.PENDING and chance.random() < _PAYS:
            order.at += later()
            order.paid = Paid.PAID
            changes.append(order.state("paid"))
        if order.is_test or order.paid is Paid.PENDING:
            return changes
        if can.edits and chance.random() < behaviour.edits:
            order.at += later()
            order.basket = redraw()
            changes.append(order.state("edited"))
        if can.refunds == "repayments" and order.basket.total:
            changes.append(refunds.payment(order))
        if can.fulfils and chance.random() < behaviour.fulfils:
            order.at += later()
            order.is_fulfilled = True
            changes.append(order.state("fulfilled"))
        self._end(order, later, changes)
        return changes

    def _end(self, order: Order, later: Later, changes: list[OrderChange]) -> None:
        """Cancel, refund or delete some orders."""
        chance, can, behaviour = self._chance, self._can, self._behaviour
        if can.cancels and chance.random() < behaviour.cancels:
            self._cancel(order, later, changes)
        if can.refunds and order.cancelled_at is None and chance.random() < behaviour.refunds:
            changes += refunds.of(order, can.refunds, chance, behaviour.refunds_again, later)
        if can.deletes and chance.random() < behaviour.deletions:
            order.at += later()
            changes.append(order.state("deleted", Change.DELETED))

    def _cancel(self, order: Order, later: Later, changes: list[OrderChange]) -> None:
        """Cancel an order, and reinstate some of them."""
        order.at += later()
        order.cancelled_at, order.paid = order.at, Paid.CANCELLED
        changes.append(order.state("cancelled"))
        if self._chance.random() < self._behaviour.reinstates:
            order.at += later()
            order.cancelled_at, order.paid = None, Paid.PAID
            changes.append(order.state("reinstated"))


def _baskets(chance: Random, behaviour: Behaviour, shop: SimulatedShop) -> Baskets:
    """Return what fills a shop's orders. Without a setting, a platform's prices may be fixed."""
    is_inside = shop.taxes_included
    if is_inside is None and shop.source not in ("spiffy", "shoprocket"):
        is_inside = False
    return Baskets(
        chance,
        behaviour,
        source=shop.source,
        is_inside=is_inside,
        has_tax=shop.source != "gooten",
        has_shipping=shop.source != "run-free",
        has_cards=shop.source == "spiffy",
        has_units=shop.source != "gooten",
    )
