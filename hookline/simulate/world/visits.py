"""Live visits: carts that are filled, changed, left, bought, and what comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.simulate.world.baskets import Basket, cart_line, numbered
from hookline.simulate.world.customers import created
from hookline.simulate.world.facts import SECOND, CartState, Change, Line, Micros
from hookline.simulate.world.orders import Order, OrderLives
from hookline.simulate.world.shop_list import MARGIN

if TYPE_CHECKING:
    from hookline.simulate.world.agenda import World

_ANOTHER_CART, _LESS, _MORE = 0.5, 0.1, 0.1
_SOON = 2.0
_MINUTE: Micros = 60 * SECOND
_Scripts = tuple[tuple[str, int], ...]
_WATCHED: _Scripts = (
    ("fill", 3), ("fill change change", 2), ("fill change buy", 3), ("fill buy echo", 2),
    ("fill change recover", 3), ("fill return buy", 2), ("fill return", 1), ("fill swap buy", 1),
    ("fill swap", 1), ("fill empty", 1), ("fill empty buy", 1), ("fill empty refill buy", 1),
    ("fill empty renew buy", 1), ("fill empty recover", 1), ("fill buy renew recover", 2),
    ("fill buy renew", 1), ("fill expire change", 1), ("fill return recover echo", 1),
    ("fill return empty buy", 1),
)  # fmt: skip
"""Visits of carts that are reported at each change, and how often they occur."""
_REPORTED: _Scripts = (
    ("report", 3),
    ("report recover", 4),
    ("report recover renew", 1),
    ("report again", 1),
    ("report again recover", 1),
    ("buy", 3),
)
"""Visits of carts that are reported once they are abandoned."""
_WATCHES = ("spiffy", "run-free")
_NAMES_CARTS = {"spiffy": 0.95, "run-free": 1.0, "shoprocket": 0.7}
"""How many of the orders from a cart name it."""


def visit(world: World, lives: OrderLives, due: Micros) -> None:
    """Begin a live visit in a shop, as its platform reports carts."""
    shop = lives.numbers.shop
    if shop.source in _WATCHES:
        scripts = _WATCHED
    elif shop.source == "ciklik" or shop.format == "envelope":
        scripts = _REPORTED
    else:
        scripts = (("buy", 1),)
    names, weights = zip(*scripts, strict=True)
    [script] = world.chance.choices(names, weights)
    Visit(world, lives, due).run(script)


class Visit:
    """A visit in the making: ``due`` is the time that it has reached.

    Every gap is clearly within or clearly beyond the shop's limits, whichever clock is taken.
    """

    def __init__(self, world: World, lives: OrderLives, due: Micros) -> None:
        self._world, self._lives, self._due = world, lives, due
        self._chance, self._numbers = world.chance, lives.numbers
        self._shop = lives.numbers.shop
        self._margin = MARGIN + world.knobs.clock_skew
        guests = self._shop.source in ("spiffy", "shoprocket")
        known = None
        if world.knobs.customers is None:
            known = world.known.pop(self._shop.key, None)
        self._customer = known or world.people.customer(
            self._numbers, self._time(), can_be_guest=guests
        )
        self._lines: tuple[Line, ...] = ()
        self._wanted: tuple[Line, ...] = ()
        self._products = self._chance.randrange(100)
        self._opened: Micros | None = None
        self._reported: Micros = due
        self._is_shown = self._is_over = False
        self._cart = self._new_cart()
        if known is None and self._customer.number is not None:
            world.push(due, created(world, self._customer))
            self._due += SECOND // 2

    def run(self, script: str) -> None:
        """Follow a script: each of its names is a method, called in order.

        An order that does not name its cart ends it: gaps after an order are drawn from that.
        """
        for act in script.split():
            if not self._is_over:
                getattr(self, f"_{act}")()

    def _time(self) -> Micros:
        """Return the present time by the shop's clock, as it writes times."""
        at = self._world.knobs.start + self._due + self._shop.clock_skew
        return self._numbers.clock(at)

    def _wait(self, least: float, most: float) -> None:
        self._due += int(self._chance.uniform(least, max(least, most)) * SECOND)

    def _new_cart(self) -> int:
        if self._shop.source == "run-free":
            return self._customer.number or 0
        return self._numbers.next("carts")

    # What a visitor does, after a wait.

    def _fill(self) -> None:
        self._lines = tuple(self._line() for _ in range(self._chance.choice((1, 1, 2, 3))))
        self._show()

    def _change(self) -> None:
        """Take another product in a moment."""
        self._short()
        self._lines = (*self._lines, self._line())
        self._show()

    def _return(self) -> None:
        """Come back after a long silence, before the cart has expired."""
        limit = self._shop.abandon_after
        self._wait(limit + self._margin, limit + 2 * self._margin)
        self._lines = (*self._lines, self._line())
        self._show()

    def _swap(self) -> None:
        """Change the cart, and change it back."""
        before = self._lines
        self._change()
        self._short()
        self._lines = before
        self._show()

    def _empty(self) -> None:
        """Empty the cart so soon that what follows shortly is near its last products too."""
        self._wait(0.5, _SOON)
        self._lines = ()
        self._show()

    def _refill(self) -> None:
        """Fill the emptied cart within the grace."""
        self._wait(0.5, self._shop.abandon_after - self._margin - _SOON)
        self._fill()

    def _renew(self) -> None:
        """Fill a cart after the grace: where an order closed the other one, it may be a new one."""
        grace = self._shop.checkout_grace
        self._wait(grace + self._margin, grace + 2 * self._margin)
        is_new = self._shop.source == "spiffy" and self._chance.random() < _ANOTHER_CART
        if is_new or self._shop.source == "ciklik":
            self._cart, self._opened, self._is_shown = self._new_cart(), None, False
        if self._shop.source in _WATCHES:
            self._fill()
        else:
            self._report()

    def _expire(self) -> None:
        limit = self._shop.expire_after
        self._wait(limit + self._margin, limit + 2 * self._margin)

    def _report(self) -> None:
        """Leave a cart that the platform reports half an hour later."""
        self._lines = tuple(self._line() for _ in range(self._chance.choice((1, 2))))
        self._reported = self._due
        self._opened = self._time() - self._chance.randrange(31, 59) * _MINUTE
        self._show(is_reported=True)

    def _again(self) -> None:
        """Leave the reported cart once more, with another product."""
        self._wait(self._margin, 2 * self._margin)
        self._lines = (*self._lines, self._line())
        self._show(is_reported=True)

    def _echo(self) -> None:
        """Show the bought cart once more, or empty, within the grace after the order."""
        ahead = max(0, self._shop.clock_skew) / SECOND
        self._wait(1 + ahead, self._shop.checkout_grace - self._margin)
        self._lines = self._chance.choice((self._lines, self._lines[:1], (), ()))
        self._show()

    def _buy(self) -> None:
        """Order in a moment, but late enough that a repeated delivery of the cart is earlier."""
        if self._opened is not None:
            most = self._shop.abandon_after - MARGIN - (0 if self._lines else _SOON)
            self._wait_for_order(self._margin, most)
        self._order()

    def _recover(self) -> None:
        """Order after a long silence, before the cart has expired."""
        shop = self._shop
        least = shop.abandon_after + MARGIN if shop.source in _WATCHES else self._margin
        most = shop.expire_after - self._margin
        if shop.source not in _WATCHES:  # it expires after its first report
            most -= (self._due - self._reported) / SECOND
        self._wait_for_order(least, min(most, least + 30))
        self._order()

    def _short(self) -> None:
        self._wait(0.5, self._shop.abandon_after - self._margin)

    def _wait_for_order(self, least: float, most: float) -> None:
        """Wait until the order's own time, by the shop's clock, is so far from the cart's."""
        ahead = self._shop.clock_skew / SECOND
        self._wait(max(0.5, least - ahead), max(0.5, most - ahead))
        late = -(self._world.knobs.start + self._due + self._shop.clock_skew)
        self._due += late % self._numbers.precision

    # What the shop reports of it.

    def _line(self) -> Line:
        self._products += 7
        return cart_line(self._chance, self._shop.source, len(self._lines) + 1, self._products)

    def _show(self, *, is_reported: bool = False) -> None:
        """Report the cart as it is."""
        at = self._time()
        change = Change.UPDATED if self._is_shown else Change.CREATED
        self._is_shown = True
        self._opened = at if self._opened is None else self._opened
        self._wanted = self._lines or self._wanted
        state = CartState(
            customer=self._customer,
            shop=self._shop,
            number=self._cart,
            change=change,
            opened_at=self._opened,
            changed_at=at,
            lines=self._lines,
            is_reported=is_reported,
        )
        self._world.push(self._due, state)

    def _order(self) -> None:
        """Order, and report what becomes of it within seconds."""
        order = Order(
            self._customer,
            self._numbers,
            self._world.knobs.start + self._due + self._shop.clock_skew,
            self._ordered(),
        )
        named = _NAMES_CARTS.get(self._shop.source, 0.0)
        if self._opened is not None and self._chance.random() < named:
            order.cart = self._cart
        elif self._shop.source in _WATCHES:
            self._is_over = True
        due = self._due + self._chance.randrange(SECOND)
        for state in self._lives.of(order, self._any, self._later):
            self._world.push(due + state.changed_at - order.placed_at, state)

    def _ordered(self) -> Basket:
        """Return what is in the cart, or a part of it, or more; or anything without a cart."""
        lines = self._wanted
        if not lines:
            return self._any()
        drawn = self._chance.random()
        if drawn < _LESS:
            lines = lines[:1]
        elif drawn < _LESS + _MORE:
            lines = (*lines, self._line())
        first = self._numbers.lines
        self._numbers.lines += len(lines) + 1
        return self._lives.baskets.of_lines(
            tuple(numbered(line, first + index) for index, line in enumerate(lines))
        )

    def _any(self) -> Basket:
        return self._lives.basket(self._chance.randrange(500, 20_000))

    def _later(self) -> Micros:
        return self._chance.randrange(2, 7) * SECOND
