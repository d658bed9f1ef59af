"""Subscriptions: they begin with an order, renew every month, pause and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hookline.simulate.world.facts import (
    DAY,
    Change,
    Customer,
    Micros,
    SubscriptionState,
)
from hookline.simulate.world.orders import HOUR, Order, OrderLives

if TYPE_CHECKING:
    from hookline.simulate.world.agenda import World

_PRICES = (1990, 2500, 2990, 5000)
_MONTH = 30 * DAY
_PAUSES, _ENDS, _DELETED = 0.08, 0.12, 0.3


class Subscription:
    """A subscription of the history; ``renew`` is due every month."""

    __slots__ = ("_at", "_created_at", "_customer", "_lives", "_price", "_world", "number")

    def __init__(
        self, world: World, lives: OrderLives, customer: Customer, created_at: Micros
    ) -> None:
        self.number = lives.numbers.next("subscriptions")
        self._world, self._lives, self._customer = world, lives, customer
        self._created_at = self._at = created_at
        self._price = world.chance.choice(_PRICES)

    def begin(self, due: Micros) -> None:
        """Report that it was created, before the order that names it."""
        self._world.push(due, self._state("active", Change.CREATED))
        self._wait()

    def renew(self, _: Micros) -> None:
        """Order again; or pause for a month; or end."""
        world = self._world
        drawn = world.chance.random()
        if drawn < _ENDS:
            world.report([self._state("inactive")])
            if world.chance.random() < _DELETED:
                self._at += DAY
                world.report([self._state("inactive", Change.DELETED)])
            return
        if drawn < _ENDS + _PAUSES:
            world.report([self._state("paused")])
            self._at += _MONTH - DAY
            world.report([self._state("active")])
            self._at += DAY
        order = Order(
            self._customer, self._lives.numbers, self._at, self._lives.basket(self._price)
        )
        order.subscription, order.is_renewal = self.number, True
        world.report(self._lives.of(order, lambda: order.basket, lambda: 6 * HOUR))
        self._wait()

    def _wait(self) -> None:
        self._at += _MONTH
        if self._at < self._world.knobs.history_ends:
            self._world.push(self._world.knobs.due_of(self._at), self.renew)

    def _state(
        self, status: Literal["active", "paused", "inactive"], change: Change = Change.UPDATED
    ) -> SubscriptionState:
        return SubscriptionState(
            customer=self._customer,
            shop=self._customer.shop,
            number=self.number,
            change=change,
            created_at=self._created_at,
            changed_at=self._at,
            status=status,
        )
