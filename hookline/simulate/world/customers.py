"""Customers of the history: they buy by BG/NBD, spend by Gamma-Gamma, change and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.simulate.world.baskets import ZERO, Basket, worth
from hookline.simulate.world.facts import (
    DAY,
    SECOND,
    Change,
    Customer,
    CustomerState,
    Micros,
    Money,
    OrderState,
    Paid,
)
from hookline.simulate.world.orders import Order, OrderLives
from hookline.simulate.world.subscriptions import Subscription

if TYPE_CHECKING:
    from hookline.simulate.world.agenda import World

_REPORTS_UPDATES = ("spiffy", "shoprocket", "ciklik")
_REPORTS_DELETIONS = ("spiffy", "shoprocket")
_MAY_VISIT = ("run-free", "ciklik", "gooten")
"""Where a customer of the history may come to visit, once: no customer is deleted there."""
_EITHER, _ASKED = 0.5, 0.8
_MINUTE: Micros = 60 * SECOND


class Buyer:
    """A customer of the history. Entering registers it; ``buy`` is due at each purchase."""

    __slots__ = (
        "_at", "_customer", "_is_first", "_leaves", "_lives", "_orders", "_rate", "_spent",
        "_value", "_world",
    )  # fmt: skip

    def __init__(self, world: World, lives: OrderLives, due: Micros) -> None:
        self._world, self._lives = world, lives
        chance, behaviour = world.chance, world.knobs.behaviour
        at = world.knobs.history_at(due)
        self._customer = world.people.customer(
            lives.numbers, at, can_be_guest=lives.numbers.shop.source in ("spiffy", "shoprocket")
        )
        self._rate = chance.gammavariate(behaviour.r, 1 / behaviour.alpha)
        self._leaves = chance.betavariate(behaviour.a, behaviour.b)
        self._value = chance.gammavariate(behaviour.q, 1 / behaviour.gamma)
        self._is_first, self._orders, self._spent = True, 0, ZERO
        if self._customer.number is not None:
            world.push(due, created(world, self._customer))
        self._at = at + chance.randrange(1, 20) * _MINUTE
        world.push(world.knobs.due_of(self._at), self.buy)

    def buy(self, due: Micros) -> None:
        """Order, with all that happens to it, and draw when the next one is placed."""
        world, lives = self._world, self._lives
        order = Order(self._customer, lives.numbers, self._at, self._basket())
        if self._is_first and self._subscribes():
            subscription = Subscription(world, lives, self._customer, order.placed_at)
            subscription.begin(due)
            order.subscription = subscription.number
        changes = lives.of(order, self._basket, self._later)
        world.report(changes)
        last = [each for each in changes if type(each) is OrderState][-1]
        if not order.is_test:
            self._orders += 1
            if last.paid not in (Paid.PENDING, Paid.CANCELLED):
                self._spent += last.total
        is_gone = self._change(last.changed_at)
        leaves = not self._is_first and world.chance.random() < self._leaves
        if self._is_first and self._customer.shop.source in _MAY_VISIT:
            world.known[self._customer.shop.key] = self._customer
        self._is_first = False
        if not (is_gone or leaves):
            self._at += max(_MINUTE, int(world.chance.expovariate(self._rate) * DAY))
            if self._at < world.knobs.history_ends:
                world.push(world.knobs.due_of(self._at), self.buy)

    def _basket(self) -> Basket:
        """Draw an order's contents, worth the customer's next spend."""
        spend = self._world.chance.gammavariate(self._world.knobs.behaviour.p, 1 / self._value)
        return self._lives.basket(worth(round(spend * 100)))

    def _later(self) -> Micros:
        """Draw the time from one change of an order to the next, in whole seconds."""
        return 2 * SECOND + int(self._world.chance.expovariate(1 / (30 * 3600))) * SECOND

    def _subscribes(self) -> bool:
        is_possible = self._customer.shop.source == "ciklik"
        return is_possible and self._world.chance.random() < self._world.knobs.behaviour.subscribes

    def _change(self, at: Micros) -> bool:
        """Update or delete the customer after an order; return whether it is deleted."""
        world, customer = self._world, self._customer
        source, behaviour = customer.shop.source, world.knobs.behaviour
        if customer.number is None or source not in _REPORTS_UPDATES:
            return False
        at += world.chance.randrange(1, 3600) * SECOND
        chance = world.chance.random()
        if source in _REPORTS_DELETIONS and chance < behaviour.customer_deletions:
            world.report([_state(customer, Change.DELETED, at, None)])
            return True
        if chance < behaviour.customer_deletions + behaviour.updates:
            world.report([self._updated(at)])
        return False

    def _updated(self, at: Micros) -> CustomerState:
        """Return the customer's consent or totals; of Ciklik either, of Spiffy both."""
        accepts = self._world.chance.random() < self._world.knobs.behaviour.consents
        match self._customer.shop.source:
            case "spiffy":
                return _state(
                    self._customer, Change.UPDATED, at, accepts, (self._spent, self._orders)
                )
            case "ciklik" if self._world.chance.random() < _EITHER:
                return _state(self._customer, Change.UPDATED, at, None, (self._spent, None))
        return _state(self._customer, Change.UPDATED, at, accepts)


def created(world: World, customer: Customer) -> CustomerState:
    """Return the customer's registration, with the consent that it gives, if any."""
    chance, accepts = world.chance, None
    match customer.shop.source:
        case "ciklik":
            return _state(customer, Change.CREATED, customer.created_at, None, (ZERO, None))
        case "run-free":
            accepts = chance.random() < world.knobs.behaviour.consents
        case _ if chance.random() < _ASKED:
            accepts = chance.random() < world.knobs.behaviour.consents
    totals = (ZERO, 0) if customer.shop.source == "spiffy" else (None, None)
    return _state(customer, Change.CREATED, customer.created_at, accepts, totals)


def _state(
    customer: Customer,
    change: Change,
    at: Micros,
    accepts: bool | None,
    totals: tuple[Money | None, int | None] = (None, None),
) -> CustomerState:
    return CustomerState(
        customer=customer,
        shop=customer.shop,
        change=change,
        changed_at=at,
        accepts_marketing=accepts,
        spent=totals[0],
        orders=totals[1],
    )
